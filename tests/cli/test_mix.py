"""``wspace mix``: the grid, the assignment, the crossover."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wspace.formats.directions import Direction, directions_path, write_directions
from wspace.formats.model_file import load
from wspace.recipe.document import PictureDocument, SheetDocument
from wspace.recipe.png import read_document, read_pixels
from wspace.recipe.recipe import Edit, Recipe, Source
from wspace.rendering.render import render

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


@pytest.fixture
def edited(run_wspace: Run, tiny_model: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A model with directions, and a picture of it as inversion leaves it, with an edit."""
    model = Path(shutil.copy(tiny_model, tmp_path))
    generator = load(model)
    blue = Edit(channels=((2, 7, 2.0), (5, 0, -3.0)), name="blue")
    write_directions(directions_path(model), generator, {"blue": Direction(edit=blue)})
    w = np.random.RandomState(0).randn(6, 8)
    sources = tuple(Source(w=tuple(row)) for row in w.tolist())
    recipe = Recipe(sources=sources, layer_sources=tuple(range(6)), edits=(blue,))
    (path,) = render(generator, [recipe]).save(tmp_path, names=["mine"])
    return model, path


def test_pictures_of_files_are_mixed_with_seeds_and_edited(
    run_wspace: Run, edited: tuple[Path, Path], tmp_path: Path
) -> None:
    model, mine = edited
    out = tmp_path / "mix.png"
    ran = run_wspace(
        "mix", model, "--rows", f"{mine},3", "--cols", f"4,{mine}", "--layers", "fine",
        "--psi", 0.7, "--edit", "blue=0.5", "--out", out,
    )  # fmt: skip
    assert ran.status == 2  # "fine" is empty in a model of six layers
    ran = run_wspace(
        "mix", model, "--rows", f"{mine},3", "--cols", f"4,{mine}", "--layers", "4-",
        "--psi", 0.7, "--edit", "blue=0.5", "--out", out,
    )  # fmt: skip
    assert ran.status == 0, ran.err
    cells = [cell.recipes[0] for cell in sheet_of(out).cells[1:]]
    mine_then_4, seed_3_then_mine = cells[3], cells[7]
    assert mine_then_4.psi == (1.0, 1.0, 1.0, 1.0, 0.7, 0.7)
    assert seed_3_then_mine.psi == (0.7, 0.7, 0.7, 0.7, 1.0, 1.0)
    strengths = [(edit.name, edit.strength, edit.layers) for edit in seed_3_then_mine.edits]
    assert strengths == [
        ("blue", 0.5, (0, 1, 2, 3)), ("blue", 1.0, (4, 5)), ("blue", 0.5, (4, 5)),
    ]  # fmt: skip
    assert run_wspace("reproduce", out, "--model", model, "--verify").status == 0


def test_a_file_is_assigned_to_layers(
    run_wspace: Run, edited: tuple[Path, Path], tmp_path: Path
) -> None:
    model, mine = edited
    out = tmp_path / "assigned.png"
    ran = run_wspace("mix", model, "--assign", f"5@0-1,{mine}@2-", "--psi", 0.5, "--out", out)
    assert ran.status == 0, ran.err
    document = read_document(out)
    assert isinstance(document, PictureDocument)
    recipe = document.recipe
    assert [source.seed for source in recipe.sources] == [5, None, None, None, None]
    assert recipe.psi == (0.5, 0.5, 1.0, 1.0, 1.0, 1.0)
    assert [edit.layers for edit in recipe.edits] == [(2, 3, 4, 5)]
    assert run_wspace("reproduce", out, "--model", model, "--verify").status == 0


def test_files_of_other_models_and_such_without_recipes_are_refused(
    run_wspace: Run, other_model: Path, edited: tuple[Path, Path], tmp_path: Path
) -> None:
    _, mine = edited
    Image.new("RGB", (16, 16)).save(tmp_path / "foreign.png")
    for place, says in (
        (mine, "the recipe was made with model"),
        (tmp_path / "foreign.png", "carries no recipe"),
        (tmp_path / "none.png", "cannot read"),
    ):
        ran = run_wspace("mix", other_model, "--rows", place, "--cols", 3, "--crossover", 2)
        assert ran.status == 2
        assert says in ran.err
        assert ran.err.count("\n") == 1


def test_options_that_files_alone_would_ignore_are_refused(
    run_wspace: Run, edited: tuple[Path, Path]
) -> None:
    model, mine = edited
    ran = run_wspace("mix", model, "--assign", f"{mine}@0-", "--psi", 0.5)
    assert (ran.status, "leave these options out" in ran.err) == (2, True)
