"""Small models that tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from wspace.cli.main import main
from wspace.formats.model_file import load, save
from wspace.networks.config import AdaINConfig, GeneratorConfig, MappingConfig, num_blocks
from wspace.networks.generator import Generator, build_generator


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    status: int
    out: str
    err: str


@pytest.fixture
def run_wspace(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs ``wspace ARGUMENTS`` in this process."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, captured.out, captured.err)

    return run


def make_tiny_generator(seed: int, *, num_classes: int = 0, resolution: int = 16) -> Generator:
    """A random AdaIN generator whose noise and w_avg are not zero."""
    config = GeneratorConfig(
        architecture="adain",
        resolution=resolution,
        z_dim=8,
        w_dim=8,
        num_classes=num_classes,
        mapping=MappingConfig(num_layers=2),
        synthesis=AdaINConfig(channels=(8, 8, 4, 4, 4)[: num_blocks(resolution)]),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = build_generator(config)
        with torch.no_grad():
            generator.w_avg.normal_(std=0.1)
            for name, parameter in generator.named_parameters():
                if name.endswith("noise_strength"):
                    parameter.normal_(std=0.2)
    return generator.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tiny_generator() -> Generator:
    """16 pixels, 6 layers of ws, no classes. Not to be changed by a test."""
    return make_tiny_generator(0)


@pytest.fixture(scope="session")
def other_generator() -> Generator:
    """As `tiny_generator`, with other weights."""
    return make_tiny_generator(1)


@pytest.fixture(scope="session")
def conditional_generator() -> Generator:
    """As `tiny_generator`, with 3 classes."""
    return make_tiny_generator(2, num_classes=3)


@pytest.fixture(scope="session")
def tiny_model(tiny_generator: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of `tiny_generator`."""
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    save(tiny_generator, path, metadata={"trained_on": "nothing"})
    return path


@pytest.fixture(scope="session")
def other_model(other_generator: Generator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model file of `other_generator`."""
    path = tmp_path_factory.mktemp("models") / "other.safetensors"
    save(other_generator, path)
    return path


@pytest.fixture
def loaded_generator(tiny_model: Path) -> Generator:
    """A fresh `tiny_generator` that a test may change."""
    return load(tiny_model)
