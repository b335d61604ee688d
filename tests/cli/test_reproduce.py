"""``wspace reproduce``: the same picture, or why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wspace.recipe.png import read_document, read_pixels, write_png

Run = Callable[..., Any]


@pytest.fixture
def picture(run_wspace: Run, tiny_model: Path, tmp_path: Path) -> Path:
    run_wspace("generate", tiny_model, "--seeds", "0-4", "--batch-size", 3, "--out", tmp_path)
    return tmp_path / "seed0003.png"


def test_the_same_picture_is_made_again(
    run_wspace: Run, tiny_model: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_model.parent)  # its name in the picture is enough
    ran = run_wspace("reproduce", picture)
    again = picture.with_name("seed0003-again.png")
    assert (ran.status, ran.out.strip(), ran.err) == (0, str(again), "")
    assert (read_pixels(again) == read_pixels(picture)).all()
    assert read_document(again) == read_document(picture)


def test_verify_finds_no_difference_and_writes_nothing(
    run_wspace: Run, tiny_model: Path, picture: Path
) -> None:
    before = sorted(picture.parent.iterdir())
    ran = run_wspace("reproduce", picture, "--model", tiny_model, "--verify")
    assert ran.status == 0
    assert "largest difference 0 / 255" in ran.out
    assert "bit-identical" in ran.out
    ran = run_wspace("reproduce", picture, "--model", tiny_model, "--verify", "--json")
    assert json.loads(ran.out)["largest"] == 0
    assert sorted(picture.parent.iterdir()) == before


def test_verify_tells_a_changed_picture(run_wspace: Run, tiny_model: Path, picture: Path) -> None:
    pixels = read_pixels(picture).copy()
    pixels[0, 0, 0] ^= 16
    write_png(picture, pixels, read_document(picture))
    ran = run_wspace("reproduce", picture, "--model", tiny_model, "--verify")
    assert ran.status == 1
    assert "largest difference 16 / 255" in ran.out
    assert "NOT as promised" in ran.out


def test_sheets_come_back_too(run_wspace: Run, tiny_model: Path, tmp_path: Path) -> None:
    sheet, again = tmp_path / "mix.png", tmp_path / "again.png"
    grid = ["--rows", "1,2", "--cols", "3,4", "--layers", "coarse"]
    run_wspace("mix", tiny_model, *grid, "--out", sheet)
    ran = run_wspace("reproduce", sheet, "--model", tiny_model, "--verify", "--out", again)
    assert ran.status == 0
    np.testing.assert_array_equal(read_pixels(again), read_pixels(sheet))


def test_a_wrong_or_missing_model_is_named_in_one_line(
    run_wspace: Run, other_model: Path, picture: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(picture.parent)
    for arguments, says in (
        ([], "made with model tiny.safetensors"),
        (["--model", other_model], "but other.safetensors has sha256"),
        (["--model", "nowhere"], "there is no model 'nowhere'"),
        (["--model", other_model, "--out", "x.jpg"], "should end with .png"),
    ):
        ran = run_wspace("reproduce", picture, *arguments)
        assert (ran.status, ran.err.count("\n")) == (2, 1)
        assert says in ran.err
