"""Small models that tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiny_generators import make_tiny_generator

from wspace.cli.main import main
from wspace.formats.model_file import load, save
from wspace.networks.generator import Generator

if TYPE_CHECKING:
    from playwright.sync_api import Browser


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
def alpha_generator() -> Generator:
    """As `tiny_generator`, with pictures that have alpha, much of it 0 or 255."""
    generator = make_tiny_generator(3, image_channels=4)
    generator.synthesis.to_rgb[-1].weight.mul_(2)  # type: ignore[index, operator, union-attr]
    return generator


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


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    from playwright.sync_api import sync_playwright
    from studio_page import find_chromium

    with sync_playwright() as playwright:
        # Chromium's own sandbox cannot be had by root, which CI often is.
        made = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        yield made
        made.close()
