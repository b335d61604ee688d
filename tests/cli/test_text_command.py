"""``wspace text``: a picture with its recipe, by a CLIP that is given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_clip import write_clip

Run = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip")


def test_a_text_makes_a_picture_that_is_made_again(
    run_wspace: Run, tiny_model: Path, folder: Path, tmp_path: Path
) -> None:
    out, film = tmp_path / "told.png", tmp_path / "told.gif"
    words = ("text", tiny_model, "red glasses", "--clip", folder, "--steps", 3)
    ran = run_wspace(*words, "--seed", 2, "--out", out, "--film", film, "--json")
    assert ran.status == 0, ran.err
    row = json.loads(ran.out)
    assert row["steps"] == 3
    assert len(row["recipe"]["sources"]) == 6
    with Image.open(film) as moving:
        assert moving.n_frames == 3  # type: ignore[attr-defined]
    assert run_wspace("reproduce", out, "--model", tiny_model, "--verify").status == 0
    ran = run_wspace(*words, "--recipe", out, "--out", tmp_path / "more.png")
    assert ran.status == 0, ran.err
    assert "likeness" in ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("red",), "none comes with wspace: give the folder of a CLIP"),
        (("red", "--clip", "nowhere"), "nowhere is no folder"),
        (("", "--clip", "CLIP"), "says nothing"),
        (("red", "--clip", "CLIP", "--steps", "-1"), "text: steps=-1"),
        (("red", "--clip", "CLIP", "--hold", "-1"), "text: hold=-1"),
        (("red", "--clip", "CLIP", "--recipe", "a.png", "--seed", "1"), "exclude each other"),
        (("red", "--clip", "CLIP", "--film", "a.avi"), "should end with"),
        (("red", "--clip", "CLIP", "--batch-size", 2), "--batch-size is for several pictures"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    run_wspace: Run,
    tiny_model: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(folder.parent)
    ran = run_wspace("text", tiny_model, *[folder if w == "CLIP" else w for w in arguments])
    assert ran.status == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert not Path("told.png").exists()
