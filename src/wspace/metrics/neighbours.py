"""Memorisation: generated pictures beside the training pictures nearest to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from wspace.errors import WspaceError
from wspace.figures.neighbours import neighbour_sheet
from wspace.metrics.distances import nearest
from wspace.metrics.features.datasets import dataset_indices
from wspace.metrics.features.generators import Drawing, Labels, generated_pixels

if TYPE_CHECKING:
    from wspace.data.dataset import Dataset
    from wspace.networks.generator import Generator

__all__ = [
    "DistanceSummary",
    "Neighbours",
    "find_neighbours",
    "generator_sheet",
    "sheet_of",
    "summary",
    "telling_rows",
]

SHEET_CLOSEST, SHEET_FIRST = 8, 8  # rows of each kind on the sheet


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """The nearest training pictures of each query, nearest first."""

    distances: Tensor  # (N, k), float64, in feature space
    indices: Tensor  # (N, k), int64, into the training features


@dataclass(frozen=True, kw_only=True)
class DistanceSummary:
    """Distances from pictures to their nearest training picture.

    A generator that repeats its data lies much closer to it than real pictures that it never saw;
    one that repeats a few shows it in the first percentile while the median stays.
    """

    median: float
    first_percentile: float
    closest: float

    def to_dict(self) -> dict[str, float]:
        """As plain data for JSON."""
        return asdict(self)


def find_neighbours(queries: Tensor, train: Tensor, k: int = 1) -> Neighbours:
    """The ``k`` nearest of ``train`` (M, D) for each of ``queries`` (N, D).

    Raises:
        WspaceError: fewer than ``k`` training pictures.
    """
    if len(train) < k:
        raise WspaceError(f"{len(train)} training pictures have no {k} nearest: give more data.")
    distances, indices = nearest(queries, train, k)
    return Neighbours(distances=distances, indices=indices)


def summary(neighbours: Neighbours) -> DistanceSummary:
    """What the distances to the very nearest say."""
    first = neighbours.distances[:, 0]
    return DistanceSummary(
        median=float(first.quantile(0.5)),
        first_percentile=float(first.quantile(0.01)),
        closest=float(first.min()),
    )


def telling_rows(neighbours: Neighbours, num_closest: int, num_first: int) -> list[int]:
    """Queries worth looking at: those closest to a training picture, then the first of the rest."""
    order = torch.argsort(neighbours.distances[:, 0], stable=True).tolist()
    closest = order[:num_closest]
    taken = set(closest)
    first = [row for row in range(len(order)) if row not in taken][:num_first]
    return closest + first


def generator_sheet(
    generator: Generator,
    train: Dataset,
    neighbours: Neighbours,
    *,
    first_seed: int = 0,
    psi: float = 1.0,
    labels: Labels | None = None,
) -> Image.Image:
    """The generated pictures closest to training pictures, then the first ones, as a sheet.

    Args:
        generator: the model.
        train: what it was trained on, all of it in ``neighbours``.
        neighbours: of the features that `generators.generator_features` gave for it.
        first_seed: as there.
        psi: as there.
        labels: as there.
    """

    def shown(rows: list[int]) -> tuple[Tensor, list[str]]:
        seeds = [first_seed + row for row in rows]
        pixels = generated_pixels(generator, seeds, psi=psi, labels=labels)
        return pixels, [f"seed {seed}" for seed in seeds]

    return _sheet(train, neighbours, shown)


def sheet_of(
    pictures: Drawing | Dataset, num: int, train: Dataset, neighbours: Neighbours
) -> Image.Image:
    """As `generator_sheet`, of pictures that are drawn or read.

    Args:
        pictures: those that were looked at.
        num: how many of them.
        train: what they are held against, all of it in ``neighbours``.
        neighbours: of their features.
    """
    if isinstance(pictures, Drawing):
        return generator_sheet(
            pictures.generator,
            train,
            neighbours,
            first_seed=pictures.first_seed,
            psi=pictures.psi,
            labels=pictures.labels,
        )
    indices = dataset_indices(pictures, num)

    def shown(rows: list[int]) -> tuple[Tensor, list[str]]:
        names = [PurePosixPath(pictures.image_names[indices[row]]).name for row in rows]
        return pictures.images(indices[rows]), names

    return _sheet(train, neighbours, shown)


def _sheet(
    train: Dataset,
    neighbours: Neighbours,
    shown: Callable[[list[int]], tuple[Tensor, list[str]]],
) -> Image.Image:
    """The telling rows; ``shown`` gives their own pictures (rows, C, H, W) and names."""
    rows = telling_rows(neighbours, SHEET_CLOSEST, SHEET_FIRST)
    indices = neighbours.indices[rows]  # (rows, k)
    pixels, names = shown(rows)
    near = train.images(indices.flatten()).unflatten(0, tuple(indices.shape))  # (rows, k, C, H, W)
    return neighbour_sheet(
        pixels.movedim(1, -1).numpy(),
        near.movedim(2, -1).numpy(),
        neighbours.distances[rows].numpy(),
        names,
    )
