"""The pictures around a picture: small steps from its w, for those who choose by looking."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from wspace.errors import WspaceError, shown
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe, Source
from wspace.recipe.syntax import check_seeds
from wspace.steering.latents import w_of_sources

__all__ = ["MAX_STEP", "NEIGHBOURS", "neighbours"]

NEIGHBOURS = 8  # of a picture in the middle of a square of nine
MAX_STEP = 4.0


@torch.inference_mode()
def neighbours(
    generator: Generator, recipe: Recipe, *, step: float, seed: int
) -> tuple[Recipe, ...]:
    """Recipes whose w lie around that of a picture, those across from each other opposite ways.

    A way is the difference of two w of the model, so that it changes what differs among its
    pictures. No step leads farther from the mean w than the picture and most w of the model lie, so
    that many steps, one after the other, do not leave what it can draw.

    Args:
        generator: the model.
        recipe: in the middle. Of several sources all take the same step; all else stays.
        step: length of a way, in deviations of w: 1 is as far as w are from their mean, above 0, to
            `MAX_STEP`.
        seed: of the ways.

    Returns:
        `NEIGHBOURS` recipes, row by row, the place in the middle left out.

    Raises:
        WspaceError: a step or seed outside its range; otherwise as `w_of_sources`.
    """
    if not 0 < step <= MAX_STEP:
        raise WspaceError(f"step={shown(step)} is outside 0 to {MAX_STEP:g}.")
    check_seeds([seed])
    distinct = list(dict.fromkeys(recipe.sources))
    w = w_of_sources(generator, distinct)  # (S, w_dim)
    first, second = _pairs(generator, seed, recipe.sources[0].class_index)
    ways = step * (first - second) / 2**0.5  # (4, w_dim)
    usual = _distances(generator, torch.cat([first, second])).square().mean().sqrt()
    most = _distances(generator, w).clamp(min=usual)  # (S,)
    found = []
    for way in [*ways, *-ways.flip(0)]:
        moved = w + way
        shrink = (most / _distances(generator, moved).clamp(min=1e-12)).clamp(max=1)
        moved = torch.lerp(generator.w_avg, moved, shrink[:, None])
        rows = dict(zip(distinct, moved.tolist(), strict=True))
        sources = [Source(w=tuple(rows[one]), centre=one.centre) for one in recipe.sources]
        found.append(recipe.replace(sources=tuple(sources)))
    return tuple(found)


def _pairs(generator: Generator, seed: int, class_index: int | None) -> tuple[Tensor, Tensor]:
    """Pairs of w of the model, (4, w_dim) each; of one class, so that no way leads to another."""
    random = np.random.RandomState(seed)
    seeds = random.randint(0, 2**32, size=NEIGHBOURS, dtype=np.uint32).tolist()
    count = generator.num_classes
    classes: list[int | None] = [class_index] * (NEIGHBOURS // 2)
    if count and class_index is None:
        classes = random.randint(0, count, size=NEIGHBOURS // 2).tolist()
    sources = [
        Source(seed=own, class_index=of) for own, of in zip(seeds, classes + classes, strict=True)
    ]
    first, second = w_of_sources(generator, sources).chunk(2)
    return first, second


def _distances(generator: Generator, w: Tensor) -> Tensor:
    """(N, w_dim) to (N,), from the mean w."""
    distances: Tensor = (w - generator.w_avg).norm(dim=1)
    return distances
