"""Sheets that explain themselves: pictures with a title, labels and captions, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from wspace.errors import WspaceError
from wspace.files import atomic_write_text
from wspace.networks.generator import Generator
from wspace.recipe.document import Cell, RenderedBy, SheetDocument, SheetLayout
from wspace.recipe.png import MAX_PIXELS, write_png
from wspace.recipe.recipe import Recipe
from wspace.rendering.render import Pictures, Progress, RenderPath, render

__all__ = ["Sheet", "deviation_map", "picture_sheet", "readable_scale", "render_sheet"]

Tile = npt.NDArray[np.uint8]
Theme = Literal["light", "dark"]
_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Box = tuple[int, int, int, int]

_COLOURS = {  # background, text, quieter text
    "light": ((255, 255, 255), (20, 20, 20), (95, 95, 95)),
    "dark": ((18, 18, 20), (240, 240, 240), (165, 165, 165)),
}
_CELL_SIDE = 128  # pictures are enlarged to about this, so that labels fit
_TITLE_SIZE, _LABEL_SIZE, _NOTE_SIZE = 24, 17, 16
_MARGIN, _GAP, _HEADER_GAP = 20, 4, 14


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
        """The whole sheet, RGB."""
        return _draw(self.layout, self.tiles)

    @property
    def document(self) -> SheetDocument:
        """What the PNG carries."""
        boxes = _Geometry(self.layout, self.tiles).boxes
        return SheetDocument(
            layout=self.layout,
            cells=self.cells,
            positions=tuple((left, top) for left, top, _, _ in boxes),
            rendered_by=self.rendered_by,
        )

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
    pictures: Pictures,
    *,
    columns: int | None = None,
    title: str = "",
    note: str = "",
    captions: Sequence[str] | None = None,
    theme: Theme = "light",
    scale: int | None = None,
) -> Sheet:
    """All pictures on one sheet.

    Args:
        pictures: from `render`.
        columns: pictures a row; None makes the sheet about square.
        title: above all.
        note: a smaller line under the title.
        captions: one a picture; None takes each picture's seed.
        theme: "light" or "dark".
        scale: whole number to enlarge by; None makes small pictures readable.

    Raises:
        WspaceError: a value outside its range.
    """
    count = len(pictures)
    if captions is None:
        captions = [seed_label(recipe) for recipe in pictures.recipes]
    layout = SheetLayout(
        columns=columns or math.ceil(math.sqrt(count)),
        title=title,
        note=note,
        captions=tuple(captions),
        scale=scale or readable_scale(pictures.pixels.shape[1]),
        theme=theme,
    )
    return Sheet(
        layout=layout,
        cells=tuple(Cell(recipes=(recipe,)) for recipe in pictures.recipes),
        tiles=tuple(pictures.pixels),
        rendered_by=pictures.rendered_by,
    )


def render_sheet(
    generator: Generator,
    layout: SheetLayout,
    cells: Sequence[Cell],
    *,
    batch_size: int | None = None,
    exact_batch: bool = False,
    path: RenderPath = "folded",
    progress: Progress | None = None,
) -> Sheet:
    """Render all that a sheet shows, each distinct recipe once.

    Args:
        generator: the model.
        layout: of the sheet.
        cells: row by row.
        batch_size: see `render`.
        exact_batch: see `render`.
        path: see `render`.
        progress: see `render`.

    Raises:
        WspaceError: labels that do not fit the cells; otherwise as `render`.
    """
    layout.check_fits(len(cells))
    numbers: dict[Recipe, int] = {}
    for cell in cells:
        for recipe in cell.recipes:
            numbers.setdefault(recipe, len(numbers))
    pictures = render(
        generator,
        list(numbers),
        batch_size=batch_size,
        exact_batch=exact_batch,
        path=path,
        progress=progress,
    )
    rows = [[numbers[recipe] for recipe in cell.recipes] for cell in cells]
    deviations = {
        i: deviation_map(pictures.pixels[own])
        for i, (cell, own) in enumerate(zip(cells, rows, strict=True))
        if cell.show == "deviation"
    }
    white = max((float(deviation.max()) for deviation in deviations.values()), default=0.0)
    tiles: list[Tile | None] = []
    for i, own in enumerate(rows):
        if i in deviations:
            tiles.append(_grey(deviations[i], white))
        else:
            tiles.append(pictures.pixels[own[0]] if own else None)
    return Sheet(
        layout=layout,
        cells=tuple(
            Cell(show=cell.show, recipes=tuple(pictures.recipes[k] for k in own))
            for cell, own in zip(cells, rows, strict=True)
        ),
        tiles=tuple(tiles),
        white=white,
        rendered_by=pictures.rendered_by,
    )


def deviation_map(pixels: Tile) -> npt.NDArray[np.float64]:
    """How much pictures differ, pixel by pixel.

    Args:
        pixels: (N, H, W, C), uint8, N >= 2.

    Returns:
        (H, W), the standard deviation over the pictures in steps of 1/255, the root mean square
        over the channels.
    """
    deviation: npt.NDArray[np.float64] = np.sqrt(pixels.astype(np.float64).var(axis=0).mean(axis=2))
    return deviation


def _grey(deviation: npt.NDArray[np.float64], white: float) -> Tile:
    """(H, W) to (H, W, 3), black for 0 and white for ``white``."""
    shown = np.rint(deviation * (255 / white if white > 0 else 0)).astype(np.uint8)
    return np.repeat(shown[:, :, None], 3, axis=2)


def readable_scale(side: int) -> int:
    """The whole number that enlarges a picture so that labels fit beside it."""
    return max(1, _CELL_SIDE // side)


def seed_label(recipe: Recipe) -> str:
    """Such as "seed 3", "seed 3, class 1" or "seeds 3, 5"."""
    seeds = [source.seed for source in recipe.sources if source.seed is not None]
    if not seeds:
        return "w"
    label = "seeds " if len(seeds) > 1 else "seed "
    label += ", ".join(str(seed) for seed in seeds)
    class_index = recipe.sources[0].class_index
    return label if class_index is None else f"{label}, class {class_index}"


class _Geometry:
    """Where everything of a sheet lies."""

    def __init__(self, layout: SheetLayout, tiles: Sequence[Tile | None]) -> None:
        shown = [tile for tile in tiles if tile is not None]
        self.side = max(max(tile.shape[:2]) for tile in shown) * layout.scale
        rows = math.ceil(len(tiles) / layout.columns)
        self.title_font, self.label_font, self.note_font = map(
            _font, (_TITLE_SIZE, _LABEL_SIZE, _NOTE_SIZE)
        )
        text_width = self.side - 4
        self.captions = [_wrap(c, self.label_font, text_width) for c in layout.captions]
        self.columns = [_wrap(c, self.label_font, text_width) for c in layout.column_labels]
        self.rows = [_wrap(c, self.label_font, 220) for c in layout.row_labels]
        label_width = max(
            (_width(line, self.label_font) for r in self.rows for line in r), default=0
        )
        left = _MARGIN + (label_width + 12 if label_width else 0)
        across = layout.columns * (self.side + _GAP) - _GAP + _HEADER_GAP * layout.header_column
        self.width = max(left + across + _MARGIN, 360)
        self.title = _wrap(layout.title, self.title_font, self.width - 2 * _MARGIN)
        self.note = _wrap(layout.note, self.note_font, self.width - 2 * _MARGIN)
        top = _MARGIN + len(self.title) * (_TITLE_SIZE + 6) + len(self.note) * (_NOTE_SIZE + 6)
        top += 10 if self.title or self.note else 0
        self.columns_bottom = top + max((len(c) for c in self.columns), default=0) * _line()
        top = self.columns_bottom + (4 if self.columns else 0)
        below = max((len(c) for c in self.captions), default=0) * _line()
        step = self.side + _GAP + (below + 6 if below else 0)
        self.left = left
        self.boxes: list[_Box] = []
        for i, tile in enumerate(tiles):
            row, column = divmod(i, layout.columns)
            x = (
                left
                + column * (self.side + _GAP)
                + _HEADER_GAP * (layout.header_column and column > 0)
            )
            y = top + row * step + _HEADER_GAP * (layout.header_row and row > 0)
            height, width = tile.shape[:2] if tile is not None else (1, 1)
            self.boxes.append((x, y, x + width * layout.scale, y + height * layout.scale))
        self.height = top + rows * step + _HEADER_GAP * layout.header_row + _MARGIN - _GAP


def _draw(layout: SheetLayout, tiles: Sequence[Tile | None]) -> Image.Image:
    place = _Geometry(layout, tiles)
    if place.width * place.height > MAX_PIXELS:
        raise WspaceError(
            f"the sheet would have {place.width} x {place.height} pixels, more than {MAX_PIXELS}: "
            "put fewer or smaller pictures on it."
        )
    background, text, quiet = _COLOURS[layout.theme]
    sheet = Image.new("RGB", (place.width, place.height), background)
    pen = ImageDraw.Draw(sheet)
    y = _MARGIN
    for line in place.title:
        pen.text((_MARGIN, y), line, fill=text, font=place.title_font)
        y += _TITLE_SIZE + 6
    for line in place.note:
        pen.text((_MARGIN, y), line, fill=quiet, font=place.note_font)
        y += _NOTE_SIZE + 6
    for tile, box in zip(tiles, place.boxes, strict=True):
        if tile is not None:
            sheet.paste(_enlarged(tile, layout.scale), box[:2])
    for lines, box in zip(place.captions, place.boxes, strict=False):
        _centred(pen, lines, box[0] + place.side // 2, box[1] + place.side + 4, place, text)
    for column, lines in enumerate(place.columns):
        top = place.columns_bottom - len(lines) * _line()
        _centred(pen, lines, place.boxes[column][0] + place.side // 2, top, place, text)
    for row, lines in enumerate(place.rows):
        y = place.boxes[row * layout.columns][1] + (place.side - len(lines) * _line()) // 2
        for line in lines:
            x = place.left - 12 - _width(line, place.label_font)
            pen.text((x, y), line, fill=text, font=place.label_font)
            y += _line()
    return sheet


def _centred(
    pen: ImageDraw.ImageDraw, lines: list[str], x: int, y: int, place: _Geometry, fill: Any
) -> None:
    for line in lines:
        pen.text((x - _width(line, place.label_font) // 2, y), line, fill, place.label_font)
        y += _line()


def _enlarged(tile: Tile, scale: int) -> Image.Image:
    image = Image.fromarray(tile[:, :, 0] if tile.shape[2] == 1 else tile).convert("RGB")
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
