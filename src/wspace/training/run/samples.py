"""The sample sheet of a snapshot: always the same seeds, so that sheets can be compared."""

from __future__ import annotations

from pathlib import Path

from wspace.networks.generator import Generator
from wspace.recipe.recipe import sample_recipes
from wspace.rendering.render import render

__all__ = ["SAMPLE_SEEDS", "save_samples"]

SAMPLE_SEEDS = range(40)


def save_samples(generator: Generator, path: Path) -> None:
    """Write a sheet of `SAMPLE_SEEDS`; class-conditional models show their classes in turn.

    Args:
        generator: the running average, in eval mode.
        path: the PNG to write, whole or not at all.

    Raises:
        WspaceError: it cannot be written.
    """
    chosen = sample_recipes(SAMPLE_SEEDS, num_classes=generator.num_classes)
    render(generator, chosen).grid().save(path)
