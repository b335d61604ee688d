"""What a picture file says of itself: its recipe, or a sheet's layout and recipes.

It needs no torch. As JSON it lies in the PNG's ``wspace`` text chunk and in sidecar files.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

from wspace.errors import WspaceError
from wspace.recipe.recipe import Recipe, parse_json

__all__ = [
    "Cell",
    "PictureDocument",
    "RenderedBy",
    "SheetDocument",
    "SheetLayout",
    "document_from_json",
]

MAX_CELLS = 10_000
MAX_TEXT = 1000  # characters of a title or label
THEMES = ("light", "dark")


@dataclass(frozen=True, kw_only=True)
class RenderedBy:
    """All that the last bit of a picture depends on beside its recipe.

    Attributes:
        torch: its version.
        device: "cpu", or "cuda" and the device's name.
        cpu: machine and instruction set that torch uses.
        threads: of torch on the CPU.
        batch_size: pictures that went through the networks at once.
        path: "folded" (see `networks.inference.fold`) or "compiled" (see `render.choose_path`).
        arithmetic: `render.ARITHMETIC` of the wspace that drew it.
    """

    torch: str
    device: str
    cpu: str
    threads: int
    batch_size: int
    path: str
    arithmetic: int = 1  # of files that do not say

    def __post_init__(self) -> None:
        for name in ("torch", "device", "cpu", "path"):
            _check_text(f"rendered_by: {name}", getattr(self, name))
        for name in ("threads", "batch_size", "arithmetic"):
            _check_count(f"rendered_by: {name}", getattr(self, name), 1, 65536)

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

    columns: int
    title: str = ""
    note: str = ""
    column_labels: tuple[str, ...] = ()
    row_labels: tuple[str, ...] = ()
    captions: tuple[str, ...] = ()
    header_row: bool = False
    header_column: bool = False
    scale: int = 1
    theme: Literal["light", "dark"] = "light"

    def __post_init__(self) -> None:
        _check_count("sheet: columns", self.columns, 1, MAX_CELLS)
        _check_count("sheet: scale", self.scale, 1, 64)
        if self.theme not in THEMES:
            raise WspaceError(f"sheet: theme={self.theme!r:.60} is unknown: give light or dark.")
        for name in ("title", "note"):
            _check_text(f"sheet: {name}", getattr(self, name))
        for name in ("column_labels", "row_labels", "captions"):
            labels = getattr(self, name)
            if not isinstance(labels, tuple) or len(labels) > MAX_CELLS:
                raise WspaceError(f"sheet: {name} is no list of texts: the file is damaged.")
            for label in labels:
                _check_text(f"sheet: {name}", label)
        for name in ("header_row", "header_column"):
            if not isinstance(getattr(self, name), bool):
                raise WspaceError(f"sheet: {name} is neither true nor false: the file is damaged.")

    def check_fits(self, cells: int) -> None:
        """Whether the labels are as many as a sheet of so many cells has places.

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
        fits = {
            "picture": len(self.recipes) == 1,
            "deviation": 2 <= len(self.recipes) <= MAX_CELLS,
            "empty": not self.recipes,
        }
        if not isinstance(self.show, str) or not fits.get(self.show, False):
            raise WspaceError(
                f"sheet: a cell shows {self.show!r:.60} of {len(self.recipes)} recipes: a picture "
                "has one, a deviation several, an empty cell none."
            )


@dataclass(frozen=True, kw_only=True)
class PictureDocument:
    """A picture's recipe, and what rendered it."""

    recipe: Recipe
    rendered_by: RenderedBy

    def to_json(self) -> str:
        """One line of JSON."""
        data = {
            "kind": "picture",
            "recipe": self.recipe.to_dict(),
            "rendered_by": dataclasses.asdict(self.rendered_by),
        }
        return json.dumps(data, allow_nan=False)


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
    positions: tuple[tuple[int, int], ...]
    rendered_by: RenderedBy

    def __post_init__(self) -> None:
        self.layout.check_fits(len(self.cells))
        if len(self.positions) != len(self.cells):
            raise WspaceError(f"sheet: {len(self.positions)} positions of {len(self.cells)} cells.")
        for x, y in self.positions:
            _check_count("sheet: position", x, 0, 2**24)
            _check_count("sheet: position", y, 0, 2**24)

    def to_json(self) -> str:
        """One line of JSON."""
        data = {
            "kind": "sheet",
            "layout": dataclasses.asdict(self.layout),
            "cells": [
                {
                    "show": cell.show,
                    "position": position,
                    "recipes": [recipe.to_dict() for recipe in cell.recipes],
                }
                for cell, position in zip(self.cells, self.positions, strict=True)
            ],
            "rendered_by": dataclasses.asdict(self.rendered_by),
        }
        return json.dumps(data, allow_nan=False)


def document_from_json(text: str | bytes) -> PictureDocument | SheetDocument:
    """Read what `to_json` of either document wrote.

    Raises:
        WspaceError: no such JSON; what is unknown, missing or wrong is named.
    """
    data = parse_json(text, "the wspace data")
    if not isinstance(data, dict) or data.get("kind") not in ("picture", "sheet"):
        raise WspaceError("the wspace data is neither of a picture nor of a sheet: it is damaged.")
    if data["kind"] == "picture":
        _check_keys("the wspace data", data, {"kind", "recipe", "rendered_by"})
        return PictureDocument(
            recipe=Recipe.from_dict(data["recipe"]),
            rendered_by=_build(RenderedBy, "rendered_by", data["rendered_by"]),
        )
    _check_keys("the wspace data", data, {"kind", "layout", "cells", "rendered_by"})
    if not isinstance(data["cells"], list) or len(data["cells"]) > MAX_CELLS:
        raise WspaceError("sheet: cells are no list: the file is damaged.")
    return SheetDocument(
        layout=_build(SheetLayout, "sheet: layout", data["layout"]),
        cells=tuple(_cell(cell) for cell in data["cells"]),
        positions=tuple(_position(cell) for cell in data["cells"]),
        rendered_by=_build(RenderedBy, "rendered_by", data["rendered_by"]),
    )


def _cell(data: Any) -> Cell:
    _check_keys("sheet: cell", data, {"show", "position", "recipes"})
    if not isinstance(data["recipes"], list) or len(data["recipes"]) > MAX_CELLS:
        raise WspaceError("sheet: a cell's recipes are no list: the file is damaged.")
    return Cell(show=data["show"], recipes=tuple(Recipe.from_dict(r) for r in data["recipes"]))


def _position(data: Any) -> tuple[int, int]:
    position = data["position"]
    if not isinstance(position, list) or len(position) != 2:
        raise WspaceError("sheet: a cell's position is no pair of numbers: the file is damaged.")
    return position[0], position[1]


def _build(kind: type[Any], what: str, data: Any) -> Any:
    if kind is RenderedBy and isinstance(data, dict):
        data = {"arithmetic": RenderedBy.arithmetic} | data  # files from before it was counted
    _check_keys(what, data, {f.name for f in dataclasses.fields(kind)})
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


def _check_keys(what: str, data: Any, keys: set[str]) -> None:
    if not isinstance(data, dict):
        raise WspaceError(f"{what} is {type(data).__name__}, not a JSON object: it is damaged.")
    if wrong := sorted(keys ^ set(data)):
        verb = "lacks" if wrong[0] in keys else "knows no"
        raise WspaceError(
            f"{what} {verb} {wrong[0]!r:.60}: it is damaged, or made by a newer wspace "
            "(pip install -U wspace)."
        )


def _check_text(what: str, value: Any) -> None:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise WspaceError(f"{what} is no text of at most {MAX_TEXT} characters: it is damaged.")


def _check_count(what: str, value: Any, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        shown = value if isinstance(value, bool | float | None) else type(value).__name__
        raise WspaceError(f"{what}={shown} is no whole number from {low} to {high}.")
