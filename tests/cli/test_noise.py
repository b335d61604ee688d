"""``wspace noise``: the two figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from wspace.recipe.document import SheetDocument
from wspace.recipe.png import read_document

Run = Callable[..., Any]


def test_both_figures_are_written(run_wspace: Run, tiny_model: Path, tmp_path: Path) -> None:
    ran = run_wspace(
        "noise", tiny_model, "--seed", 3, "--realisations", 5, "--noise-strength", 2,
        "--out", tmp_path,
    )  # fmt: skip
    assert ran.status == 0
    paths = [tmp_path / "noise-deviation.png", tmp_path / "noise-layers.png"]
    assert ran.out.split() == [str(path) for path in paths]
    for path in paths:
        document = read_document(path)
        assert isinstance(document, SheetDocument)
        assert "seed 3" in document.layout.title
        assert "noise strength 2" in document.layout.note
        assert len(document.cells[-1].recipes) == 5


def test_wrong_input_is_one_line(run_wspace: Run, tiny_model: Path, tmp_path: Path) -> None:
    for arguments, says in (
        (["--noise", "none"], "choose noise modes"),
        (["--noise-seed", "1"], "choose noise modes"),
        (["--realisations", "20000"], "outside 2 to 10000"),
    ):
        ran = run_wspace("noise", tiny_model, *arguments, "--out", tmp_path)
        assert (ran.status, ran.err.count("\n")) == (2, 1)
        assert says in ran.err
    assert list(tmp_path.iterdir()) == []
