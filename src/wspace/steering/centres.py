"""Centres of w that truncation pulls towards, other than the mean.

Source: Mokady et al. 2022 (Self-Distilled StyleGAN), Section 4. The formula of truncation is in
`networks.truncation`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe, Source
from wspace.recipe.syntax import check_seeds
from wspace.steering.latents import check_source, w_of_sources

__all__ = [
    "CentresByClass",
    "class_mean",
    "kmeans",
    "nearest_centres",
    "towards_nearest_centre",
    "w_centres",
]

CENTRE_SAMPLES = 4096  # w drawn to find centres
MAX_CENTRES = 256


def w_centres(
    generator: Generator,
    count: int,
    *,
    seed: int = 0,
    class_index: int | None = None,
    samples: int = CENTRE_SAMPLES,
) -> Tensor:
    """Cluster centres of w: where the model's pictures are typical, each in its own way.

    Args:
        generator: its mapping network is sampled.
        count: centres, 1 to `MAX_CENTRES`.
        seed: of the first sample; samples take the seeds from it on.
        class_index: where the model has classes.
        samples: how many w are drawn, more than ``count``.

    Returns:
        (count, w_dim), float32, the largest cluster first, on the generator's device.

    Raises:
        WspaceError: a count outside its range, no such seed, too few samples, or a class that
            does not fit.
    """
    if not 1 <= count <= MAX_CENTRES:
        raise WspaceError(f"centres={count} is outside 1 to {MAX_CENTRES}: give fewer.")
    check_seeds([seed])
    if samples <= count:
        raise WspaceError(f"samples={samples} are too few for {count} centres: give more.")
    # Seeds wrap, so that any first seed will do.
    drawn = [Source(seed=(seed + i) % 2**32, class_index=class_index) for i in range(samples)]
    w = w_of_sources(generator, drawn)
    centres = kmeans(w.double().cpu().numpy(), count, seed=seed)
    return torch.from_numpy(centres).to(w)


def kmeans(
    points: npt.NDArray[np.float64], count: int, *, seed: int, max_rounds: int = 100
) -> npt.NDArray[np.float64]:
    """Lloyd's k-means from a k-means++ start; the same seed gives the same centres.

    Source: Arthur and Vassilvitskii 2007.

    Raises:
        WspaceError: no such seed, or fewer distinct points than centres.

    Args:
        points: (N, D), at least ``count`` of them distinct.
        count: centres, >= 1.
        seed: of the start.
        max_rounds: stops earlier when no point changes its centre.

    Returns:
        (count, D), the centre of the most points first.
    """
    check_seeds([seed])
    random = np.random.RandomState(seed)
    centres = points[random.randint(len(points))][None]  # (1, D)
    nearest = np.square(points - centres[0]).sum(axis=1)  # (N,)
    while len(centres) < count:
        if not nearest.any():
            raise WspaceError(
                f"all {len(points)} points lie at {len(centres)} places: there are no {count} "
                "centres among them; ask for fewer."
            )
        chance = nearest / nearest.sum()
        centres = np.concatenate([centres, points[random.choice(len(points), p=chance)][None]])
        nearest = np.minimum(nearest, np.square(points - centres[-1]).sum(axis=1))
    owner = np.full(len(points), -1)
    for _ in range(max_rounds):
        distances = _squared_distances(points, centres)
        before, owner = owner, distances.argmin(axis=1)
        if (owner == before).all():
            break
        for k in range(count):
            members = points[owner == k]
            # An empty cluster restarts at the point that is worst off.
            lost = distances.min(axis=1).argmax()
            centres[k] = members.mean(axis=0) if len(members) else points[lost]
    sizes = np.bincount(owner, minlength=count)
    ordered: npt.NDArray[np.float64] = centres[np.argsort(-sizes, kind="stable")]
    return ordered


def nearest_centres(w: Tensor, centres: Tensor) -> Tensor:
    """The index of the centre nearest to each w.

    Args:
        w: (N, w_dim).
        centres: (K, w_dim).

    Returns:
        (N,), integers from 0 to K - 1.
    """
    difference = w[:, None].double() - centres[None].double()  # (N, K, w_dim)
    return difference.square().sum(dim=2).argmin(dim=1)


def class_mean(generator: Generator, class_index: int) -> Tensor:
    """The mean w of a class: as training kept it, else of `CENTRE_SAMPLES` seeds.

    Args:
        generator: with classes.
        class_index: the class.

    Returns:
        (w_dim,), float32, on the generator's device.

    Raises:
        WspaceError: there is no such class.
    """
    check_source(generator, Source(seed=0, class_index=class_index))
    kept = generator.mapping.class_w_avg
    if kept is not None and bool(kept[class_index].any()):
        return kept[class_index]
    return w_centres(generator, 1, class_index=class_index)[0]


class CentresByClass(dict[int | None, Tensor]):
    """The centres of each class, (K, w_dim), found when they are first asked for.

    Args:
        generator: the model.
        count: how many centres a class has, see `w_centres`; None: its mean, see `class_mean`.
    """

    def __init__(self, generator: Generator, count: int | None) -> None:
        super().__init__()
        self._generator, self._count = generator, count

    def __missing__(self, class_index: int | None) -> Tensor:
        if self._count is not None:
            found = w_centres(self._generator, self._count, class_index=class_index)
        elif self._generator.num_classes == 0 or class_index is None:
            raise WspaceError(
                "towards=class: there is no class to truncate towards the mean of: give a class of "
                "a model that has classes, or leave it out."
            )
        else:
            found = class_mean(self._generator, class_index)[None]
        self[class_index] = found
        return found


def towards_nearest_centre(
    generator: Generator, recipes: Sequence[Recipe], centres: Tensor | CentresByClass
) -> tuple[Recipe, ...]:
    """Recipes whose sources are truncated towards the centre nearest to each.

    Args:
        generator: maps the sources.
        recipes: any; their other fields stay.
        centres: (K, w_dim), or those of each class.
    """
    sources = list(dict.fromkeys(source for recipe in recipes for source in recipe.sources))
    chosen: dict[Source, Source] = {}
    for of in dict.fromkeys(source.class_index for source in sources):
        members = [source for source in sources if source.class_index == of]
        near = centres if isinstance(centres, Tensor) else centres[of]
        rows = [tuple(map(float, centre)) for centre in near.tolist()]
        nearest = [0] * len(members)
        if len(rows) > 1:
            nearest = nearest_centres(w_of_sources(generator, members), near).tolist()
        for source, k in zip(members, nearest, strict=True):
            chosen[source] = dataclasses.replace(source, centre=rows[k])
    return tuple(
        recipe.replace(sources=tuple(chosen[source] for source in recipe.sources))
        for recipe in recipes
    )


def _squared_distances(
    points: npt.NDArray[np.float64], centres: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """(N, D) and (K, D) to (N, K)."""
    products = points @ centres.T
    squares: npt.NDArray[np.float64] = (
        np.square(points).sum(axis=1)[:, None] - 2 * products + np.square(centres).sum(axis=1)
    )
    return squares
