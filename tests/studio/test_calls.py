"""What a page can ask for: every call does what the library does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from studio_client import Page, Studio
from tiny_generators import make_tiny_generator

from wspace.formats.directions import Direction, directions_path, read_directions, write_directions
from wspace.formats.model_file import save
from wspace.machine import choose_precision
from wspace.networks.generator import Generator
from wspace.recipe.document import PictureDocument
from wspace.recipe.png import read_document, read_pixels
from wspace.recipe.recipe import Edit, Recipe, recipes
from wspace.rendering.deviation import noise_deviation
from wspace.rendering.identity import identity_of
from wspace.rendering.render import render
from wspace.steering.neighbourhood import neighbours


def plain(*seeds: int) -> list[dict[str, object]]:
    return [recipe.to_dict() for recipe in recipes(seeds=seeds, psi=0.7)]


def test_models_are_listed_with_those_that_were_given_first(open_page: Page) -> None:
    head = open_page.result("models").head
    assert [model["title"] for model in head["models"]] == ["tiny", "avatars", "clothes"]
    first = head["models"][0]
    assert first["kind"] == "file"
    assert first["error"] is None
    assert not first["open"]
    assert "/" not in first["key"]
    assert head["version"]


def test_a_model_that_is_opened_says_what_it_is(
    open_page: Page, studio: Studio, tiny_generator: Generator
) -> None:
    model = open_page.result("open", model=studio.key()).head["model"]
    assert (model["width"], model["height"], model["channels"]) == (16, 16, 3)
    assert model["num_ws"] == 6
    assert model["groups"] == {"coarse": [0, 1, 2, 3], "middle": [4, 5], "fine": []}
    assert model["sha256"] == identity_of(tiny_generator).sha256
    assert model["noise_layers"] == [0, 1, 2, 3, 4, 5]
    assert model["facts"] == [["trained on", "nothing"]]
    assert {"render", "png"} <= set(model["can"])
    assert model["quick_precision"] == choose_precision("cpu")
    assert open_page.result("models").head["models"][0]["open"]


def test_pictures_are_those_that_the_library_draws(
    open_page: Page, studio: Studio, tiny_generator: Generator
) -> None:
    found = open_page.result("render", model=studio.key(), recipes=plain(1, 2, 3))
    expected = render(tiny_generator, recipes(seeds=(1, 2, 3), psi=0.7))
    assert (found.pixels[..., :3] == expected.pixels).all()
    assert (found.pixels[..., 3] == 255).all()
    filled = [Recipe.from_dict(one) for one in found.head["recipes"]]
    assert [one.sources for one in filled] == [one.sources for one in expected.recipes]
    assert filled[0].model is not None
    assert filled[0].model.sha256 == identity_of(tiny_generator).sha256


def test_a_png_is_the_one_that_generate_writes(
    open_page: Page, studio: Studio, tiny_model: Path, tiny_generator: Generator, tmp_path: Path
) -> None:
    found = open_page.result("png", model=studio.key(), recipe=plain(7)[0])
    assert found.head["name"] == "seed0007.png"
    pictures = render(tiny_generator, recipes(seeds=(7,), psi=0.7))
    path = tmp_path / "seed0007.png"
    path.write_bytes(found.payload)
    document = read_document(path)
    assert isinstance(document, PictureDocument)
    assert document.rendered_by == pictures.rendered_by
    assert (read_pixels(path) == pictures.pixels[0]).all()


@pytest.mark.parametrize(
    ("call", "arguments", "says"),
    [
        ("paint", {}, "call='paint' is none that this version answers"),
        ("open", {"model": "avatars"}, "model='avatars' is none that is here"),
        ("open", {"model": "../../etc/passwd"}, "is none that is here"),
        ("open", {}, "open is incomplete: it lacks 'model'"),
        ("open", {"model": 7}, "model=7 is no text"),
        ("models", {"all": True}, "models knows no 'all'"),
        ("render", {"recipes": []}, "recipes has 0 values: give 1 to 64"),
        ("render", {"recipes": plain(*range(65))}, "recipes has 65 values: give 1 to 64"),
        ("render", {"recipes": [{"version": 99}]}, "version 99 is newer"),
        ("render", {"recipes": [{}]}, "no wspace recipe"),
        ("render", {"recipes": {"a": 1}}, "recipes"),
        ("render", {"recipes": "seed 3"}, "recipes='seed 3'"),
        ("render", {"recipes": [{"version": 1, "sources": [{"seed": -1}]}]}, "seed=-1"),
        ("render", {"recipes": [{"version": 1, "sources": [{"w": [1.0]}]}]}, "1 numbers"),
        (
            "render",
            {"recipes": [{"version": 1, "sources": [{"seed": 1, "class": 3}]}]},
            "this model has no classes",
        ),
        ("png", {"recipe": None}, "recipe is NoneType, not a JSON object"),
    ],
)
def test_what_cannot_be_is_answered_in_one_line_and_the_page_goes_on(
    open_page: Page, studio: Studio, call: str, arguments: dict[str, object], says: str
) -> None:
    if call in ("render", "png"):
        arguments = {"model": studio.key()} | arguments
    assert says in open_page.error(call, **arguments)
    open_page.result("render", model=studio.key(), recipes=plain(1))


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("render", {"recipes": ["FOREIGN"]}),
        ("png", {"recipe": "FOREIGN"}),
        ("neighbours", {"recipe": "FOREIGN", "step": 0.3}),
        ("w_of", {"recipe": "FOREIGN"}),
        ("code", {"recipe": "FOREIGN"}),
        ("deviation", {"recipe": "FOREIGN"}),
        ("sheet", {"kind": "psi", "recipe": "FOREIGN"}),
        ("walk", {"recipes": ["FOREIGN", "FOREIGN"]}),
        ("drag", {"recipe": "FOREIGN", "points": [[[1, 1], [3, 3]]]}),
    ],
)
def test_a_recipe_of_another_model_is_refused_by_every_call(
    open_page: Page,
    studio: Studio,
    other_generator: Generator,
    call: str,
    arguments: dict[str, object],
) -> None:
    foreign = render(other_generator, recipes(seeds=(1,))).recipes[0].to_json()
    filled = json.loads(json.dumps(arguments).replace('"FOREIGN"', foreign))
    says = open_page.error(call, model=studio.key(), **filled)
    assert "was made with model" in says


def test_neighbours_are_those_of_the_library(
    open_page: Page, studio: Studio, tiny_generator: Generator
) -> None:
    (middle,) = recipes(seeds=(3,), psi=0.7)
    found = open_page.result(
        "neighbours", model=studio.key(), recipe=middle.to_dict(), step=0.4, seed=9
    )
    expected = render(tiny_generator, neighbours(tiny_generator, middle, step=0.4, seed=9))
    assert (found.pixels[..., :3] == expected.pixels).all()
    own = [Recipe.from_dict(one).sources for one in found.head["recipes"]]
    assert own == [one.sources for one in expected.recipes]
    says = open_page.error("neighbours", model=studio.key(), recipe=plain(3)[0], step=0)
    assert "step=0" in says


def test_a_recipe_goes_on_with_its_own_w(
    open_page: Page, studio: Studio, tiny_generator: Generator
) -> None:
    own = Recipe.from_dict(
        open_page.result("w_of", model=studio.key(), recipe=plain(3)[0]).head["recipe"]
    )
    assert own.sources[0].w is not None
    assert own.model is not None
    expected = render(tiny_generator, recipes(seeds=(3,), psi=0.7)).pixels
    assert (render(tiny_generator, [own]).pixels == expected).all()


def test_code_names_the_model_as_the_command_was_given_it(
    open_page: Page, studio: Studio, tiny_model: Path
) -> None:
    answer = open_page.result("code", model=studio.key(), recipe=plain(3)[0]).head
    assert answer["command"] == f"wspace generate {tiny_model} --seeds 3 --psi 0.7"
    assert f'wspace.load("{tiny_model}")' in answer["python"]
    assert answer["file"] is None
    own = open_page.result("w_of", model=studio.key(), recipe=plain(3)[0]).head["recipe"]
    answer = open_page.result("code", model=studio.key(), recipe=own).head
    assert answer["command"] == f"wspace generate {tiny_model} --recipe recipe.json"
    assert answer["file"]["name"] == "recipe.json"
    assert Recipe.from_json(answer["file"]["text"]) == Recipe.from_dict(own).replace(model=None)


def test_a_deviation_is_a_grey_picture(
    open_page: Page, studio: Studio, tiny_generator: Generator
) -> None:
    (recipe,) = recipes(seeds=(3,))
    found = open_page.result("deviation", model=studio.key(), recipe=recipe.to_dict(), count=20)
    tile, white = noise_deviation(tiny_generator, recipe, 20)
    assert (found.pixels[0, :, :, :3] == tile).all()
    assert found.head["white"] == white


@pytest.mark.parametrize(
    "arguments",
    [
        {"kind": "mixing", "rows": plain(1, 2), "columns": plain(3, 4, 5), "layers": [0, 1]},
        {"kind": "noise", "recipe": plain(1)[0]},
        {"kind": "psi", "recipe": plain(1)[0], "theme": "dark"},
    ],
)
def test_sheets_are_pngs_that_can_be_made_again(
    open_page: Page,
    studio: Studio,
    tiny_model: Path,
    tmp_path: Path,
    run_wspace: Callable[..., Any],
    arguments: dict[str, object],
) -> None:
    found = open_page.result("sheet", model=studio.key(), **arguments)
    path = tmp_path / found.head["name"]
    path.write_bytes(found.payload)
    ran = run_wspace("reproduce", path, "--model", tiny_model, "--verify")
    assert ran.status == 0, ran.out + ran.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"kind": "mixing", "rows": plain(1)}, "needs rows and columns"),
        ({"kind": "mixing", "rows": plain(1), "columns": plain(1)}, "layers=[]: this model has"),
        (
            {"kind": "mixing", "rows": plain(1), "columns": plain(1), "layers": [6]},
            "layers=[6]: this model has 0 to 5",
        ),
        ({"kind": "psi"}, "needs a recipe"),
        ({"kind": "photo", "recipe": plain(1)[0]}, "kind=photo is unknown"),
        ({"kind": "mixing", "rows": plain(*range(17))}, "rows has 17 values"),
    ],
)
def test_sheets_that_cannot_be(
    open_page: Page, studio: Studio, arguments: dict[str, object], says: str
) -> None:
    assert says.replace("kind=photo", "kind='photo'") in open_page.error(
        "sheet", model=studio.key(), **arguments
    )


def test_too_many_pixels_at_once_are_refused(
    open_page: Page, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.serving.shelf.MOST_PIXELS", 16 * 16 * 2)
    says = open_page.error("render", model=studio.key(), recipes=plain(1, 2, 3))
    assert "3 pictures of 16 x 16 are too many at once: ask for 2 at most" in says
    open_page.result("render", model=studio.key(), recipes=plain(1, 2))


def test_few_models_are_open_at_once(
    page_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.serving.shelf.MOST_OPEN", 2)
    paths = [tmp_path / f"{number}.safetensors" for number in range(3)]
    for number, path in enumerate(paths):
        save(make_tiny_generator(number), path)
    with Studio(page_folder, paths) as studio:
        page = studio.open_page()
        for number in (0, 1, 0, 2):
            page.result("open", model=studio.key(number))
        models = page.result("models").head["models"]
        assert [one["open"] for one in models[:3]] == [True, False, True]
        page.result("render", model=studio.key(1), recipes=plain(1))  # opened again


def test_a_model_that_is_damaged_is_told_and_others_go_on(
    page_folder: Path, tiny_model: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(tiny_model.read_bytes()[:-100])
    with Studio(page_folder, [damaged, tiny_model]) as studio:
        page = studio.open_page()
        assert "damaged" in page.error("open", model=studio.key(0))
        page.result("open", model=studio.key(1))


def test_a_render_that_fails_is_told_and_the_page_goes_on(
    open_page: Page,
    studio: Studio,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with monkeypatch.context() as patched:

        def fails(*_: object, **__: object) -> None:
            raise RuntimeError("the device\nis on fire")

        patched.setattr("wspace.rendering.render.render", fails)
        says = open_page.error("render", model=studio.key(), recipes=plain(1))
        assert says == "render failed: RuntimeError: the device is on fire"
        patched.setattr("wspace.rendering.render.render", _out_of_memory)
        assert "not enough memory" in open_page.error("png", model=studio.key(), recipe=plain(1)[0])
    open_page.result("render", model=studio.key(), recipes=plain(1))
    assert "on fire" in caplog.text


def test_an_answer_that_cannot_be_written_is_told_and_the_page_goes_on(
    open_page: Page,
    studio: Studio,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("wspace.studio.calls.version", lambda name: float("nan"))
    assert "models failed: ValueError" in open_page.error("models")
    monkeypatch.undo()
    open_page.result("models")
    assert "models failed" in caplog.text


def _out_of_memory(*_: object, **__: object) -> None:
    raise MemoryError


def test_a_direction_is_renamed_in_its_file(
    page_folder: Path, tiny_model: Path, tmp_path: Path, tiny_generator: Generator
) -> None:
    model = tmp_path / "own.safetensors"
    model.write_bytes(tiny_model.read_bytes())
    edit = Edit(direction=(0.5,) * 8, layers=(0, 1), name="sefa-coarse-1")
    known = {edit.name: Direction(edit=edit, about="SeFa in coarse, number 1")}
    write_directions(directions_path(model), tiny_generator, known)
    with Studio(page_folder, [model]) as studio:
        page, other = studio.open_page(), studio.open_page()
        (direction,) = page.result("open", model=studio.key()).head["model"]["directions"]
        assert direction["method"] == "SeFa"
        assert direction["edit"]["direction"] == [0.5] * 8
        says = page.error("rename_direction", model=studio.key(), name="sefa-coarse-1", to="a=b")
        assert "no name for a direction" in says
        assert "no direction 'gone'" in page.error(
            "rename_direction", model=studio.key(), name="gone", to="hair"
        )
        renamed = page.result(
            "rename_direction", model=studio.key(), name="sefa-coarse-1", to="long hair"
        ).head["model"]
        assert [one["name"] for one in renamed["directions"]] == ["long hair"]
        again = other.result("open", model=studio.key()).head["model"]
        assert again["directions"] == renamed["directions"]
        recipe = recipes(seeds=(1,))[0].to_dict() | {"version": 2}
        recipe["edits"] = [again["directions"][0]["edit"] | {"strength": 2.0}]
        command = page.result("code", model=studio.key(), recipe=recipe).head["command"]
        assert "--edit 'long hair=2'" in command
    assert list(read_directions(directions_path(model), tiny_generator)) == ["long hair"]
