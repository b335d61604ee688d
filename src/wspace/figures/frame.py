"""The one frame of every sheet: tiles with a title, labels and captions, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from wspace.figures.transparency import on_checks
from wspace.recipe.document import SheetLayout

__all__ = ["Frame", "Spacing", "Theme", "Tile", "readable_scale"]

Tile = npt.NDArray[np.uint8]  # (H, W, C), C 1, 3 or 4
Theme = Literal["light", "dark"]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Box = tuple[int, int, int, int]

_COLOURS = {  # background, text, quieter text
    "light": ((255, 255, 255), (20, 20, 20), (95, 95, 95)),
    "dark": ((18, 18, 20), (240, 240, 240), (165, 165, 165)),
}
_CELL_SIDE = 128  # pictures are enlarged to about this, so that labels fit
_TITLE_SIZE, _LABEL_SIZE, _NOTE_SIZE = 24, 17, 16


@dataclass(frozen=True, kw_only=True)
class Spacing:
    """White space on a sheet, in pixels."""

    margin: int = 20  # around all
    gap: int = 4  # between tiles
    header_gap: int = 14  # beside a header row or column, on top of the gap
    least_width: int = 360  # of the whole sheet, so that a title has room


_ROOMY = Spacing()


class Frame:
    """Where everything of a sheet lies, and its drawing.

    Attributes:
        boxes: left, top, right and bottom of each tile, in pixels.
        width: of the whole sheet, in pixels.
        height: likewise.
    """

    def __init__(
        self, layout: SheetLayout, tiles: Sequence[Tile | None], spacing: Spacing = _ROOMY
    ) -> None:
        """Lay out tiles.

        Args:
            layout: titles, labels, columns and the like.
            tiles: row by row; None leaves a place empty.
            spacing: the white space between them.
        """
        self.layout, self.tiles = layout, tiles
        margin, gap, header_gap = spacing.margin, spacing.gap, spacing.header_gap
        shown = [tile for tile in tiles if tile is not None]
        self.cell_height, self.cell_width = (
            max(tile.shape[axis] for tile in shown) * layout.scale for axis in (0, 1)
        )
        rows = math.ceil(len(tiles) / layout.columns)
        self.title_font, self.label_font, self.note_font = map(
            _font, (_TITLE_SIZE, _LABEL_SIZE, _NOTE_SIZE)
        )
        text_width = self.cell_width - 4
        self.captions = [_wrap(c, self.label_font, text_width) for c in layout.captions]
        self.column_labels = [_wrap(c, self.label_font, text_width) for c in layout.column_labels]
        self.row_labels = [_wrap(c, self.label_font, 220) for c in layout.row_labels]
        label_width = max(
            (_width(line, self.label_font) for r in self.row_labels for line in r), default=0
        )
        left = margin + (label_width + 12 if label_width else 0)
        across = layout.columns * (self.cell_width + gap) - gap + header_gap * layout.header_column
        self.width = max(left + across + margin, spacing.least_width)
        self.title = _wrap(layout.title, self.title_font, self.width - 2 * margin)
        self.note = _wrap(layout.note, self.note_font, self.width - 2 * margin)
        top = margin + len(self.title) * (_TITLE_SIZE + 6) + len(self.note) * (_NOTE_SIZE + 6)
        top += 10 if self.title or self.note else 0
        self.columns_bottom = top + max((len(c) for c in self.column_labels), default=0) * _line()
        top = self.columns_bottom + (4 if self.column_labels else 0)
        below = max((len(c) for c in self.captions), default=0) * _line()
        step = self.cell_height + gap + (below + 6 if below else 0)
        self.left, self.margin = left, margin
        self.boxes: list[_Box] = []
        for i, tile in enumerate(tiles):
            row, column = divmod(i, layout.columns)
            x = (
                left
                + column * (self.cell_width + gap)
                + header_gap * (layout.header_column and column > 0)
            )
            y = top + row * step + header_gap * (layout.header_row and row > 0)
            height, width = tile.shape[:2] if tile is not None else (1, 1)
            self.boxes.append((x, y, x + width * layout.scale, y + height * layout.scale))
        self.height = top + rows * step + header_gap * layout.header_row + margin - gap

    def draw(self) -> Image.Image:
        """The whole sheet, RGB: pictures with alpha lie on a checkerboard."""
        background, text, quiet = _COLOURS[self.layout.theme]
        sheet = Image.new("RGB", (self.width, self.height), background)
        pen = ImageDraw.Draw(sheet)
        y = self.margin
        for line in self.title:
            pen.text((self.margin, y), line, fill=text, font=self.title_font)
            y += _TITLE_SIZE + 6
        for line in self.note:
            pen.text((self.margin, y), line, fill=quiet, font=self.note_font)
            y += _NOTE_SIZE + 6
        for tile, box in zip(self.tiles, self.boxes, strict=True):
            if tile is not None:
                shown = Image.fromarray(on_checks(tile, self.layout.theme))
                sheet.paste(_enlarged(shown, self.layout.scale), box[:2])
        for lines, box in zip(self.captions, self.boxes, strict=False):
            self._centred(pen, lines, box[0], box[1] + self.cell_height + 4, text)
        for column, lines in enumerate(self.column_labels):
            top = self.columns_bottom - len(lines) * _line()
            self._centred(pen, lines, self.boxes[column][0], top, text)
        for row, lines in enumerate(self.row_labels):
            box = self.boxes[row * self.layout.columns]
            y = box[1] + (self.cell_height - len(lines) * _line()) // 2
            for line in lines:
                x = self.left - 12 - _width(line, self.label_font)
                pen.text((x, y), line, fill=text, font=self.label_font)
                y += _line()
        return sheet

    def _centred(
        self, pen: ImageDraw.ImageDraw, lines: list[str], left: int, y: int, fill: Any
    ) -> None:
        """Write lines over the width of the tile that begins at ``left``."""
        for line in lines:
            x = left + self.cell_width // 2 - _width(line, self.label_font) // 2
            pen.text((x, y), line, fill, self.label_font)
            y += _line()


def readable_scale(side: int) -> int:
    """The whole number that enlarges a picture of that shorter side so that labels fit beside."""
    return max(1, _CELL_SIDE // side)


def _enlarged(image: Image.Image, scale: int) -> Image.Image:
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def _wrap(text: str, font: _Font, width: int) -> list[str]:
    """Lines of at most ``width`` pixels, broken between words where there are any."""
    lines: list[str] = []
    for word in text.split():
        if lines and _width(f"{lines[-1]} {word}", font) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _width(text: str, font: _Font) -> int:
    return math.ceil(font.getlength(text))


def _line() -> int:
    return _LABEL_SIZE + 4


def _font(size: int) -> _Font:
    """Pillow's own font, which needs no file."""
    return ImageFont.load_default(size)
