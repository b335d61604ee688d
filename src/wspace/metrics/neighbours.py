"""Memorisation: generated pictures beside the training pictures nearest to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from wspace.errors import WspaceError
from wspace.metrics.distances import nearest
from wspace.metrics.features import Labels, generated_pixels

if TYPE_CHECKING:
    from wspace.data.dataset import Dataset
    from wspace.networks.generator import Generator

__all__ = [
    "DistanceSummary",
    "Neighbours",
    "find_neighbours",
    "generator_sheet",
    "neighbour_sheet",
    "summary",
    "telling_rows",
]

SHEET_CLOSEST, SHEET_FIRST = 8, 8  # rows of each kind on the sheet
CELL_SIDE, MARGIN, GAP, TEXT_HEIGHT = 96, 8, 16, 20  # pixels of the sheet


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
    first_seed: int,
    psi: float,
    labels: Labels | None,
) -> Image.Image:
    """The generated pictures closest to training pictures, then the first ones, as a sheet.

    Args:
        generator: the model.
        train: what it was trained on, all of it in ``neighbours``.
        neighbours: of the features that `features.generator_features` gave for it.
        first_seed: as there.
        psi: as there.
        labels: as there.
    """
    rows = telling_rows(neighbours, SHEET_CLOSEST, SHEET_FIRST)
    seeds = [first_seed + row for row in rows]
    indices = neighbours.indices[rows]  # (rows, k)
    return neighbour_sheet(
        generated_pixels(generator, seeds, psi=psi, labels=labels),
        train.images(indices.flatten()).unflatten(0, tuple(indices.shape)),
        neighbours.distances[rows],
        [f"seed {seed}" for seed in seeds],
    )


def neighbour_sheet(
    generated: Tensor, train: Tensor, distances: Tensor, names: Sequence[str]
) -> Image.Image:
    """A row for each generated picture: itself, a gap, its nearest training pictures.

    Args:
        generated: (N, 1 or 3, H, W), uint8.
        train: (N, k, 3, H, W), uint8, nearest first.
        distances: (N, k), written under the training pictures.
        names: N labels, such as "seed 3", written under the generated pictures.
    """
    scale = max(1, CELL_SIDE // generated.shape[-1])  # small pictures are enlarged, pixel by pixel
    side = generated.shape[-1] * scale
    step = side + TEXT_HEIGHT
    width = MARGIN + (1 + train.shape[1]) * (side + MARGIN) + GAP
    sheet = Image.new("RGB", (width, len(names) * step + MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(13)
    for row, name in enumerate(names):
        top = MARGIN + row * step
        texts = [name, *(f"{distance:.2f}" for distance in distances[row].tolist())]
        for column, text in enumerate(texts):
            left = MARGIN + column * (side + MARGIN) + (GAP if column else 0)
            pixels = generated[row] if column == 0 else train[row, column - 1]
            sheet.paste(_picture(pixels, side), (left, top))
            pen.text((left, top + side + 1), text, fill="black", font=font)
    return sheet


def _picture(pixels: Tensor, side: int) -> Image.Image:
    """(1 or 3, H, W), uint8, as a picture of ``side`` pixels."""
    array = np.ascontiguousarray(pixels.expand(3, -1, -1).permute(1, 2, 0).numpy())  # (H, W, 3)
    return Image.fromarray(array).resize((side, side), Image.Resampling.NEAREST)
