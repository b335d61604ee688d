"""The sheets that a run draws: always the same seeds, so that sheets can be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from wspace.data.dataset import Dataset
from wspace.figures.contact import contact_sheet
from wspace.networks.generator import Generator
from wspace.recipe.png import write_figure
from wspace.recipe.recipe import sample_recipes
from wspace.recipe.syntax import Layers
from wspace.rendering.render import render
from wspace.rendering.sheets import mixing_sheet, noise_deviation_sheet

__all__ = ["SAMPLE_SEEDS", "save_figures", "save_real", "save_samples"]

SAMPLE_SEEDS = range(40)
COLUMNS, MOST_COLUMNS = 8, 12  # of sheets whose columns are classes
MIXING_ROWS, MIXING_COLUMNS = range(1, 5), range(5, 10)  # seeds
NOISE_SEED, NOISE_REALISATIONS = 0, 20
REAL_PICTURES, REAL_COLUMNS = 40, 8


def save_samples(generator: Generator, path: Path) -> None:
    """Write a sheet of `SAMPLE_SEEDS`, with classes a column for each where that is readable.

    Args:
        generator: the running average, in eval mode.
        path: the PNG to write, whole or not at all.

    Raises:
        WspaceError: it cannot be written.
    """
    chosen = sample_recipes(SAMPLE_SEEDS, num_classes=generator.num_classes)
    classes = generator.num_classes
    columns = classes * max(COLUMNS // classes, 1) if 0 < classes <= MOST_COLUMNS else None
    render(generator, chosen).grid(columns=columns).save(path)


def save_figures(generator: Generator, run: Path) -> None:
    """Write mixing.png and, of a network with noise, noise.png.

    Args:
        generator: in eval mode.
        run: the run folder.

    Raises:
        WspaceError: one cannot be written.
    """
    rows, columns = (
        sample_recipes(seeds, num_classes=generator.num_classes)
        for seeds in (MIXING_ROWS, MIXING_COLUMNS)
    )
    layers = Layers.of(generator).groups["coarse"]
    if len(layers) == generator.num_ws:  # a small network has no others
        layers = range(max(generator.num_ws // 2, 1))
    mixing_sheet(generator, rows, columns, layers).save(run / "mixing.png")
    if generator.noise_shapes:
        (recipe,) = sample_recipes((NOISE_SEED,), num_classes=generator.num_classes)
        noise_deviation_sheet(generator, recipe, realisations=NOISE_REALISATIONS).save(
            run / "noise.png"
        )


def save_real(data: Dataset, path: Path) -> None:
    """Write some of the data's pictures, chosen by chance, on a sheet.

    Raises:
        WspaceError: it cannot be written, or a picture is damaged.
    """
    chosen = np.random.RandomState(0).permutation(len(data))[:REAL_PICTURES]
    pixels = data.images(chosen).movedim(1, -1).numpy()  # (N, H, W, C)
    pictures = [Image.fromarray(one[:, :, 0] if one.shape[2] == 1 else one) for one in pixels]
    sheet = contact_sheet(pictures, max(data.size), REAL_COLUMNS)
    write_figure(path, sheet)
