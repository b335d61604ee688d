"""examples/export: each program draws, without wspace, what wspace draws with the same numbers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from network_kinds import generator_of_kind
from PIL import Image

from wspace.exporting.facts import facts_of
from wspace.exporting.onnx_files import export_onnx
from wspace.networks.generator import Generator
from wspace.recipe.recipe import NoiseSettings, Recipe, Source
from wspace.rendering.render import render

EXAMPLES = Path(__file__).parents[2] / "examples/export"
KINDS = ("adain, classes", "adain, grey, wide", "demodulated", "alias-free, t")

Folders = dict[str, tuple[Generator, Path]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    """A model of each kind, and where it was exported to."""
    made: Folders = {}
    for number, kind in enumerate(KINDS):
        generator = generator_of_kind(kind)
        out = tmp_path_factory.mktemp("exported") / str(number)
        export_onnx(generator, out, facts_of(generator, {}, {}))
        made[kind] = (generator, out)
    return made


def compare(folders: Folders, ending: str, tmp_path: Path, *command: object) -> None:
    """Draw with a program, by its defaults and with everything that it takes."""
    for kind, (generator, folder) in folders.items():
        classes = generator.num_classes > 0
        plain = recipe_of(generator, psi=0.7, layers=4, class_index=0 if classes else None)
        full = recipe_of(
            generator, psi=0.25, layers=2, class_index=1 if classes else None, noise_seed=2**32 - 1
        )
        for number, (recipe, more) in enumerate(
            ((plain, ()), (full, (0.25, 2, int(classes), 2**32 - 1)))
        ):
            out = tmp_path / f"{number}.{ending}"
            words = [*command, folder, out, 123456789, 6, *more]
            # nothing of wspace can be found by the program
            alone = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
            ran = subprocess.run(
                list(map(str, words)), capture_output=True, text=True, check=False, env=alone
            )
            assert ran.returncode == 0, (kind, ran.stderr)
            drawn = np.asarray(Image.open(out)).astype(int)
            expected = render(generator, [recipe]).pixels[0].astype(int)
            assert drawn.std() > 1, kind
            assert np.abs(drawn.reshape(expected.shape) - expected).max() < 2, (kind, more)


def recipe_of(
    generator: Generator,
    *,
    psi: float,
    layers: int,
    class_index: int | None,
    noise_seed: int | None = None,
) -> Recipe:
    noise = NoiseSettings()
    if noise_seed is not None and generator.const_noise:
        noise = NoiseSettings(mode="seeded", seed=noise_seed)
    return Recipe(
        sources=tuple(Source(seed=seed, class_index=class_index) for seed in (123456789, 6)),
        layer_sources=tuple(int(layer >= layers) for layer in range(generator.num_ws)),
        psi=psi,
        noise=noise,
    )


def test_python_draws_the_same(folders: Folders, tmp_path: Path) -> None:
    compare(folders, "png", tmp_path, sys.executable, EXAMPLES / "python/mixed.py")


def test_javascript_draws_the_same(folders: Folders, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    if not _has_node_modules():
        pytest.skip("onnxruntime-node: npm install --ignore-scripts in examples/export/javascript")
    compare(folders, "png", tmp_path, node, EXAMPLES / "javascript/mixed.mjs")


def test_cpp_draws_the_same(folders: Folders, tmp_path: Path) -> None:
    cmake, root = shutil.which("cmake"), os.environ.get("ONNXRUNTIME_ROOT")
    if cmake is None:
        pytest.skip("cmake is not installed")
    if root is None:
        pytest.skip("ONNXRUNTIME_ROOT names no release of ONNX Runtime's C library")
    build = tmp_path / "build"
    for words in (
        (cmake, "-S", EXAMPLES / "cpp", "-B", build, f"-DONNXRUNTIME_ROOT={root}"),
        (cmake, "--build", build),
    ):
        ran = subprocess.run(list(map(str, words)), capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    compare(folders, "ppm", tmp_path, build / "mixed")


@pytest.mark.parametrize("program", ["python/mixed.py", "javascript/mixed.mjs"])
def test_without_arguments_they_say_how_they_are_called(program: str) -> None:
    runner = sys.executable if program.endswith("py") else shutil.which("node")
    if runner is None or not (program.endswith("py") or _has_node_modules()):
        pytest.skip("node, or what it needs, is not installed")
    ran = subprocess.run(
        [runner, str(EXAMPLES / program)], capture_output=True, text=True, check=False
    )
    assert ran.returncode != 0
    assert "FOLDER OUT.png COARSE FINE [PSI [LAYERS [CLASS [NOISE_SEED]]]]" in ran.stderr


def _has_node_modules() -> bool:
    return (EXAMPLES / "javascript/node_modules/onnxruntime-node").is_dir()
