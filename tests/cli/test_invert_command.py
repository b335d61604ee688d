"""``wspace invert``: files of any kind in, pictures with recipes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wspace.recipe.png import read_pixels

Run = Callable[..., Any]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of another shape than the model's."""
    path = tmp_path / "my photo.jpg"
    rows, columns = np.mgrid[0:40, 0:60]
    pixels = np.stack([rows * 6, columns * 4, rows * columns // 10], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_a_photo_becomes_a_picture_that_is_made_again_and_edited(
    run_wspace: Run, tiny_model: Path, photo: Path, tmp_path: Path
) -> None:
    out, sheet, film = tmp_path / "out", tmp_path / "sheet.png", tmp_path / "film.gif"
    ran = run_wspace(
        "invert", tiny_model, photo, photo, "--steps", 4, "--out", out, "--sheet", sheet,
        "--film", film, "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    rows = json.loads(ran.out)
    assert [Path(row["file"]).name for row in rows] == ["my photo.png", "my photo-2.png"]
    assert rows[0]["psnr"] > 5
    with Image.open(sheet) as shown, Image.open(film) as moving:
        assert shown.width > 3 * 16
        assert moving.n_frames >= 5  # type: ignore[attr-defined]
    made = out / "my photo.png"
    again = run_wspace("reproduce", made, "--model", tiny_model, "--verify")
    assert again.status == 0, again.out
    same = run_wspace("generate", tiny_model, "--recipe", made, "--out", tmp_path / "same")
    assert same.status == 0, same.err
    (copy,) = (tmp_path / "same").glob("*.png")
    assert (read_pixels(copy) == read_pixels(made)).all()


def test_a_tuned_model_lies_beside_its_pictures_and_draws_them_again(
    run_wspace: Run, tiny_model: Path, photo: Path, tmp_path: Path
) -> None:
    base = tmp_path / "base.safetensors"
    base.write_bytes(tiny_model.read_bytes())
    run_wspace("directions", "find", base, "--num", 1)
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    ran = run_wspace(
        "invert", base, photo, photo, "--steps", 4, "--noise", "--tune", "--out", out,
        "--sheet", sheet, "--film", tmp_path / "film.gif", "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    rows = json.loads(ran.out)
    tuned = out / "my photo.tuned.safetensors"
    assert rows[0]["model"] == str(tuned)
    assert rows[0]["recipe"]["model"]["name"] == tuned.name
    assert rows[0]["recipe"]["noise"]["mode"] == "given"
    assert tuned.stat().st_size < base.stat().st_size
    with Image.open(sheet) as shown:
        assert shown.width > 4 * 16
    made = out / "my photo.png"
    again = run_wspace("reproduce", made, "--verify")
    assert again.status == 0, again.err
    assert "largest difference 0 / 255" in again.out
    assert "given" in run_wspace("show", made).out
    edited = run_wspace(
        "generate", tuned, "--recipe", made, "--edit", "sefa-coarse-1=1", "--out", tmp_path / "more"
    )
    assert edited.status == 0, edited.err
    wrong = run_wspace("reproduce", made, "--model", base)
    assert wrong.status == 2
    assert "my photo.tuned.safetensors" in wrong.err
    base.unlink()
    lost = run_wspace("generate", tuned, "--seeds", 1, "--out", tmp_path / "lost")
    assert lost.status == 2
    assert "put that model beside it" in lost.err
    assert lost.err.count("\n") == 1


def test_a_recipe_from_a_picture_takes_edits(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "m.safetensors"
    model.write_bytes(tiny_model.read_bytes())
    run_wspace("directions", "find", model, "--num", 1)
    run_wspace("generate", model, "--seeds", 1, "--edit", "sefa-coarse-1=1", "--out", tmp_path)
    ran = run_wspace(
        "generate", model, "--recipe", tmp_path / "seed0001.png", "--edit", "sefa-middle-1=-1",
        "--out", tmp_path / "more", "--json",
    )  # fmt: skip
    (recipe,) = json.loads(ran.out)["recipes"]
    assert [(e["name"], e["strength"]) for e in recipe["edits"]] == [
        ("sefa-coarse-1", 1.0),
        ("sefa-middle-1", -1.0),
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nothing.png",), "cannot read"),
        (("text.png",), "no picture that can be read"),
        (("PHOTO", "--sheet", "sheet.jpg"), "should end with .png"),
        (("PHOTO", "--seconds", "-1"), "seconds=-1"),
        (("PHOTO", "--class", "1"), "no classes"),
        (("PHOTO", "--background", "whitish"), "whitish"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_wspace: Run,
    tiny_model: Path,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(photo.parent)
    Path("text.png").write_text("no picture")
    words = [photo if word == "PHOTO" else word for word in arguments]
    ran = run_wspace("invert", tiny_model, *words, "--steps", 1)
    assert ran.status == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert not Path("inverted").exists()
