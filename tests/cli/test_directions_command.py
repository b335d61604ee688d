"""``wspace directions``: from finding them to pictures that took a step."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_pictures import write_shades
from PIL import Image

from wspace.metrics import judge
from wspace.recipe.document import SheetDocument
from wspace.recipe.png import read_document

Run = Callable[..., Any]


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A model that a test may find directions of."""
    return Path(shutil.copy(tiny_model, tmp_path))


def names(run_wspace: Run, model: Path) -> list[str]:
    listed = json.loads(run_wspace("directions", "list", model, "--json").out)
    return [row["name"] for row in listed]


def test_found_directions_steer_pictures_and_reproduce_once_they_are_replaced(
    run_wspace: Run, model: Path, tmp_path: Path
) -> None:
    assert run_wspace("directions", "find", model, "--num", 2).status == 0
    assert names(run_wspace, model) == [
        *("sefa-coarse-1", "sefa-coarse-2", "sefa-middle-1", "sefa-middle-2"),
    ]
    assert run_wspace("directions", "rename", model, "sefa-coarse-1", "hair").status == 0
    out = tmp_path / "out"
    ran = run_wspace("generate", model, "--seeds", 3, "--edit", "hair=2@0-1", "--out", out)
    assert ran.status == 0, ran.err
    assert "hair 2 in layers 0,1" in run_wspace("show", out / "seed0003.png").out
    # the picture holds the direction, whatever has its name by now
    assert run_wspace("directions", "remove", model, "hair").status == 0
    assert run_wspace("directions", "rename", model, "sefa-coarse-2", "hair").status == 0
    again = run_wspace("reproduce", out / "seed0003.png", "--model", model, "--verify")
    assert again.status == 0, again.err
    run_wspace("generate", model, "--seeds", 3, "--out", tmp_path / "plain")
    plain = np.asarray(Image.open(tmp_path / "plain/seed0003.png"))
    assert (plain != np.asarray(Image.open(out / "seed0003.png"))).any()


def test_finding_again_keeps_what_was_renamed(run_wspace: Run, model: Path) -> None:
    run_wspace("directions", "find", model, "--method", "pca", "--num", 2)
    run_wspace("directions", "rename", model, "pca-2", "width")
    run_wspace("directions", "find", model, "--method", "pca", "--num", 1, "--layers", "0-1,3")
    assert names(run_wspace, model) == ["pca-1", "width", "pca-0-1+3-1"]
    listed = run_wspace("directions", "list", model).out
    assert "width: PCA in all layers, number 2; all layers" in listed
    assert run_wspace("directions", "remove", model, "pca-1", "width").status == 0
    assert names(run_wspace, model) == ["pca-0-1+3-1"]


def test_a_sheet_shows_directions_on_a_picture_of_a_file(
    run_wspace: Run, model: Path, tmp_path: Path
) -> None:
    run_wspace("directions", "find", model, "--num", 1, "--method", "pca")
    run_wspace("generate", model, "--seeds", 4, "--edit", "pca-1=0.5", "--out", tmp_path)
    out, mine = tmp_path / "sheet.png", tmp_path / "seed0004.png"
    ran = run_wspace("directions", "sheet", model, "--recipe", mine, "--out", out)
    assert ran.status == 0, ran.err
    document = read_document(out)
    assert isinstance(document, SheetDocument)
    strengths = [[e.strength for e in cell.recipes[0].edits] for cell in document.cells]
    assert strengths == [[0.5, -2.0], [0.5, -1.0], [0.5], [0.5, 1.0], [0.5, 2.0]]
    ran = run_wspace("directions", "sheet", model, "--recipe", mine, "--seed", 3)
    assert (ran.status, "exclude each other" in ran.err) == (2, True)


def test_a_sheet_has_a_row_a_direction(run_wspace: Run, model: Path, tmp_path: Path) -> None:
    run_wspace("directions", "find", model, "--num", 1)
    out = tmp_path / "sheet.png"
    ran = run_wspace("directions", "sheet", model, "--strengths=-1,0,1", "--out", out)
    assert ran.status == 0, ran.err
    shown = json.loads(run_wspace("show", out, "--json").out)
    assert shown["layout"]["row_labels"] == ["sefa-coarse-1", "sefa-middle-1"]
    assert [cell["recipes"][0].get("edits", []) != [] for cell in shown["cells"]] == [
        *(True, False, True) * 2,
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("list", "MODEL"), "find some with `wspace directions find"),
        (("find", "MODEL", "--num", 9), "1 to 8"),
        (("find", "MODEL", "--method", "labels"), "--data LABELLED"),
        (("find", "MODEL", "--data", "a.zip"), "--data LABELLED"),
        (("find", "MODEL", "--layers", "9"), "layer 9 does not exist"),
        (("rename", "MODEL", "a", "b"), "no directions"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(
    run_wspace: Run, model: Path, arguments: tuple[Any, ...], says: str
) -> None:
    ran = run_wspace("directions", *[model if word == "MODEL" else word for word in arguments])
    assert ran.status == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert not list(model.parent.glob("*.directions.*"))


def test_names_that_are_taken_or_unknown_are_refused(run_wspace: Run, model: Path) -> None:
    run_wspace("directions", "find", model, "--num", 1)
    taken = run_wspace("directions", "rename", model, "sefa-coarse-1", "sefa-middle-1")
    assert (taken.status, "already" in taken.err) == (2, True)
    unknown = run_wspace("directions", "remove", model, "sefa-coarse-7")
    assert (unknown.status, "did you mean" in unknown.err) == (2, True)
    assert len(names(run_wspace, model)) == 2


@pytest.mark.slow
def test_channels_are_found_by_labels_and_taken_by_name(
    run_wspace: Run, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(judge, "SEEN", 60 * judge.BATCH)
    data = write_shades(tmp_path / "shades.zip", 120, attributes=True)
    find = ("directions", "find", model, "--method", "stylespace", "--data", data, "--only")
    refused = run_wspace(*find, "hat")
    assert refused.status == 2
    name = refused.err.split("give some of ")[1].split(",")[0].split(".")[0].strip()
    ran = run_wspace(*find, name)
    assert ran.status == 0, ran.err
    assert names(run_wspace, model) == [f"style-{name}"]
    assert "channels in" in run_wspace("directions", "list", model).out
    run_wspace("generate", model, "--seeds", 3, "--edit", f"style-{name}=1.5", "--out", tmp_path)
    again = run_wspace("reproduce", tmp_path / "seed0003.png", "--model", model, "--verify")
    assert again.status == 0, again.err
