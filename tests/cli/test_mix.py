"""``wspace mix``: the grid, the assignment, the crossover."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wspace.recipe.document import PictureDocument, SheetDocument
from wspace.recipe.png import read_document, read_pixels

Run = Callable[..., Any]


def sheet_of(path: Path) -> SheetDocument:
    document = read_document(path)
    assert isinstance(document, SheetDocument)
    return document


def test_the_grid_takes_the_named_layers_from_the_column(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mix.png"
    ran = run_wspace(
        "mix", tiny_model, "--rows", "1,2", "--cols", "3", "--layers", "coarse", "--psi", 0.7,
        "--out", path, "--sidecar",
    )  # fmt: skip
    assert ran.out.strip() == str(path)
    document = sheet_of(path)
    assert path.with_suffix(".json").read_text() == document.to_json() + "\n"
    mixed = document.cells[3].recipes[0]
    assert mixed.psi == 0.7
    assert [mixed.sources[i].seed for i in mixed.layer_sources or ()] == [3, 3, 3, 3, 1, 1]


def test_the_crossover_is_a_layer_or_a_block(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mix.png"
    found = []
    for option in (["--crossover", "block:2"], ["--crossover", 4], ["--layers", "4-"]):
        run_wspace("mix", tiny_model, "--rows", 1, "--cols", 2, *option, "--out", path)
        found.append(sheet_of(path).cells)
    assert found[0] == found[1] == found[2]


def test_any_number_of_sources_is_assigned(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mix.png"
    ran = run_wspace("mix", tiny_model, "--assign", "12@0-1,99@2,4,5@3,5", "--out", path)
    assert ran.status == 0
    document = read_document(path)
    assert isinstance(document, PictureDocument)
    recipe = document.recipe
    seeds = [recipe.sources[i].seed for i in recipe.layer_sources or ()]
    assert seeds == [12, 12, 99, 5, 99, 5]


def test_one_seed_everywhere_is_its_picture(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    run_wspace("mix", tiny_model, "--assign", "12", "--out", tmp_path / "mix.png")
    run_wspace("generate", tiny_model, "--seeds", 12, "--out", tmp_path)
    same = read_pixels(tmp_path / "mix.png") == read_pixels(tmp_path / "seed0012.png")
    assert same.all()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give either --assign"),
        (["--assign", "1", "--rows", "1"], "give either --assign"),
        (["--rows", "1", "--cols", "2"], "one of --layers and --crossover"),
        (["--rows", "1", "--layers", "coarse"], "needs --rows, --cols"),
        (["--rows", "1", "--cols", "2", "--layers", "0", "--crossover", "1"], "one of --layers"),
        (["--rows", "1", "--cols", "2", "--layers", "fine"], "coarse 0-3, middle 4-5"),
        (["--rows", "1", "--cols", "2", "--crossover", "block:5"], "no such block"),
        (["--assign", "1@0-3"], "leaves out middle layers 4-5"),
        (["--assign", "1@0-3,2@3-"], "names layer 3 twice"),
        (["--assign", "1-2@0-"], "not one seed"),
        (["--assign", "x@0-"], "no seed"),
        (["--assign", "1", "--out", "mix.gif"], "should end with .png"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(
    run_wspace: Run,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run_wspace("mix", tiny_model, *arguments)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert says in ran.err
    assert list(tmp_path.iterdir()) == []
