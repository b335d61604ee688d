"""docs/editing.md: its Python does what it says, and the bundled models have what it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wspace.formats.directions import directions_path, read_directions
from wspace.formats.model_file import load
from wspace.recipe.recipe import sample_recipes
from wspace.rendering.render import render

GUIDE = (Path(__file__).parents[2] / "docs" / "editing.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


def test_the_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    edited, dragged = blocks("python")
    made: dict[str, Any] = {}
    exec(edited, made)
    assert len(made["pictures"].recipes[0].edits) == 1
    assert (made["pictures"].pixels != made["moved"].pixels).any()
    exec(dragged, made := {})
    before, after = made["states"][-2:]
    assert (made["undone"].pixels[0] == before.pixels).mean() > 0.99
    assert after.distance < 3 <= before.distance


def test_the_bundled_avatars_have_the_directions_that_are_shown(
    run_wspace: Callable[..., Any],
) -> None:
    assert directions_path("avatars").exists()
    names = {
        line.split(":")[0] for line in run_wspace("directions", "list", "avatars").out.splitlines()
    }
    assert {"blazer", "small-mouth", "skin-dark", "curly-hair", "skin-light", "long-hair"} <= names
    assert len(names) >= 10


def test_the_bundled_clothes_have_directions_of_sefa_and_such_with_names(
    run_wspace: Callable[..., Any],
) -> None:
    listed = run_wspace("directions", "list", "clothes").out.splitlines()
    names = {line.split(":")[0] for line in listed}
    assert {"bright", "long-sleeves", "broad-shoulders", "flared", "plain", "narrow"} <= names
    assert sum("SeFa" in line for line in listed) >= 5
    assert directions_path("clothes").stat().st_size < 50_000


def test_the_bundled_clothes_get_brighter_where_they_should(tmp_path: Path) -> None:
    generator = load("clothes")
    bright = read_directions(directions_path("clothes"), generator)["bright"].edit
    dark, plain, light = (
        render(
            generator,
            [
                recipe.replace(edits=(bright.replace(strength=strength),) if strength else ())
                for recipe in sample_recipes(range(10), num_classes=10, psi=0.7)
            ],
        ).pixels.mean()
        for strength in (-1.5, 0.0, 1.5)
    )
    assert dark < 0.8 * plain
    assert light > 1.2 * plain
