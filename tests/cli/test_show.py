"""``wspace show``: what it prints of pictures, sheets and strangers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

Run = Callable[..., Any]


def test_a_picture_says_how_it_was_made(run_wspace: Run, tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "mix.png"
    run_wspace(
        "mix", tiny_model, "--assign", "12@0-3,99@4-", "--psi", "0.5@0,1@1-", "--noise", "seeded",
        "--noise-seed", 8, "--out", path,
    )  # fmt: skip
    ran = run_wspace("show", path)
    assert ran.status == 0
    for words in (
        "model      tiny.safetensors, sha256 ",
        "source     seed 12 in layers 0,1,2,3\n           seed 99 in layers 4,5",
        "psi        0.5 1 1 1 1 1",
        "noise      seeded\n  strength 1\n  seed     8",
        "precision  fp32",
        "rendered   by torch ",
    ):
        assert words in ran.out
    data = json.loads(run_wspace("show", path, "--json").out)
    assert data["recipe"]["layer_sources"] == [0, 0, 0, 0, 1, 1]


def test_a_sheet_says_its_title_and_its_first_recipe(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "g.png"
    run_wspace("generate", tiny_model, "--seeds", "4-9", "--grid", path, "--title", "Six")
    ran = run_wspace("show", path)
    assert "a sheet of 6 cells, 3 a row: Six" in ran.out
    assert "seed 4" in ran.out


def test_strangers_are_one_line(run_wspace: Run, tmp_path: Path) -> None:
    plain = tmp_path / "plain.png"
    Image.new("RGB", (2, 2)).save(plain)
    text = tmp_path / "text.png"
    text.write_text("hello")
    for path, says in (
        (plain, "carries no recipe"),
        (text, "is no PNG"),
        (tmp_path / "missing.png", "cannot read"),
        (tmp_path, "cannot read"),
    ):
        ran = run_wspace("show", path)
        assert (ran.status, ran.err.count("\n")) == (2, 1)
        assert says in ran.err
