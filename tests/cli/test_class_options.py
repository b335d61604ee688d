"""Classes by name, in all commands that draw."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_generators import make_tiny_generator

import wspace
from wspace.formats.model_file import load, read_metadata, save
from wspace.recipe.document import PictureDocument, SheetDocument
from wspace.recipe.png import read_document, read_pixels
from wspace.recipe.recipe import Recipe, Source
from wspace.steering.centres import class_mean

Run = Callable[..., Any]
NAMES = ("T-shirt/top", "boot", "bag")


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file whose three classes have names."""
    generator = make_tiny_generator(2, num_classes=3)
    generator.config = dataclasses.replace(generator.config, class_names=NAMES)
    path = tmp_path_factory.mktemp("models") / "clothes.safetensors"
    save(generator, path)
    return path


def recipe_of(path: Path) -> Recipe:
    document = read_document(path)
    assert isinstance(document, PictureDocument)
    return document.recipe


def sheet_of(path: Path) -> SheetDocument:
    document = read_document(path)
    assert isinstance(document, SheetDocument)
    return document


def test_names_lie_in_the_model_file(clothes: Path, run_wspace: Run) -> None:
    assert read_metadata(clothes)["generator"]["class_names"] == list(NAMES)
    assert load(clothes).class_names == NAMES


def test_a_class_is_drawn_by_its_name(run_wspace: Run, clothes: Path, tmp_path: Path) -> None:
    for name, folder in (("boot", "a"), ("BOOT", "b"), ("1", "c")):
        ran = run_wspace(
            "generate", clothes, "--seeds", 3, "--class", name, "--out", tmp_path / folder
        )
        assert ran.status == 0, ran.err
    pictures = [tmp_path / folder / "seed0003-class1.png" for folder in "abc"]
    assert len({picture.read_bytes() for picture in pictures}) == 1
    (source,) = recipe_of(pictures[0]).sources
    assert (source.class_index, source.class_name) == (1, "boot")
    ran = run_wspace("show", pictures[0])
    assert "seed 3, class boot (number 1)" in ran.out
    ran = run_wspace("reproduce", pictures[0], "--model", clothes, "--verify")
    assert (ran.status, "largest difference 0" in ran.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "this model has 3 classes: give a class, T-shirt/top, boot, bag (or 0 to 2)"),
        (["--class", "boots"], "class 'boots' is none of this model's 3: did you mean boot?"),
        (["--class", "7"], "class '7' is none of this model's 3: give T-shirt/top, boot, bag"),
        (["--classes", "boot,shoe"], "class 'shoe' is none of this model's 3"),
        (["--classes", "all", "--class", "boot"], "--classes and --class exclude each other"),
        (["--class", "boot", "--towards", "class", "--centres", "2"], "exclude each other"),
        (["--classes", "all", "--seeds", "0-9999"], "30000 cells are outside 1 to 10000"),
    ],
)
def test_wrong_classes_are_one_line(
    run_wspace: Run, clothes: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    ran = run_wspace("generate", clothes, *arguments, "--out", tmp_path / "out")
    assert ran.status == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_of_classes_has_a_row_for_each(
    run_wspace: Run, clothes: Path, tmp_path: Path
) -> None:
    ran = run_wspace(
        "generate", clothes, "--classes", "all", "--seeds", "4-7", "--out", tmp_path,
        "--title", "Clothes",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    path = tmp_path / "classes.png"
    assert ran.out.strip() == str(path)
    document = sheet_of(path)
    assert document.layout.row_labels == NAMES
    assert document.layout.column_labels == ("seed 4", "seed 5", "seed 6", "seed 7")
    assert document.layout.title == "Clothes"
    shown = [cell.recipes[0].sources[0] for cell in document.cells]
    assert [(one.class_name, one.seed) for one in shown] == [
        (name, seed) for name in NAMES for seed in range(4, 8)
    ]
    ran = run_wspace("reproduce", path, "--model", clothes, "--verify")
    assert (ran.status, "largest difference 0" in ran.out) == (0, True)
    ran = run_wspace("generate", clothes, "--classes", "bag,0", "--grid", tmp_path / "two.png")
    assert sheet_of(tmp_path / "two.png").layout.row_labels == ("bag", "T-shirt/top")


def test_a_sheet_of_one_class_says_its_name(run_wspace: Run, clothes: Path, tmp_path: Path) -> None:
    path = tmp_path / "boots.png"
    run_wspace("generate", clothes, "--class", "boot", "--seeds", "1,2", "--grid", path)
    assert sheet_of(path).layout.captions == ("seed 1, class boot", "seed 2, class boot")


def test_each_source_of_a_mixture_may_have_its_own_class(
    run_wspace: Run, clothes: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mix.png"
    ran = run_wspace(
        "mix", clothes, "--rows", "1:boot,2", "--cols", "3:bag", "--class", "T-shirt/top",
        "--layers", "coarse", "--out", path,
    )  # fmt: skip
    assert ran.status == 0, ran.err
    document = sheet_of(path)
    assert document.layout.row_labels == ("", "seed 1, class boot", "seed 2, class T-shirt/top")
    assert document.layout.column_labels == ("", "seed 3, class bag")
    mixed = document.cells[3].recipes[0]
    assert [source.class_name for source in mixed.sources] == ["bag", "boot"]
    ran = run_wspace(
        "mix", clothes, "--assign", "3:bag@coarse,1:boot@4-", "--out", tmp_path / "one.png"
    )
    assert ran.status == 0, ran.err
    assert recipe_of(tmp_path / "one.png") == mixed.replace(psi=1.0)
    for wrong, says in (("1:hat", "class 'hat' is none"), ("1:", "names no class")):
        ran = run_wspace("mix", clothes, "--rows", wrong, "--cols", 3, "--layers", "coarse")
        assert (ran.status, ran.err.count("\n")) == (2, 1)
        assert says in ran.err


def test_a_walk_goes_from_class_to_class(run_wspace: Run, clothes: Path, tmp_path: Path) -> None:
    ran = run_wspace(
        "interpolate", clothes, "--seeds", "1:boot,2:bag", "--frames", 3, "--out", tmp_path / "walk"
    )
    assert ran.status == 0, ran.err
    for seed, name, frame in ((1, "boot", 0), (2, "bag", 2)):
        run_wspace("generate", clothes, "--seeds", seed, "--class", name, "--out", tmp_path)
        still = read_pixels(tmp_path / f"seed{seed:04d}-class{NAMES.index(name)}.png")
        walked = read_pixels(tmp_path / "walk" / f"frame{frame:05d}.png")
        assert np.abs(still.astype(int) - walked).max() <= 1  # in batches of other sizes


def test_pictures_are_truncated_towards_their_class(
    run_wspace: Run, clothes: Path, tmp_path: Path
) -> None:
    ran = run_wspace(
        "generate", clothes, "--seeds", "1-2", "--class", "boot", "--psi", 0, "--towards", "class",
        "--out", tmp_path,
    )  # fmt: skip
    assert ran.status == 0, ran.err
    pixels = [read_pixels(tmp_path / f"seed000{seed}-class1.png") for seed in (1, 2)]
    assert (pixels[0] == pixels[1]).all()
    generator = load(clothes)
    mean = tuple(class_mean(generator, 1).tolist())
    (centred,) = wspace.render(generator, [Recipe(sources=(Source(w=mean),))]).pixels
    assert np.abs(centred.astype(int) - pixels[0]).max() <= 1
    run_wspace(
        "generate", clothes, "--mean", "--class", "boot", "--towards", "class", "--out", tmp_path
    )
    assert (read_pixels(tmp_path / "mean.png") == pixels[0]).all()
    path = tmp_path / "classes.png"
    ran = run_wspace(
        "generate", clothes, "--classes", "all", "--seeds", "1,2", "--psi", 0, "--towards", "class",
        "--grid", path,
    )  # fmt: skip
    document = sheet_of(path)
    centres = [cell.recipes[0].sources[0].centre for cell in document.cells]
    assert centres[0] == centres[1]
    assert len(set(centres)) == 3
    assert "psi 0 towards a centre of its class" in document.layout.note
    ran = run_wspace("reproduce", path, "--model", clothes, "--verify")
    assert (ran.status, "largest difference 0" in ran.out) == (0, True)


def test_a_model_without_classes_has_none_to_show(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    for arguments, says in (
        (["--classes", "all"], "class=all: this model has no classes"),
        (["--class", "boot"], "class=boot: this model has no classes"),
        (["--towards", "class"], "there is no class to truncate towards"),
    ):
        ran = run_wspace("generate", tiny_model, *arguments, "--out", tmp_path / "out")
        assert ran.status == 2
        assert says in ran.err


def test_a_picture_is_sought_from_a_class_on(
    run_wspace: Run, clothes: Path, tmp_path: Path
) -> None:
    run_wspace("generate", clothes, "--seeds", 3, "--class", "bag", "--out", tmp_path)
    picture = tmp_path / "seed0003-class2.png"
    found = []
    for name, folder in (("bag", "a"), ("2", "b"), ("boot", "c")):
        out = tmp_path / folder
        ran = run_wspace(
            "invert", clothes, picture, "--class", name, "--steps", 0, "--out", out, "--json"
        )
        assert ran.status == 0, ran.err
        found.append(json.loads(ran.out)[0]["recipe"]["sources"])
    assert found[0] == found[1]
    assert found[0] != found[2]
    ran = run_wspace("invert", clothes, picture, "--class", "hat", "--out", tmp_path / "d")
    assert (ran.status, "class 'hat' is none" in ran.err) == (2, True)
