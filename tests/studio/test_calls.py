"""What a page can ask for: every call does what the library does."""

from __future__ import annotations

from pathlib import Path

import pytest
from studio_client import Page, Studio

from wspace.networks.generator import Generator
from wspace.recipe.document import PictureDocument
from wspace.recipe.png import read_document, read_pixels
from wspace.recipe.recipe import Recipe, recipes
from wspace.rendering.identity import identity_of
from wspace.rendering.render import render


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
        ("open", {"model": "avatars"}, "model='avatars' is none of this studio's"),
        ("open", {"model": "../../etc/passwd"}, "is none of this studio's"),
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


def test_a_recipe_of_another_model_is_refused(
    open_page: Page, studio: Studio, other_generator: Generator
) -> None:
    foreign = render(other_generator, recipes(seeds=(1,))).recipes[0].to_dict()
    says = open_page.error("render", model=studio.key(), recipes=[foreign])
    assert "was made with model" in says
