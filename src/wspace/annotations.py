"""What a field of a dataclass may hold and what it means, as its annotation says."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

__all__ = ["About", "Choice", "Field", "Key", "Length", "Range", "Shape", "fields_of"]

LARGEST = 1e15  # bounds numbers without a range of their own; nothing in wspace comes near it


@dataclass(frozen=True)
class Range:
    """The numbers that a field may hold, or each number of a list; infinity and NaN never are."""

    low: float | None = None
    high: float | None = None
    above: float | None = None  # a lower bound that is itself outside

    def holds(self, value: float) -> bool:
        """Whether a number lies inside."""
        return (
            (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.above is None or value > self.above)
            and abs(value) <= (LARGEST if self.high is None or self.low is None else math.inf)
        )

    def __str__(self) -> str:
        """Such as "0 to 1", "more than 0" or "1 or more"."""
        low, high = (None if end is None else _plain_number(end) for end in (self.low, self.high))
        if self.above is not None:
            text = f"more than {_plain_number(self.above)}"
            return text if high is None else f"{text}, up to {high}"
        if low is not None and high is not None:
            return f"{low} to {high}"
        if low is not None:
            return f"{low} or more"
        return f"up to {_plain_number(LARGEST) if high is None else high}"


@dataclass(frozen=True, init=False)
class Choice:
    """The values that a field may hold; a `Literal` type says the same."""

    values: tuple[Any, ...]

    def __init__(self, *values: Any) -> None:
        object.__setattr__(self, "values", values)


@dataclass(frozen=True)
class Length:
    """How many values a list may hold, or characters a text."""

    low: int
    high: int


@dataclass(frozen=True)
class Key:
    """The name of a field in plain data and messages, where it is not that in Python."""

    name: str


@dataclass(frozen=True)
class About:
    """What a field means, in a few words, and the unit of its number."""

    meaning: str
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What an annotation allows, all members of a union together."""

    optional: bool = False  # None
    scalars: tuple[type, ...] = ()  # of bool, int, float, str
    choices: tuple[Any, ...] = ()
    classes: tuple[type, ...] = ()  # dataclasses
    items: Shape | None = None  # of a list of any length
    places: tuple[Shape, ...] = ()  # of a list of fixed length
    range: Range | None = None
    length: Length | None = None

    @property
    def is_list(self) -> bool:
        return self.items is not None or bool(self.places)

    def __str__(self) -> str:
        names = {bool: "true or false", int: "whole number", float: "number", str: "text"}
        kinds = [names[scalar] for scalar in self.scalars]
        kinds += [f"one of {', '.join(map(str, self.choices))}"] if self.choices else []
        kinds += [kind.__name__ for kind in self.classes]
        if self.items is not None:
            kinds.append(f"list of {_plural(str(self.items))}")
        if self.places:
            count = "pair" if len(self.places) == 2 else f"list of {len(self.places)}"
            kinds.append(f"{count} of {_plural(str(self.places[0]))}")
        return " or ".join([*kinds, "none"] if self.optional else kinds)


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a dataclass, as its annotation and default describe it."""

    key: str  # its name in plain data and messages
    shape: Shape
    required: bool  # it has no default
    about: About


_known: dict[type, dict[str, Field]] = {}


def fields_of(kind: type) -> dict[str, Field]:
    """The fields of a dataclass by their name in Python."""
    if kind not in _known:
        _known[kind] = _read_fields(kind)
    return _known[kind]


def _read_fields(kind: Any) -> dict[str, Field]:
    hints = typing.get_type_hints(kind, include_extras=True)
    found = {}
    for field in dataclasses.fields(kind):
        annotation = hints[field.name]
        marks = _marks(annotation)
        key = next((mark.name for mark in marks if isinstance(mark, Key)), field.name)
        found[field.name] = Field(
            key=key,
            shape=_shape_of(annotation),
            required=field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING,
            about=next((mark for mark in marks if isinstance(mark, About)), About("")),
        )
    return found


def _marks(annotation: Any) -> tuple[Any, ...]:
    return annotation.__metadata__ if typing.get_origin(annotation) is Annotated else ()


def _shape_of(annotation: Any) -> Shape:
    """What an annotation says; marks on a union or a list hold for what is in it."""
    if marks := _marks(annotation):
        shape = _shape_of(annotation.__origin__)
        for mark in marks:
            shape = _marked(shape, mark)
        return shape
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        return _union([_shape_of(argument) for argument in arguments])
    if origin is Literal:
        return Shape(choices=arguments)
    if origin is tuple and arguments[1:] == (...,):
        return Shape(items=_shape_of(arguments[0]))
    if origin is tuple:
        return Shape(places=tuple(map(_shape_of, arguments)))
    if annotation in (None, type(None)):
        return Shape(optional=True)
    if annotation in (bool, int, float, str):
        return Shape(scalars=(annotation,))
    assert dataclasses.is_dataclass(annotation), f"plain data cannot be {annotation}"
    return Shape(classes=(typing.cast(type, annotation),))


def _marked(shape: Shape, mark: Any) -> Shape:
    if isinstance(mark, Length):
        return dataclasses.replace(shape, length=mark)
    if isinstance(mark, Range):
        items = None if shape.items is None else _marked(shape.items, mark)
        places = tuple(_marked(place, mark) for place in shape.places)
        return dataclasses.replace(shape, range=mark, items=items, places=places)
    if isinstance(mark, Choice):
        return dataclasses.replace(shape, choices=mark.values, scalars=())
    return shape


def _union(shapes: list[Shape]) -> Shape:
    def first(name: str) -> Any:
        return next((value for s in shapes if (value := getattr(s, name))), None)

    def joined(name: str) -> tuple[Any, ...]:
        return tuple(value for shape in shapes for value in getattr(shape, name))

    return Shape(
        optional=any(shape.optional for shape in shapes),
        scalars=joined("scalars"),
        choices=joined("choices"),
        classes=joined("classes"),
        items=first("items"),
        places=joined("places"),
        range=first("range"),
        length=first("length"),
    )


def _plural(kind: str) -> str:
    return kind if kind.startswith(("one of", "true or")) else f"{kind}s"


def _plain_number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
