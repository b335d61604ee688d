"""What a picture file says of itself: its recipe, or a sheet's layout and recipes.

It needs no torch. As JSON it lies in the PNG's ``wspace`` text chunk and in sidecar files.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from wspace.errors import WspaceError, shown
from wspace.files import read_limited
from wspace.plain import Length, Range, check, from_plain, to_plain
from wspace.recipe.recipe import Recipe, parse_json

__all__ = [
    "FIGURE_JSON",
    "MAX_TEXT_BYTES",
    "Cell",
    "PictureDocument",
    "RenderedBy",
    "SheetDocument",
    "SheetLayout",
    "document_from_json",
    "read_recipe",
]

MAX_CELLS = 10_000
MAX_TEXT_BYTES = 16 * 2**20  # of a document as JSON
FIGURE_JSON = json.dumps({"kind": "figure"})  # of a sheet that no recipe makes
MAX_TEXT = 1000  # characters of a title or label

_Text = Annotated[str, Length(0, MAX_TEXT)]
_Labels = Annotated[tuple[_Text, ...], Length(0, MAX_CELLS)]
_Count = Annotated[int, Range(1, 65536)]
_Place = Annotated[int, Range(0, 2**24)]


@dataclass(frozen=True, kw_only=True)
class RenderedBy:
    """All that the last bit of a picture depends on, besides its recipe.

    Attributes:
        torch: its version.
        device: "cpu", or "cuda" and the device's name.
        cpu: machine and instruction set that torch uses.
        threads: of torch on the CPU.
        batch_size: pictures that went through the networks at once.
        path: "folded" (see `rendering.prepare`) or "compiled" (see `rendering.render_path`).
        arithmetic: `rendering.identity.ARITHMETIC` of the wspace that drew it.
    """

    torch: _Text
    device: _Text
    cpu: _Text
    threads: _Count
    batch_size: _Count
    path: _Text
    arithmetic: _Count = 1  # of files that do not say

    def __post_init__(self) -> None:
        check(self, "rendered_by: ")

    def differences(self, other: RenderedBy) -> list[str]:
        """Such as "threads 2 instead of 4", this one's value first."""
        pairs = [
            (f.name, getattr(self, f.name), getattr(other, f.name))
            for f in dataclasses.fields(self)
        ]
        return [
            f"{name} {mine} instead of {theirs}" for name, mine, theirs in pairs if mine != theirs
        ]


@dataclass(frozen=True, kw_only=True)
class SheetLayout:
    """How a sheet looks, apart from its pictures.

    Attributes:
        columns: cells a row.
        title: above all; empty for none.
        note: a smaller line under the title; empty for none.
        column_labels: above the columns; empty, or one a column.
        row_labels: left of the rows; empty, or one a row.
        captions: under the cells; empty, or one a cell.
        header_row: sets the first row apart from the others.
        header_column: sets the first column apart from the others.
        scale: whole number that the pictures are enlarged by.
        theme: "light" or "dark".
    """

    columns: Annotated[int, Range(1, MAX_CELLS)]
    title: _Text = ""
    note: _Text = ""
    column_labels: _Labels = ()
    row_labels: _Labels = ()
    captions: _Labels = ()
    header_row: bool = False
    header_column: bool = False
    scale: Annotated[int, Range(1, 64)] = 1
    theme: Literal["light", "dark"] = "light"

    def __post_init__(self) -> None:
        check(self, "sheet: ")

    def check_fits(self, cells: int) -> None:
        """Check that the labels are as many as the places of a sheet with this many cells.

        Raises:
            WspaceError: they are not, or the cells are none or too many.
        """
        if not 1 <= cells <= MAX_CELLS:
            raise WspaceError(f"sheet: {cells} cells are outside 1 to {MAX_CELLS}.")
        rows = -(-cells // self.columns)
        places = {"column_labels": self.columns, "row_labels": rows, "captions": cells}
        for name, count in places.items():
            if len(getattr(self, name)) not in (0, count):
                raise WspaceError(f"sheet: {len(getattr(self, name))} {name} for {count} places.")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One place of a sheet.

    Attributes:
        show: "picture" (of the one recipe), "deviation" (per pixel, over the pictures of several
            recipes) or "empty".
        recipes: what is shown.
    """

    show: Literal["picture", "deviation", "empty"] = "picture"
    recipes: tuple[Recipe, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.recipes, tuple):
            self._check_show(len(self.recipes))
        check(self, "sheet: ")

    def _check_show(self, count: int) -> None:
        fits = {"picture": count == 1, "deviation": 2 <= count <= MAX_CELLS, "empty": count == 0}
        if not isinstance(self.show, str) or not fits.get(self.show, False):
            raise WspaceError(
                f"sheet: a cell shows {shown(self.show)} of {count} recipes: a picture has one, a "
                "deviation several, an empty cell none."
            )


@dataclass(frozen=True, kw_only=True)
class PictureDocument:
    """A picture's recipe, and what rendered it."""

    recipe: Recipe
    rendered_by: RenderedBy

    def __post_init__(self) -> None:
        check(self)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps({"kind": "picture"} | to_plain(self), allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class SheetDocument:
    """A sheet's layout and cells, and what rendered them.

    Attributes:
        layout: how it looks.
        cells: row by row.
        positions: left and top of each cell's picture on the sheet, in pixels.
        rendered_by: of all its pictures.
    """

    layout: SheetLayout
    cells: tuple[Cell, ...]
    positions: tuple[tuple[_Place, _Place], ...]
    rendered_by: RenderedBy

    def __post_init__(self) -> None:
        check(self, "sheet: ")
        self.layout.check_fits(len(self.cells))
        if len(self.positions) != len(self.cells):
            raise WspaceError(f"sheet: {len(self.positions)} positions of {len(self.cells)} cells.")

    def to_json(self) -> str:
        """One line of JSON."""
        cells = [
            {"show": cell.show, "position": position, "recipes": to_plain(cell)["recipes"]}
            for cell, position in zip(self.cells, self.positions, strict=True)
        ]
        data = {
            "kind": "sheet",
            "layout": to_plain(self.layout),
            "cells": cells,
            "rendered_by": to_plain(self.rendered_by),
        }
        return json.dumps(data, allow_nan=False)


@dataclass(frozen=True, kw_only=True)
class PlacedCell(Cell):
    """A cell as files have it, with its position."""

    position: tuple[_Place, _Place]


@dataclass(frozen=True, kw_only=True)
class _SheetFile:
    """A sheet as files have it."""

    layout: SheetLayout
    cells: Annotated[tuple[PlacedCell, ...], Length(0, MAX_CELLS)]
    rendered_by: RenderedBy

    def __post_init__(self) -> None:
        check(self, "sheet: ")


def document_from_json(text: str | bytes) -> PictureDocument | SheetDocument:
    """Read what `to_json` of either document wrote.

    Raises:
        WspaceError: no such JSON; what is unknown, missing or wrong is named.
    """
    data = parse_json(text, "the wspace data")
    if data == json.loads(FIGURE_JSON):
        raise WspaceError(
            "it shows real pictures, which no recipe makes: give a picture that was generated."
        )
    if not isinstance(data, dict) or data.get("kind") not in ("picture", "sheet"):
        raise WspaceError("the wspace data is neither of a picture nor of a sheet: it is damaged.")
    written = {key: value for key, value in data.items() if key != "kind"}
    if data["kind"] == "picture":
        return from_plain(PictureDocument, written, what="the wspace data")
    sheet = from_plain(_SheetFile, written, what="the wspace data")
    return SheetDocument(
        layout=sheet.layout,
        cells=tuple(Cell(show=cell.show, recipes=cell.recipes) for cell in sheet.cells),
        positions=tuple(cell.position for cell in sheet.cells),
        rendered_by=sheet.rendered_by,
    )


def read_recipe(path: Path | str) -> Recipe:
    """Read the recipe of one picture from a JSON file: by itself, or as a sidecar has it.

    Raises:
        WspaceError: the file cannot be read, or holds something else.
    """
    text = read_limited(path, MAX_TEXT_BYTES, large="that is no recipe")
    try:
        data = parse_json(text, "it")
        if isinstance(data, dict) and "kind" in data:
            document = document_from_json(text)
            if not isinstance(document, PictureDocument):
                raise WspaceError("it is a sheet's: give the recipe of one picture.")
            return document.recipe
        return Recipe.from_dict(data)
    except WspaceError as error:
        raise WspaceError(f"{path}: {error}") from None
