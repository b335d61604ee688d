"""Calls that take long: they tell how far they are, let others in between, and can be stopped."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from studio_client import Page, Studio, pixels_of

from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe, recipes
from wspace.rendering.render import render
from wspace.steering.interpolation import walk_recipes


def plain(*seeds: int) -> list[dict[str, object]]:
    return [recipe.to_dict() for recipe in recipes(seeds=seeds, psi=0.7)]


def picture(size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    """The file of a picture."""
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    pixels = np.stack([rows * 6, columns * 5, rows * columns // 9], axis=2).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("loop", [False, True])
def test_a_walk_shows_its_pictures_in_order(
    open_page: Page, studio: Studio, tiny_generator: Generator, loop: bool
) -> None:
    found = open_page.result(
        "walk", model=studio.key(), recipes=plain(1, 2, 3), frames=10, loop=loop, kind="spline"
    )
    count = 30 if loop else 21
    assert found.head["done"] == found.head["total"] == count
    shown = [pixels_of(head, payload) for head, payload in found.progress]
    assert max(map(len, shown)) <= 16
    keys = recipes(seeds=(1, 2, 3), psi=0.7)
    expected = walk_recipes(tiny_generator, keys, count, kind="spline", loop=loop)
    pixels = render(tiny_generator, expected, batch_size=16).pixels
    assert (np.concatenate(shown)[..., :3] == pixels).all()
    first = render(tiny_generator, keys, batch_size=16).pixels[1].astype(int)
    assert np.abs(pixels[10].astype(int) - first).max() <= 1  # a key lies at the end of a leg


@pytest.mark.parametrize("kind", ["mp4", "webp", "gif"])
def test_a_film_comes_as_a_file(open_page: Page, studio: Studio, kind: str) -> None:
    found = open_page.result(
        "film", model=studio.key(), recipes=plain(1, 2), frames=4, format=kind, fps=20, loop=True
    )
    assert found.head["name"] == f"walk.{kind}"
    assert found.progress[-1][0]["done"] == found.progress[-1][0]["total"] == 8
    if kind == "mp4":
        assert found.payload[4:8] == b"ftyp"
    else:
        with Image.open(io.BytesIO(found.payload)) as film:
            assert film.n_frames == 8  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("call", "arguments", "says"),
    [
        ("walk", {"recipes": plain(1)}, "recipes has 1 values"),
        ("walk", {"recipes": plain(1, 1)}, "two pictures or more"),
        ("walk", {"recipes": plain(1, 2), "frames": 0}, "frames=0"),
        ("walk", {"recipes": plain(*range(64)), "frames": 1000}, "a walk of 63001 frames"),
        ("walk", {"recipes": plain(1, 2), "kind": "jump"}, "kind='jump'"),
        ("film", {"recipes": plain(*range(9)), "frames": 999, "format": "gif"}, "too many for a"),
        ("film", {"recipes": plain(1, 2), "format": "avi"}, "format='avi'"),
        ("film", {"recipes": plain(1, 2), "format": "../walk.mp4"}, "format='../walk.mp4'"),
        ("film", {"recipes": plain(1, 2), "fps": 1000}, "fps=1000"),
    ],
)
def test_walks_that_cannot_be(
    open_page: Page, studio: Studio, call: str, arguments: dict[str, object], says: str
) -> None:
    if says == "two pictures or more":
        arguments = {"recipes": plain(1, 1), "loop": True, "frames": 2}
        open_page.result(call, model=studio.key(), **arguments)
        return
    assert says in open_page.error(call, model=studio.key(), **arguments)


def test_walks_through_mixtures_are_shorter_where_their_w_take_more_memory(
    open_page: Page, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.studio.longer.MOST_NUMBERS", 8 * 6 * 20)
    mixed = recipes(seeds=(1,))[0].to_dict()
    mixed |= {"sources": [{"seed": 1}, {"seed": 2}], "layer_sources": [0, 0, 0, 1, 1, 1]}
    keys = [mixed, *plain(3)]
    says = open_page.error("walk", model=studio.key(), recipes=keys, frames=30)
    assert says == "a walk of 31 frames is too long: give 20 at most."
    open_page.result("walk", model=studio.key(), recipes=keys, frames=19)
    open_page.result("walk", model=studio.key(), recipes=plain(1, 2), frames=30)


def test_a_film_leaves_nothing_behind(
    open_page: Page, studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    open_page.result("film", model=studio.key(), recipes=plain(1, 2), frames=2, format="gif")
    number = open_page.send(
        "film", model=studio.key(), recipes=plain(1, 2), frames=1000, format="webp"
    )
    assert open_page.take()[0]["kind"] == "progress"
    open_page.send("stop", target=number)
    assert open_page.wait(number).head["kind"] == "stopped"
    assert list(folder.iterdir()) == []


def test_a_picture_is_inverted_while_it_can_be_watched(
    open_page: Page, studio: Studio, tiny_generator: Generator
) -> None:
    found = open_page.result(
        "invert", picture(kind="JPEG"), model=studio.key(), seconds=600, steps=12, space="w+"
    )
    recipe = Recipe.from_dict(found.head["recipe"])
    assert len(recipe.sources) == 6
    pixels = render(tiny_generator, [recipe.replace(model=None)]).pixels
    assert (found.pixels[..., :3] == pixels).all()
    assert found.head["psnr"] > 5
    heads = [head for head, _ in found.progress if "step" in head]
    assert heads[0]["step"] == 0
    assert heads[-1]["step"] == 12
    shown = [pixels_of(head, payload) for head, payload in found.progress if "images" in head]
    assert len(shown) == 4  # the first, two of five steps each, the last


def test_an_inversion_that_is_stopped_gives_what_it_found(
    open_page: Page, studio: Studio, tiny_generator: Generator
) -> None:
    number = open_page.send("invert", picture(), model=studio.key(), seconds=600)
    while open_page.take()[0].get("step", 0) < 3:
        pass
    open_page.send("stop", target=number)
    found = open_page.wait(number)
    assert found.head["kind"] == "stopped"
    recipe = Recipe.from_dict(found.head["recipe"]).replace(model=None)
    pixels = render(tiny_generator, [recipe]).pixels
    assert (found.pixels[..., :3] == pixels).all()


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"", "no picture that can be read"),
        (b"no picture", "no picture that can be read"),
        (picture()[:-200], "no picture that can be read"),
        (b"GIF89a" + b"\xff" * 50, "no picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture that can be read"),
    ],
)
def test_what_is_no_picture_is_told(
    open_page: Page, studio: Studio, payload: bytes, says: str
) -> None:
    assert says in open_page.error("invert", payload, model=studio.key(), seconds=1)


def test_a_picture_that_unpacks_to_too_much_is_refused_before_it_does(
    open_page: Page, studio: Studio
) -> None:
    """A decompression bomb: few bytes, many pixels."""
    file = io.BytesIO()
    Image.new("1", (64, 64)).save(file, "PNG")
    bomb = bytearray(file.getvalue())
    bomb[16:24] = struct.pack(">II", 20_000, 20_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bomb[12:29]))
    says = open_page.error("invert", bytes(bomb), model=studio.key(), seconds=1)
    assert "more than 89,478,485 pixels" in says
    open_page.result("render", model=studio.key(), recipes=plain(1))


def test_bytes_belong_to_calls_that_take_some(open_page: Page, studio: Studio) -> None:
    says = open_page.error("render", b"more", model=studio.key(), recipes=plain(1))
    assert says == "render takes no bytes: send it as text."


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"seconds": 0}, "seconds=0"),
        ({"seconds": 1e9}, "seconds=1000000000.0"),
        ({"space": "z"}, "space='z'"),
        ({"class": 2}, "no classes"),
    ],
)
def test_inversions_that_cannot_be(
    open_page: Page, studio: Studio, arguments: dict[str, object], says: str
) -> None:
    assert says in open_page.error("invert", picture(), model=studio.key(), **arguments)


def test_points_are_dragged_step_by_step(
    open_page: Page, studio: Studio, tiny_generator: Generator
) -> None:
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[4:12] = 1
    found = open_page.result(
        "drag", mask.tobytes(), model=studio.key(), recipe=plain(3)[0],
        points=[[[5, 5], [9.5, 8]]], steps=4,
    )  # fmt: skip
    heads = [head for head, _ in found.progress]
    assert [head["done"] for head in heads] == list(range(len(heads)))
    assert len(heads) == 5 or heads[-1]["arrived"]
    assert heads[0]["points"] == [[5, 5]]
    assert found.head["points"] == heads[-1]["points"]
    recipe = Recipe.from_dict(found.head["recipe"])
    assert recipe.model is not None
    pixels = render(tiny_generator, [recipe.replace(model=None)]).pixels.astype(int)
    assert np.abs(found.pixels[..., :3].astype(int) - pixels).max() <= 1


@pytest.mark.parametrize(
    ("arguments", "payload", "says"),
    [
        ({"points": []}, None, "points has 0 values"),
        ({"points": [[[1, 1]]]}, None, "points"),
        ({"points": [[[1, 1], [99, 1]]]}, None, "point 99,1 is outside the picture"),
        ({"points": [[[1, 1], [3, 3]]]}, b"\1" * 255, "the mask has 255 bytes"),
        ({"points": [[[1, 1], [3, 3]]]}, b"\0" * 256, "the mask lets nothing move"),
        ({"points": [[[1, 1], [3, 3]]], "steps": 0}, None, "steps=0"),
    ],
)
def test_drags_that_cannot_be(
    open_page: Page,
    studio: Studio,
    arguments: dict[str, object],
    payload: bytes | None,
    says: str,
) -> None:
    told = open_page.error("drag", payload, model=studio.key(), recipe=plain(1)[0], **arguments)
    assert says in told


def long_call(page: Page, studio: Studio) -> int:
    """Begins a walk of thousands of pictures; its number."""
    number = page.send("walk", model=studio.key(), recipes=plain(*range(11)), frames=999)
    while page.take()[0]["id"] != number:
        pass
    return number


def test_others_are_answered_while_long_calls_go_on(open_page: Page, studio: Studio) -> None:
    long_call(open_page, studio)
    other = studio.open_page()
    for seed in range(10):
        other.result("render", model=studio.key(), recipes=plain(seed))
    mine = open_page.send("render", model=studio.key(), recipes=plain(1))
    kinds = []
    while (head := open_page.take()[0])["id"] != mine:
        kinds.append(head["kind"])
    assert set(kinds) == {"progress"}  # the walk was not over


def test_a_long_call_is_stopped_and_gives_the_last_that_it_showed(
    open_page: Page, studio: Studio
) -> None:
    number = long_call(open_page, studio)
    open_page.send("stop", target=number)
    stopped = open_page.wait(number)
    assert stopped.head["kind"] == "stopped"
    assert "done" in stopped.head
    open_page.result("render", model=studio.key(), recipes=plain(1))


def test_pages_stop_only_what_is_theirs(open_page: Page, studio: Studio) -> None:
    number = long_call(open_page, studio)
    other = studio.open_page()
    assert not other.result("stop", target=number).head["found"]
    for target in (0, -1, 99, "1", None, True, 2**60, [1]):
        assert not other.result("stop", target=target).head["found"]
    assert open_page.take()[0]["kind"] == "progress"


def test_long_calls_of_a_page_that_is_closed_end(studio: Studio) -> None:
    with studio.connected() as page:
        long_call(page, studio)
    other = studio.open_page()
    for _ in range(200):
        other.result("models")
        if len(studio.turns.clients) == 1:
            break
    assert len(studio.turns.clients) == 1
