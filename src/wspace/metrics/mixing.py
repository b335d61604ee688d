"""How good mixed pictures are: Frechet distances of pictures mixed from several w."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from wspace.metrics.features.generators import Drawing, batches_of
from wspace.metrics.features.seen import Collector
from wspace.metrics.frechet import frechet_distance
from wspace.recipe.recipe import Recipe, Source

if TYPE_CHECKING:
    from wspace.metrics.comparison import Comparison

__all__ = ["MIXED", "draw_mixed", "measure", "mixed_recipes"]

MIXED = (2, 3, 4)  # sources; one is a plain picture
SOURCES_APART = 1_000_000  # the seeds of a picture's sources


def measure(comparison: Comparison) -> dict[str, float]:
    """``fd_mixed_K`` for K = 2, 3, 4 sources; with one source it is the plain distance."""
    drawing = comparison.drawing
    assert drawing is not None
    found = {}
    for count in MIXED:
        if count > drawing.generator.num_ws:
            break
        collector, done = Collector(keep=False), 0
        with comparison.show(f"mixing {count} sources", "pictures") as progress:
            for pixels in draw_mixed(drawing, count):
                collector.add(comparison.extractor(pixels))
                done += len(pixels)
                progress(done, drawing.num)
        found[f"fd_mixed_{count}"] = frechet_distance(
            comparison.real.statistics, collector.seen().statistics
        )
    return found


def mixed_recipes(drawing: Drawing, count: int = 2, *, across: bool = False) -> list[Recipe]:
    """Pictures of several sources, each of which gives a run of layers.

    The crossovers are drawn uniformly from 1 to num_ws - 1 without repetition, so that each source
    takes part.

    Source: Karras et al. 2019 (StyleGAN), Section 3.1, Table 2.

    Args:
        drawing: the model, how many pictures, and how they are drawn.
        count: sources of a picture, 1 to num_ws.
        across: each source of a class of its own, not all of the same one.
    """
    num_ws = drawing.generator.num_ws
    recipes = []
    for recipe in drawing.recipes():
        seed = recipe.sources[0].seed
        assert seed is not None
        random = np.random.RandomState([seed, 2])
        crossovers = np.sort(random.choice(num_ws - 1, size=count - 1, replace=False) + 1)
        seeds = [(seed + k * SOURCES_APART) % 2**32 for k in range(count)]
        classes = drawing.classes(seeds) if across else [recipe.sources[0].class_index] * count
        recipes.append(
            recipe.replace(
                sources=tuple(
                    Source(seed=own, class_index=class_index)
                    for own, class_index in zip(seeds, classes, strict=True)
                ),
                layer_sources=tuple(int((crossovers <= layer).sum()) for layer in range(num_ws)),
            )
        )
    return recipes


def draw_mixed(drawing: Drawing, count: int = 2, *, across: bool = False) -> Iterator[Tensor]:
    """The pictures of `mixed_recipes`, (n, image_channels, H, W), uint8, batch by batch."""
    recipes = mixed_recipes(drawing, count, across=across)
    return batches_of(drawing.generator, recipes, drawing.batch_size)
