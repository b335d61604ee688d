"""Pictures on one sheet, with all that makes it again: titles, labels and recipes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from wspace.errors import WspaceError
from wspace.figures.frame import Frame, Theme, Tile, readable_scale
from wspace.files import atomic_write_text
from wspace.recipe.describe import seed_label
from wspace.recipe.document import Cell, RenderedBy, SheetDocument, SheetLayout
from wspace.recipe.png import MAX_PIXELS, MAX_TEXT_BYTES, png_bytes, write_png
from wspace.recipe.recipe import Recipe

__all__ = ["Sheet", "check_sheet", "picture_layout", "picture_sheet"]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A drawn sheet and what it was drawn from.

    Attributes:
        layout: titles, labels, columns and the like.
        cells: what each place shows, row by row.
        tiles: one a cell, (H, W, C), uint8; None for empty cells.
        white: the standard deviation, in steps of 1/255, that deviation maps show as white; 0
            where there is none.
        rendered_by: what the last bit of the pictures depends on.
    """

    layout: SheetLayout
    cells: tuple[Cell, ...]
    tiles: tuple[Tile | None, ...]
    white: float = 0.0
    rendered_by: RenderedBy

    def __post_init__(self) -> None:
        self.layout.check_fits(len(self.cells))

    @cached_property
    def image(self) -> Image.Image:
        """The whole sheet, RGB.

        Raises:
            WspaceError: it would have more pixels than `png.read_pixels` takes.
        """
        return _checked_frame(self.layout, self.tiles).draw()

    @property
    def document(self) -> SheetDocument:
        """What the PNG carries."""
        boxes = Frame(self.layout, self.tiles).boxes
        return SheetDocument(
            layout=self.layout,
            cells=self.cells,
            positions=tuple((left, top) for left, top, _, _ in boxes),
            rendered_by=self.rendered_by,
        )

    @property
    def png(self) -> bytes:
        """The PNG that `save` writes; raises as `image`."""
        return png_bytes(np.asarray(self.image), self.document, what="the sheet")

    def save(self, path: Path | str, *, sidecar: bool = False) -> Path:
        """Write a PNG that carries the layout and all recipes.

        Args:
            path: NAME.png.
            sidecar: writes NAME.json beside it, with what the PNG carries.

        Returns:
            The path.

        Raises:
            WspaceError: the file cannot be written.
        """
        document = self.document
        write_png(path, np.asarray(self.image), document)
        if sidecar:
            atomic_write_text(Path(path).with_suffix(".json"), document.to_json() + "\n")
        return Path(path)


def picture_sheet(
    pixels: npt.NDArray[np.uint8],
    recipes: Sequence[Recipe],
    rendered_by: RenderedBy,
    **layout: Any,
) -> Sheet:
    """All pictures on one sheet.

    Args:
        pixels: (N, H, W, C), uint8.
        recipes: one a picture.
        rendered_by: what the last bit of the pictures depends on.
        layout: see `picture_layout`.

    Raises:
        WspaceError: a value outside its range.
    """
    return Sheet(
        layout=picture_layout(recipes, pixels.shape[1:], **layout),
        cells=tuple(Cell(recipes=(recipe,)) for recipe in recipes),
        tiles=tuple(pixels),
        rendered_by=rendered_by,
    )


def picture_layout(
    recipes: Sequence[Recipe],
    shape: tuple[int, ...],
    *,
    columns: int | None = None,
    title: str = "",
    note: str = "",
    captions: Sequence[str] | None = None,
    theme: Theme = "light",
    scale: int | None = None,
) -> SheetLayout:
    """How pictures lie on one sheet.

    Args:
        recipes: one a picture.
        shape: (H, W, C) of each picture.
        columns: pictures a row; None makes the sheet about square.
        title: above all.
        note: a smaller line under the title.
        captions: one a picture; None takes each picture's seed.
        theme: "light" or "dark".
        scale: whole number to enlarge by; None makes small pictures readable.

    Raises:
        WspaceError: a value outside its range.
    """
    if captions is None:
        captions = [seed_label(recipe) for recipe in recipes]
    return SheetLayout(
        columns=columns or math.ceil(math.sqrt(len(recipes))),
        title=title,
        note=note,
        captions=tuple(captions),
        scale=scale or readable_scale(min(shape[:2])),
        theme=theme,
    )


def check_sheet(layout: SheetLayout, cells: Sequence[Cell], shape: tuple[int, ...]) -> None:
    """Whether a sheet can be, before its pictures are drawn.

    Args:
        layout: of the sheet.
        cells: row by row.
        shape: (H, W, C) of each picture.

    Raises:
        WspaceError: it would have too many cells or pixels, or more recipes than a PNG should hold.
    """
    layout.check_fits(len(cells))
    _checked_frame(layout, [np.broadcast_to(np.uint8(0), shape)] * len(cells))
    size = sum(len(recipe.to_json()) for cell in cells for recipe in cell.recipes)
    if size > MAX_TEXT_BYTES:
        raise WspaceError(
            f"the recipes of the sheet take {size} bytes, more than {MAX_TEXT_BYTES}: put fewer "
            "pictures on it."
        )


def _checked_frame(layout: SheetLayout, tiles: Sequence[Tile | None]) -> Frame:
    frame = Frame(layout, tiles)
    if frame.width * frame.height > MAX_PIXELS:
        raise WspaceError(
            f"the sheet would have {frame.width} x {frame.height} pixels, more than "
            f"{MAX_PIXELS}: put fewer or smaller pictures on it."
        )
    return frame
