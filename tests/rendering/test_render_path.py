"""Drawing with a compiled network: when it is chosen, what it draws, what happens without."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from wspace.formats.model_file import bundled_models, load
from wspace.machine import compiled, compiler_at_hand
from wspace.networks.build import build_generator
from wspace.networks.generator import Generator
from wspace.networks.presets import preset
from wspace.recipe.document import PictureDocument
from wspace.recipe.recipe import Edit, recipes
from wspace.rendering import render_path, synthesis_cache
from wspace.rendering.render import render
from wspace.rendering.render_path import choose_path
from wspace.rendering.reproduce import compare, remake


@pytest.fixture
def generator() -> Generator:
    torch.manual_seed(0)
    made = build_generator(preset("compact", resolution=8)[0])
    return made.eval().requires_grad_(False)


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Compiling as torch does it, without a C++ compiler; the modes asked for."""
    modes: list[str | None] = []

    def quickly(network: nn.Module, mode: str | None = None) -> Any:
        modes.append(mode)
        return torch.compile(network, backend="eager")

    monkeypatch.setattr(synthesis_cache, "compiled", quickly)
    return modes


def refuse(network: nn.Module, mode: str | None = None) -> Callable[..., Any]:
    def call(*_: Any) -> Any:
        raise RuntimeError("no C++ compiler\nand much more about it")

    return call


def test_what_is_soon_over_is_not_compiled(
    generator: Generator, compilations: list[str | None]
) -> None:
    assert choose_path(generator, recipes(seeds=range(8), precision="bf16")) == "folded"
    assert not compilations


@pytest.mark.parametrize(("precision", "pays"), [("bf16", True), ("bf16", False), ("fp32", True)])
def test_long_work_is_compiled_where_that_pays(
    precision: Any,
    pays: bool,
    generator: Generator,
    compilations: list[str | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(render_path, "COMPILE_FROM_SECONDS", 0.0)
    monkeypatch.setattr(render_path, "compiling_pays", lambda _, given: pays and given == "bf16")
    made = recipes(seeds=range(8), precision=precision)
    worth = pays and precision == "bf16"
    assert choose_path(generator, made) == ("compiled" if worth else "folded")
    assert compilations == [None] * worth
    assert choose_path(generator, made, wanted="folded") == "folded"


def test_compiled_pictures_are_the_same_and_say_so(
    generator: Generator, compilations: list[str | None], tmp_path: Path
) -> None:
    made = recipes(seeds=range(5))
    told: list[str] = []
    assert choose_path(generator, made, wanted="compiled", say=told.append) == "compiled"
    assert [line.split(":")[0] for line in told] == ["compiling the network"]
    plain, drawn = render(generator, made), render(generator, made, path="compiled")
    assert len(compilations) == 1  # and kept for the next call
    assert drawn.rendered_by.path == "compiled"
    assert plain.rendered_by.differences(drawn.rendered_by) == ["path folded instead of compiled"]
    difference = np.abs(plain.pixels.astype(int) - drawn.pixels.astype(int))
    assert difference.max() <= 1
    paths = drawn.save(tmp_path)
    document = PictureDocument(recipe=drawn.recipes[0], rendered_by=drawn.rendered_by)
    again = remake(document, generator)
    assert again.rendered_by == drawn.rendered_by
    assert compare(document, paths[0], again).largest == 0


def test_compiled_pictures_take_steps_in_style_space(
    generator: Generator, compilations: list[str | None]
) -> None:
    edit = Edit(channels=((1, 0, 2.0), (3, 5, -1.0)), strength=1.5)
    made = recipes(seeds=range(3))
    edited = [made[0], *(recipe.replace(edits=(edit,)) for recipe in made[1:])]
    plain = render(generator, edited).pixels.astype(int)
    drawn = render(generator, edited, path="compiled").pixels
    assert abs(plain - drawn).max() <= 1
    unedited = render(generator, made, path="compiled").pixels
    assert len(compilations) == 1
    assert (drawn[0] == unedited[0]).all()
    assert (drawn[1] != unedited[1]).any()


def test_new_weights_are_compiled_anew(
    generator: Generator, compilations: list[str | None]
) -> None:
    made = recipes(seeds=range(2))
    before = render(generator, made, path="compiled").pixels
    with torch.no_grad():
        generator.synthesis.to_rgb[-1].bias += 1.0
    after = render(generator, made, path="compiled").pixels
    assert len(compilations) == 2
    assert (after >= before).all()
    assert (after > before).any()


def test_where_compiling_fails_one_line_says_so(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesis_cache, "compiled", refuse)
    with pytest.warns(RuntimeWarning, match=r"compiled here \(no C\+\+ compiler\)") as told:
        assert choose_path(generator, recipes(seeds=[0]), wanted="compiled") == "folded"
    assert len(told) == 1


@pytest.mark.skipif("avatars" not in bundled_models(), reason="no trained model is bundled")
@pytest.mark.parametrize("command", ["generate", "interpolate"])
def test_commands_draw_without_what_cannot_be_compiled(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_wspace: Callable[..., Any],
) -> None:
    monkeypatch.setattr(synthesis_cache, "compiled", refuse)
    words = [command, "avatars", "--seeds", "0,1", "--compile", "on", "--out", tmp_path / "o"]
    words += ["--frames", "2"] if command == "interpolate" else []
    result = run_wspace(*words)
    assert result.status == 0
    assert result.err.count("could not be compiled here (no C++ compiler)") == 1
    assert len(list((tmp_path / "o").glob("*.png"))) == 2


def test_what_was_compiled_lies_in_a_folder_of_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr(torch, "compile", lambda network, **_: network)
    compiled(nn.Identity())
    kept = tmp_path / "compiled"
    assert kept.stat().st_mode & 0o077 == 0
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(kept)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, of torch
@pytest.mark.skipif(not compiler_at_hand(), reason="no C++ compiler")
@pytest.mark.skipif("avatars" not in bundled_models(), reason="no trained model is bundled")
def test_64_pictures_of_a_trained_model_stay_close_compiled_in_bf16(tmp_path: Path) -> None:
    generator = load("avatars")
    exact = render(generator, recipes(seeds=range(64))).pixels.astype(int)
    made = recipes(seeds=range(64), precision="bf16")
    assert choose_path(generator, made, wanted="compiled") == "compiled"
    difference = np.abs(render(generator, made, path="compiled").pixels.astype(int) - exact)
    assert 0 < difference.mean() < 1
    assert np.mean(difference <= 6) >= 0.999


def test_drawing_a_picture_leaves_torchs_compiler_alone() -> None:
    code = (
        "import sys, wspace; wspace.render(wspace.load('avatars'), wspace.recipes(seeds=(1,)));"
        "print([name for name in ('sympy', 'torch._dynamo') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"  # importing it takes a second
