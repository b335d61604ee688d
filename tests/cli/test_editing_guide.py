"""docs/editing.md: its commands run, and its Python does what it says."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_clip import write_clip

from wspace.formats.directions import directions_path, read_directions
from wspace.formats.model_file import bundled_models, load
from wspace.recipe.recipe import sample_recipes
from wspace.rendering.render import render

GUIDE = (Path(__file__).parents[2] / "docs" / "editing.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


def test_the_commands_run(
    run_wspace: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(bundled_models()["avatars"], "my.safetensors")
    Image.new("RGB", (90, 80), "tan").save("portrait.jpg")
    Image.new("1", (64, 64), 1).save("mask.png")
    write_clip(Path("clip-vit-base-patch32"))
    commands = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) >= 10
    for words in commands:
        if {"labels", "stylespace"} & set(words):  # need labelled pictures, and minutes
            continue
        few = ["--steps", "2"]
        quick = {"invert": few, "drag": few, "text": few, "encoder": ["--minutes", "0.01"]}
        short = quick.get(words[1], [])
        ran = run_wspace(*words[1:], *short)
        assert ran.status == 0, (words, ran.err)


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
