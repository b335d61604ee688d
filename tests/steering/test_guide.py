"""docs/steering.md: its commands run, its JSON and its Python do what they say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_generators import make_tiny_generator

import wspace
from wspace.recipe.recipe import Recipe

GUIDE = (Path(__file__).parents[2] / "docs" / "steering.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def avatars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in of 64 pixels for the bundled model."""
    path = tmp_path_factory.mktemp("models") / "avatars.safetensors"
    wspace.save(make_tiny_generator(3, resolution=64), path)
    return path


@pytest.fixture
def bundled(avatars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder where the stand-in is the bundled model."""
    for module in ("formats.finding", "formats.model_file", "rendering.reproduce"):
        monkeypatch.setattr(f"wspace.{module}.bundled_models", lambda: {"avatars": avatars})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_runs_and_every_picture_is_made(
    run_wspace: Callable[..., Any], bundled: Path
) -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(commands) > 10
    for command in commands:
        program, *arguments = shlex.split(re.sub(r"--frames \d+", "--frames 6", command))
        assert program == "wspace"
        ran = run_wspace(*arguments)
        assert ran.status == 0, (command, ran.err)
    for name in re.findall(r"\]\(images/([^)]+)\)", GUIDE):
        assert len(list(bundled.rglob(name))) == 1, name


def test_the_json_is_a_recipe_for_the_bundled_model(bundled: Path) -> None:
    (text,) = blocks("json")
    assert len(wspace.render(wspace.load("avatars"), [Recipe.from_json(text)])) == 1


def test_the_python_runs(bundled: Path) -> None:
    (code,) = blocks("python")
    exec(code, {})
    assert (bundled / "sheet.png").exists()
    assert len(list((bundled / "out").iterdir())) == 3
