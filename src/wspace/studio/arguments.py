"""What calls are given: a dataclass for each, which says what its arguments may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from wspace.plain import Key, Length, Range, check
from wspace.recipe.recipe import MAX_LAYERS, Recipe

__all__ = [
    "MOST_PICTURES",
    "Deviation",
    "Drag",
    "Film",
    "Invert",
    "Neighbours",
    "Nothing",
    "OfModel",
    "OfRecipe",
    "Rename",
    "Render",
    "RunSheet",
    "Sheet",
    "Walk",
]

MOST_PICTURES = 64  # of a call

_Pictures = Annotated[tuple[Recipe, ...], Length(1, MOST_PICTURES)]
_Number = Annotated[float, Range(-1e6, 1e6)]
_Point = tuple[_Number, _Number]
_Move = tuple[_Point, _Point]  # from, to
_Some = Annotated[tuple[Recipe, ...], Length(0, 16)]  # rows or columns of a sheet


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """A call without arguments."""


@dataclass(frozen=True, kw_only=True)
class OfModel:
    """A call about a model."""

    model: Annotated[str, Length(1, 100)]

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class OfRecipe(OfModel):
    """A call about a picture."""

    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Render(OfModel):
    """Pictures to draw."""

    recipes: _Pictures


@dataclass(frozen=True, kw_only=True)
class Sheet(OfModel):
    """A sheet: "mixing" of ``rows``, ``columns`` and ``layers``, else of ``recipe``."""

    kind: Literal["mixing", "noise", "psi"]
    recipe: Recipe | None = None
    rows: _Some = ()
    columns: _Some = ()
    layers: Annotated[tuple[int, ...], Length(0, MAX_LAYERS), Range(0, MAX_LAYERS - 1)] = ()
    theme: Literal["light", "dark"] = "light"


@dataclass(frozen=True, kw_only=True)
class Deviation(OfRecipe):
    """A picture, under so many noise seeds."""

    count: Annotated[int, Range(2, 256)] = 32


@dataclass(frozen=True, kw_only=True)
class Neighbours(OfRecipe):
    """A picture, and how far around it."""

    step: float
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0


@dataclass(frozen=True, kw_only=True)
class Rename(OfModel):
    """A direction, and what it is to be called."""

    name: Annotated[str, Length(1, 100)]
    to: Annotated[str, Length(1, 100)]


@dataclass(frozen=True, kw_only=True)
class RunSheet(OfModel):
    """A sheet that a run has drawn."""

    name: Annotated[str, Length(1, 100)]


@dataclass(frozen=True, kw_only=True)
class Invert(OfModel):
    """How a picture is inverted, which comes as the payload."""

    seconds: Annotated[float, Range(1, 600)] = 20.0
    steps: Annotated[int, Range(1, 100_000)] = 100_000  # at most: it ends by its time
    space: Literal["w", "w+"] = "w+"
    class_index: Annotated[int | None, Range(0, 2**20), Key("class")] = None


@dataclass(frozen=True, kw_only=True)
class Drag(OfRecipe):
    """Which points of a picture go where, in pixels; where things may move is the payload."""

    points: Annotated[tuple[_Move, ...], Length(1, 64)]
    steps: Annotated[int, Range(1, 10_000)] = 150


@dataclass(frozen=True, kw_only=True)
class Walk(OfModel):
    """A walk from picture to picture; ``frames`` lie on the way from one to the next."""

    recipes: Annotated[tuple[Recipe, ...], Length(2, MOST_PICTURES)]
    frames: Annotated[int, Range(1, 1000)] = 30
    loop: bool = False
    kind: Literal["linear", "spline", "slerp"] = "linear"


@dataclass(frozen=True, kw_only=True)
class Film(Walk):
    """A walk as a file."""

    format: Literal["mp4", "webp", "gif"] = "mp4"
    fps: Annotated[int, Range(1, 100)] = 30
