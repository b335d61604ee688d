"""Generated pictures, each beside the training pictures nearest to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from wspace.figures.frame import Frame, readable_scale
from wspace.recipe.document import SheetLayout

__all__ = ["neighbour_sheet"]


def neighbour_sheet(
    generated: npt.NDArray[np.uint8],
    train: npt.NDArray[np.uint8],
    distances: npt.NDArray[np.float64],
    names: Sequence[str],
) -> Image.Image:
    """Draw a row for each generated picture: itself, then its nearest training pictures.

    Args:
        generated: (N, H, W, C), C 1, 3 or 4.
        train: (N, k, H, W, C), C 1, 3 or 4, nearest first.
        distances: (N, k), written under the training pictures.
        names: one a generated picture, such as "seed 3", written under it.

    Returns:
        The sheet, RGB.
    """
    tiles = [tile for row, near in zip(generated, train, strict=True) for tile in (row, *near)]
    captions = [
        text
        for name, row in zip(names, distances, strict=True)
        for text in (name, *(f"{distance:.2f}" for distance in row))
    ]
    k = train.shape[1]
    layout = SheetLayout(
        columns=1 + k,
        title="Nearest training pictures",
        note="under each its distance to the generated picture, between features",
        column_labels=("generated", *(f"nearest {i}" for i in range(1, k + 1))),
        captions=tuple(captions),
        header_column=True,
        scale=readable_scale(min(generated.shape[1:3])),
    )
    return Frame(layout, tiles).draw()
