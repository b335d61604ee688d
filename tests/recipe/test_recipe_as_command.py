"""Commands and code that are made of recipes make the same pictures, bit for bit."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tiny_generators import make_tiny_generator

import wspace
from wspace.formats.directions import Direction, directions_path, read_directions, write_directions
from wspace.formats.model_file import load, save
from wspace.networks.generator import Generator
from wspace.recipe.classes import Classes
from wspace.recipe.command import RECIPE_FILE, command_of, python_of
from wspace.recipe.png import read_pixels
from wspace.recipe.recipe import Edit, NoiseSettings, Recipe, Source
from wspace.recipe.syntax import Layers
from wspace.rendering.render import render

Run = Callable[..., Any]
MODEL = "its model.safetensors"
CLASSES = ("boot", "bag, large", "7")
LONG_HAIR = Edit(direction=(0.5, -1.0, 0.0, 0.25, 1.0, 0.0, 2.0, -0.125), name="long hair")
BEARD = Edit(direction=(1 / 3,) * 8, layers=(0, 1), name="beard")
BRIGHT = Edit(channels=((1, 2, 0.75), (3, 0, -0.5)), name="bright")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that has classes and directions."""
    folder = tmp_path_factory.mktemp("commands")
    generator = make_tiny_generator(2, num_classes=3)
    save(generator, folder / MODEL)
    found = {edit.name: Direction(edit=edit) for edit in (LONG_HAIR, BEARD, BRIGHT)}
    write_directions(directions_path(folder / MODEL), generator, found)
    return folder


@pytest.fixture
def generator(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Generator:
    monkeypatch.chdir(folder)
    for path in folder.rglob("*.png"):
        path.unlink()
    return load(MODEL)


def seeded(seed: int = 7, of: int = 0) -> Source:
    return Source(seed=seed, class_index=of)


MIXED: dict[str, Any] = {
    "sources": (seeded(3, 1), seeded(4, 1), seeded(5, 2)),
    "layer_sources": (0, 1, 1, 0, 2, 0),
}
RECIPES = {
    "plain": Recipe(sources=(seeded(),)),
    "psi": Recipe(sources=(seeded(),), psi=0.7, cutoff=4),
    "cutoff 0": Recipe(sources=(seeded(),), psi=0.5, cutoff=0),
    "cutoff 1": Recipe(sources=(seeded(),), psi=0.5, cutoff=1),
    "psi 0": Recipe(sources=(seeded(),), psi=0.0),
    "psi below 0": Recipe(sources=(seeded(),), psi=-0.5),
    "psi by layer": Recipe(sources=(seeded(),), psi=(-0.5, -0.5, 0.1 + 0.2, 1.0, -0.5, 1.0)),
    "class": Recipe(sources=(seeded(0, 2),), psi=1e-5),
    "bf16": Recipe(sources=(seeded(),), precision="bf16"),
    "noise": Recipe(sources=(seeded(),), noise=NoiseSettings(mode="seeded", seed=4, strength=0.3)),
    "no noise": Recipe(sources=(seeded(),), noise=NoiseSettings(mode="none", seed=9)),
    "noise by layer": Recipe(
        sources=(seeded(),),
        noise=NoiseSettings(
            mode=("seeded", "seeded", "none", "const", "seeded", "const"),
            seed=(1, 2, 3, 4, 5, 6),
            strength=(1.0, 0.0, 2.0, 1.5, 1.0, 1.0),
        ),
    ),
    "edits": Recipe(
        sources=(seeded(),),
        edits=(
            LONG_HAIR.replace(strength=-1.5),
            BEARD.replace(strength=0.1),
            BEARD.replace(strength=2.0, layers=None),
            LONG_HAIR.replace(strength=1.0, layers=(0, 2, 3)),
            BRIGHT.replace(strength=3.0),
        ),
        psi=0.9,
    ),
    "mixed": Recipe(**MIXED),
    "mixed and all else": Recipe(
        **MIXED,
        psi=0.6,
        cutoff=5,
        noise=NoiseSettings(mode="seeded", seed=(0, 1, 2, 3, 4, 5)),
        edits=(LONG_HAIR.replace(strength=0.5),),
    ),
    "one of several sources": Recipe(sources=(seeded(1), seeded(2)), layer_sources=(1,) * 6),
}
# what no option says
FILED = {
    "w": Recipe(sources=(Source(w=(0.1,) * 8),), psi=0.5),
    "w in some layers": Recipe(
        sources=(seeded(), Source(w=(1 / 3,) * 8)), layer_sources=(0, 0, 1, 1, 0, 1)
    ),
    "centre": Recipe(sources=(Source(seed=1, class_index=0, centre=(0.2,) * 8),), psi=0.5),
    "an edit without a name": Recipe(
        sources=(seeded(),), edits=(Edit(direction=(0.1,) * 8, strength=2.0),)
    ),
    "an edit of another direction": Recipe(
        sources=(seeded(),), edits=(Edit(direction=(0.1,) * 8, name="beard"),)
    ),
}


def directions_of(generator: Generator) -> dict[str, Edit]:
    found = read_directions(directions_path(MODEL), generator)
    return {name: one.edit for name, one in found.items()}


def pixels_of(generator: Generator, recipe: Recipe) -> npt.NDArray[np.uint8]:
    return render(generator, [recipe]).pixels[0]


@pytest.mark.parametrize("recipe", (RECIPES | FILED).values(), ids=(RECIPES | FILED).keys())
def test_the_command_makes_the_picture(
    run_wspace: Run, generator: Generator, recipe: Recipe
) -> None:
    command = command_of(
        recipe,
        MODEL,
        Layers.of(generator),
        directions=directions_of(generator),
        classes=Classes.of(generator),
    )
    assert (command.file is not None) == (recipe in FILED.values())
    if command.file is not None:
        Path(RECIPE_FILE).write_text(command.file)
    first, *words = shlex.split(command.line)
    assert first == "wspace"
    ran = run_wspace(*words)
    assert ran.status == 0, ran.err
    (picture,) = ran.out.splitlines()
    assert (read_pixels(picture) == pixels_of(generator, recipe)).all()


@pytest.mark.parametrize("recipe", (RECIPES | FILED).values(), ids=(RECIPES | FILED).keys())
def test_the_code_makes_the_picture(
    generator: Generator, recipe: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    (filled,) = render(generator, [recipe]).recipes
    code = python_of(filled, MODEL, directions=directions_of(generator))
    exec(compile(code, "code", "exec"), {})
    picture = capsys.readouterr().out.strip()
    assert (read_pixels(picture) == pixels_of(generator, recipe)).all()


def test_classes_go_by_name_where_that_can_be_read() -> None:
    classes = Classes(3, CLASSES)
    layers = Layers(6, ((0, 1), (2, 3), (4, 5)))

    def line(recipe: Recipe) -> str:
        return command_of(recipe, "avatars", layers, directions={}, classes=classes).line

    assert line(Recipe(sources=(seeded(1, 0),))) == "wspace generate avatars --seeds 1 --class boot"
    assert line(Recipe(sources=(seeded(1, 1),))) == "wspace generate avatars --seeds 1 --class 1"
    assert line(Recipe(sources=(seeded(1, 2),))) == "wspace generate avatars --seeds 1 --class 7"
    mixed = Recipe(sources=(seeded(1, 0), seeded(2, 1)), layer_sources=(0, 0, 0, 0, 1, 1))
    assert line(mixed) == "wspace mix avatars --assign 1:boot,2:1@4-5"


def test_what_stands_in_a_recipe_is_never_a_command_or_code(generator: Generator) -> None:
    """Names are of strangers: quotes, line breaks and shell signs among them."""
    evil = "x'; touch gone; echo \"`id`\n"
    recipe = Recipe(
        sources=(Source(seed=1, class_index=0, class_name=evil),),
        edits=(Edit(direction=(0.5,) * 8, name=evil),),
    )
    line = command_of(
        recipe, evil, Layers.of(generator), directions={}, classes=Classes.of(generator)
    ).line
    assert shlex.split(line) == ["wspace", "generate", evil, "--recipe", RECIPE_FILE]
    code = python_of(recipe, MODEL, directions={})
    before = set(os.listdir())
    exec(compile(code, "code", "exec"), {"__name__": "code"})
    assert set(os.listdir()) - before <= {"out"}
    assert wspace.Recipe is Recipe
