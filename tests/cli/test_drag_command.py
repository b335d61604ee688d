"""``wspace drag``: points in, a picture with its recipe out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wspace.dragging import pictures
from wspace.recipe.picture_file import recipe_of_file
from wspace.recipe.png import read_pixels

Run = Callable[..., Any]
MOVE = ("--from", "5,6", "--to", "9,6")


def test_a_seed_is_dragged_and_made_again_to_the_bit(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    out, film = tmp_path / "new" / "moved.png", tmp_path / "film.gif"
    sheet = tmp_path / "sheet.png"
    ran = run_wspace(
        "drag", tiny_model, "--seed", 3, "--psi", 0.7, *MOVE, "--steps", 5, "--out", out,
        "--film", film, "--sheet", sheet, "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    said = json.loads(ran.out)
    assert said["file"] == str(out)
    assert said["points"][0]["to"] == [9, 6]
    assert said["recipe"] == recipe_of_file(out).to_dict()
    with Image.open(film) as moving, Image.open(sheet) as shown:
        assert shown.width > 3 * 256
        assert moving.size == (256, 256)
        assert moving.n_frames == said["steps"] + 1  # type: ignore[attr-defined]
    again = run_wspace("reproduce", out, "--model", tiny_model, "--verify")
    assert again.status == 0, again.out


def test_a_picture_is_dragged_on_from_its_file(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    run_wspace("drag", tiny_model, *MOVE, "--steps", 3, "--out", first)
    ran = run_wspace(
        "drag", tiny_model, "--recipe", first, *MOVE, "--steps", 3, "--layers", "0-1", "--out",
        second,
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert ran.out.startswith(f"{second}: ")
    before, after = recipe_of_file(first), recipe_of_file(second)

    def w(recipe: Any, layer: int) -> Any:
        return recipe.sources[recipe.layer_sources[layer]].w

    assert w(before, 0) != w(after, 0)
    assert w(before, 3) == w(after, 3)
    assert (read_pixels(first) != read_pixels(second)).any()


def test_several_points_and_a_mask(run_wspace: Run, tiny_model: Path, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.fromarray(np.pad(np.full((8, 8), 255, np.uint8), 4)).save(mask)
    ran = run_wspace(
        "drag", tiny_model, "--from", "5,6 7,8", "--from", "9,9", "--to", "6,6 8,8", "--to",
        "10,9", "--mask", mask, "--steps", 2, "--out", tmp_path / "out.png", "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert [point["to"] for point in json.loads(ran.out)["points"]] == [[6, 6], [8, 8], [10, 9]]


def test_ctrl_c_keeps_the_last_picture_and_the_film(
    run_wspace: Run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = pictures.drag

    def pressed(*arguments: Any, **more: Any) -> Any:
        for state in usual(*arguments, **more):
            if state.step == 3:
                raise KeyboardInterrupt
            yield state

    monkeypatch.setattr(pictures, "drag", pressed)
    out, film = tmp_path / "out.png", tmp_path / "film.webp"
    ran = run_wspace("drag", tiny_model, *MOVE, "--out", out, "--film", film)
    assert ran.status == 130
    assert "2 steps" in ran.out
    assert "interrupted" in ran.err
    with Image.open(film) as moving:
        assert moving.n_frames == 3  # type: ignore[attr-defined]
    assert run_wspace("reproduce", out, "--model", tiny_model, "--verify").status == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "16,3", "--to", "3,3"), "point 16,3 is outside the picture"),
        (("--from", "3,3", "--to", "-1,3"), "point -1,3 is outside the picture"),
        (("--from", "3,3", "--to", "3,3"), "dragged to where it is"),
        (("--from", "3,3 4,4", "--to", "5,5"), "2 points to drag and 1 places"),
        (("--from", "3", "--to", "5,5"), "RIGHT,DOWN"),
        ((*MOVE, "--steps", "0"), "steps=0"),
        ((*MOVE, "--layers", "7"), "layer 7 does not exist"),
        ((*MOVE, "--mask", "nothing.png"), "cannot read"),
        ((*MOVE, "--mask", "text.png"), "no picture that can be read"),
        ((*MOVE, "--mask", "large.png"), "is 20 x 16"),
        ((*MOVE, "--mask", "black.png"), "lets nothing move"),
        ((*MOVE, "--film", "film.png"), "should end with .mp4"),
        ((*MOVE, "--out", "out.jpg"), "should end with .png"),
        ((*MOVE, "--sheet", "sheet.jpg"), "should end with .png"),
        ((*MOVE, "--batch-size", "2"), "--batch-size is for several pictures"),
        ((*MOVE, "--recipe", "text.png"), "is no valid JSON"),
        ((*MOVE, "--recipe", "text.png", "--seed", "3"), "--recipe and --seed exclude each other"),
        ((*MOVE, "--recipe", "text.png", "--psi", "0.7"), "--recipe and --psi exclude each other"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_wspace: Run,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.png").write_text("no picture")
    Image.new("L", (20, 16), 255).save("large.png")
    Image.new("L", (16, 16), 0).save("black.png")
    before = sorted(tmp_path.iterdir())
    ran = run_wspace("drag", tiny_model, *arguments)
    assert ran.status == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("arguments", [("--from", "3,3"), ("--to", "3,3")])
def test_from_and_to_belong_together(
    run_wspace: Run, tiny_model: Path, arguments: tuple[str, ...]
) -> None:
    ran = run_wspace("drag", tiny_model, *arguments)
    assert ran.status == 2
    assert "Missing option" in ran.err
