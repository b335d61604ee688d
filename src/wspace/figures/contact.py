"""Contact sheets: many pictures, each whole, in rows as tight as they fit."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageOps

from wspace.figures.frame import Frame, Spacing
from wspace.recipe.document import SheetLayout

__all__ = ["contact_sheet"]

_SPACING = Spacing(margin=2, gap=2, least_width=1)
_SIDES = (64, 128)  # smallest and largest side of a picture on the sheet, in pixels


def contact_sheet(pictures: Iterable[Image.Image], side: int, columns: int) -> Image.Image:
    """Set pictures of any sizes in rows.

    Args:
        pictures: at least one, grey, RGB or RGBA; taken one at a time, so that only what is shown
            is in memory.
        side: the longest side of the largest picture, in pixels; on the sheet it is 64 to 128.
        columns: pictures a row.

    Returns:
        The sheet, RGB.
    """
    smallest, largest = _SIDES
    cell = min(max(side, smallest), largest)
    tiles = [np.atleast_3d(np.asarray(_fitted(picture, cell))) for picture in pictures]
    layout = SheetLayout(columns=min(columns, len(tiles)))
    return Frame(layout, tiles, _SPACING).draw()


def _fitted(picture: Image.Image, cell: int) -> Image.Image:
    """The picture with its longest side as long as the cell.

    Small pictures keep their pixels visible; large ones are reduced smoothly.
    """
    small = max(picture.size) <= cell
    resampling = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return ImageOps.contain(picture, (cell, cell), resampling)
