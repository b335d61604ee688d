"""Frozen dataclasses and plain data: what a field may hold is said once, in its annotation.

    @dataclass(frozen=True, kw_only=True)
    class Run:
        total_kimg: Annotated[float, Range(above=0), About("length of the run", unit="kimg")] = 1000
        preset: Annotated[str, Choice("compact", "paper"), About("the networks")] = "compact"

        def __post_init__(self) -> None:
            check(self)

`from_plain` and `to_plain` go from JSON or TOML data to such a class and back, `options_of` lists
its fields, `from_text` reads the value of one.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from wspace.annotations import About, Choice, Field, Key, Length, Range, Shape, fields_of
from wspace.errors import WspaceError, one_line, shown

__all__ = [
    "About",
    "Choice",
    "Key",
    "Length",
    "Option",
    "Range",
    "check",
    "from_plain",
    "from_text",
    "options_of",
    "settle",
    "to_plain",
]

REQUIRED: Any = dataclasses.MISSING  # the default of an option that has none

_SCALARS = {type(None), bool, int, float, str}

_T = TypeVar("_T")
_Path = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Option:
    """One field of a dataclass, for people.

    Attributes:
        name: with dots where the dataclass holds another: "optimizer.learning_rate".
        kind: such as "number", "whole number or none" or "true or false".
        default: `REQUIRED` where there is none.
        choices: the values it may hold; empty where these are not counted.
        range: such as "0 to 1"; empty without one.
        unit: of the number; empty without one.
        meaning: in a few words.
    """

    name: str
    kind: str
    default: Any
    choices: tuple[Any, ...] = ()
    range: str = ""
    unit: str = ""
    meaning: str = ""


def check(instance: Any, what: str = "") -> None:
    """Refuse values that the annotations of a dataclass do not allow; for its ``__post_init__``.

    A whole number may stand for a number with a point, as in JSON.

    Args:
        instance: of the dataclass.
        what: put before the field's name in messages, such as "recipe: ".

    Raises:
        WspaceError: names the first field that does not fit, its value and what to give.
    """
    for name, field in fields_of(type(instance)).items():
        _check(getattr(instance, name), field.shape, what + field.key)


def settle(instance: Any, what: str = "") -> None:
    """As `check`; numbers of NumPy become Python's, and whole ones get a point where one belongs.

    So equal values are written alike, wherever they came from.
    """
    for name, field in fields_of(type(instance)).items():
        value = getattr(instance, name)
        settled = _settled(value, field.shape)
        _check(settled, field.shape, what + field.key)
        if settled is not value:
            object.__setattr__(instance, name, settled)


def to_plain(instance: Any, *, leave_out_none: bool = False) -> dict[str, Any]:
    """A dataclass as plain data: dicts, lists, texts, numbers, true, false and None.

    Args:
        instance: of the dataclass; those that it holds are made plain, too, by their own
            ``to_dict`` where they have one.
        leave_out_none: leaves out the fields that hold None.
    """

    def plain(value: Any) -> Any:
        if hasattr(value, "to_dict"):
            return value.to_dict()
        if dataclasses.is_dataclass(value):
            return to_plain(value, leave_out_none=leave_out_none)
        if isinstance(value, tuple):
            flat = set(map(type, value)) <= _SCALARS
            return list(value) if flat else [plain(inner) for inner in value]
        return value

    values = {
        field.key: getattr(instance, name) for name, field in fields_of(type(instance)).items()
    }
    return {
        key: plain(value)
        for key, value in values.items()
        if value is not None or not leave_out_none
    }


def from_plain(kind: type[_T], data: Any, *, what: str = "") -> _T:
    """The inverse of `to_plain`; what is left out has its default.

    The class must call `check` or `settle`: values are handed to it as they are, but for lists,
    which become tuples, and the dataclasses that it holds, which are made first, by their own
    ``from_dict`` where they have one.

    Args:
        kind: the dataclass.
        data: what JSON or TOML gave, of anybody. Values that are instances already stay.
        what: names the data in messages, such as "recipe"; the class's name by default.

    Raises:
        WspaceError: no dict, a field missing or unknown, or a value that does not fit.
    """
    what = what or kind.__name__
    if not isinstance(data, dict):
        raise WspaceError(f"{what} is {type(data).__name__}, not a JSON object.")
    fields = fields_of(kind)
    names = {field.key: name for name, field in fields.items()}
    if unknown := sorted((key for key in data if key not in names), key=str):
        raise WspaceError(f"{what} knows no {shown(unknown[0])}: {_advice(unknown[0], fields)}")
    if missing := [f.key for f in fields.values() if f.required and f.key not in data]:
        raise WspaceError(f"{what} is incomplete: it lacks {missing[0]!r}.")
    return kind(
        **{
            names[key]: _from_plain(value, fields[names[key]].shape, f"{what}: {key}")
            for key, value in data.items()
        }
    )


def options_of(kind: type) -> tuple[Option, ...]:
    """What can be given to a dataclass, in its order, those that it holds in their place."""
    found: list[Option] = []
    for path, field, default in _leaves(kind):
        scalars = field.shape.items or field.shape
        found.append(
            Option(
                name=".".join(path),
                kind=str(field.shape),
                default=default,
                choices=field.shape.choices or scalars.choices,
                range=str(field.shape.range or scalars.range or ""),
                unit=field.about.unit,
                meaning=field.about.meaning,
            )
        )
    return tuple(found)


def from_text(kind: type, name: str, text: str) -> Any:
    """Read the value of one field as people write it: "0.5", "true", "none", "1,2,3".

    Args:
        kind: the dataclass.
        name: the field's, as `options_of` gives it.
        text: what was written.

    Raises:
        WspaceError: no such field, or a value that it cannot hold.
    """
    fields = {".".join(path): field for path, field, _ in _leaves(kind)}
    if name not in fields:
        near = difflib.get_close_matches(name, fields, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {one_line(', '.join(fields))}."
        raise WspaceError(f"there is no option {shown(name)}: {hint}")
    shape = fields[name].shape
    value = _parse(text.strip(), shape)
    _check(value, shape, name)
    return value


def _leaves(kind: type, prefix: _Path = (), default: Any = REQUIRED) -> Iterator[Any]:
    """Path, field and default of each field; a dataclass that is always there is gone into."""
    fields = fields_of(kind)
    for place in dataclasses.fields(typing.cast(Any, kind)):
        field = fields[place.name]
        shape = field.shape
        if default is not REQUIRED:
            value = getattr(default, place.name)
        elif callable(place.default_factory):
            value = place.default_factory()
        else:
            value = place.default
        if shape == Shape(classes=shape.classes) and len(shape.classes) == 1:
            yield from _leaves(shape.classes[0], (*prefix, field.key), value)
        else:
            yield (*prefix, field.key), field, value


def _check(value: Any, shape: Shape, name: str) -> None:
    if value is None and shape.optional:
        return
    if isinstance(value, tuple) and shape.is_list:
        _check_list(value, shape, name)
    elif shape.choices and not (shape.scalars or shape.classes):
        if not any(type(value) is type(choice) and value == choice for choice in shape.choices):
            known = ", ".join(map(str, shape.choices))
            raise WspaceError(f"{name}={shown(value)} is unknown: give one of {known}.")
    elif isinstance(value, str) and str in shape.scalars:
        if shape.length is not None and not shape.length.low <= len(value) <= shape.length.high:
            raise WspaceError(f"{name} is no text of at most {shape.length.high} characters.")
    elif _is_number(value, shape):
        limits = shape.range or Range()
        if not limits.holds(value):
            between = limits.low is not None and limits.high is not None
            says = f"outside {limits}" if between else f"out of range: give {limits}"
            raise WspaceError(f"{name}={shown(value)} is {says}.")
    elif not (isinstance(value, bool) and bool in shape.scalars) and not isinstance(
        value, shape.classes
    ):
        raise WspaceError(f"{name}={shown(value)} is {_no(shape)}.")


def _check_list(values: tuple[Any, ...], shape: Shape, name: str) -> None:
    if shape.places:
        if len(values) != len(shape.places):
            raise WspaceError(f"{name}={shown(list(values))} is {_no(shape)}.")
        for value, place in zip(values, shape.places, strict=True):
            _check(value, place, name)
        return
    if shape.length is not None and not shape.length.low <= len(values) <= shape.length.high:
        low, high = shape.length.low, shape.length.high
        raise WspaceError(f"{name} has {len(values)} values: give {low} to {high}.")
    assert shape.items is not None
    if _are_plain_numbers(values, shape.items):
        return
    for value in values:
        _check(value, shape.items, name)


def _are_plain_numbers(values: tuple[Any, ...], shape: Shape) -> bool:
    """Whether a list is of numbers in their range: the usual case, decided quickly."""
    if shape.scalars != (float,) or set(map(type, values)) != {float}:
        return False
    limits = shape.range or Range()
    finite = math.isfinite(sum(values))  # an infinity or NaN stays in the sum
    return finite and limits.holds(min(values)) and limits.holds(max(values))


def _is_number(value: Any, shape: Shape) -> bool:
    if isinstance(value, bool):
        return False
    return (isinstance(value, int) and (int in shape.scalars or float in shape.scalars)) or (
        isinstance(value, float) and float in shape.scalars
    )


def _settled(value: Any, shape: Shape) -> Any:
    if type(value) in shape.scalars or value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, tuple) and shape.items is not None:
        if set(map(type, value)) == set(shape.items.scalars):
            return value
        return tuple(_settled(inner, shape.items) for inner in value)
    if isinstance(value, tuple) and len(value) == len(shape.places):
        return tuple(
            _settled(inner, place) for inner, place in zip(value, shape.places, strict=True)
        )
    if isinstance(value, numbers.Integral) and int in shape.scalars:
        return int(value)
    if isinstance(value, numbers.Real) and float in shape.scalars:
        try:
            return float(value)
        except OverflowError:
            return value  # out of any range
    return value


def _from_plain(value: Any, shape: Shape, what: str) -> Any:
    if value is None and shape.optional:
        return None
    if isinstance(value, list) and shape.items is not None:
        if not shape.items.classes and set(map(type, value)) <= _SCALARS:
            return tuple(value)
        return tuple(_from_plain(inner, shape.items, what) for inner in value)
    if isinstance(value, list) and len(value) == len(shape.places):
        pairs = zip(value, shape.places, strict=True)
        return tuple(_from_plain(inner, place, what) for inner, place in pairs)
    if len(shape.classes) == 1 and not (shape.scalars or shape.choices or shape.is_list):
        kind: Any = shape.classes[0]
        if isinstance(value, kind):
            return value
        if hasattr(kind, "from_dict"):
            return kind.from_dict(value)
        return from_plain(kind, value, what=what)
    return value


def _parse(text: str, shape: Shape) -> Any:
    """The value that a text means; the text itself where it means none."""
    if shape.optional and text.lower() == "none":
        return None
    for choice in shape.choices:
        if text == str(choice):
            return choice
    if shape.is_list and ("," in text or not shape.scalars):
        parts = [part.strip() for part in text.split(",")]
        inner = shape.places or (shape.items,) * len(parts)
        if len(inner) == len(parts):
            return tuple(_parse(p, s) for p, s in zip(parts, inner, strict=True) if s is not None)
    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if bool in shape.scalars and text.lower() in words:
        return words[text.lower()]
    for scalar in (int, float):
        if scalar in shape.scalars and text.isascii() and "_" not in text and len(text) <= 60:
            try:
                return scalar(text)
            except ValueError:
                continue
    return text


def _advice(unknown: Any, fields: dict[str, Field]) -> str:
    """What to do about a name that is no field."""
    if unknown in fields:
        return f'write "{fields[unknown].key}".'
    keys = [field.key for field in fields.values()]
    if near := difflib.get_close_matches(str(unknown)[:60], keys, n=1):
        return f"did you mean {near[0]}?"
    return "it is damaged, or made by a newer wspace (pip install -U wspace)."


def _no(shape: Shape) -> str:
    """Such as "no whole number", with what to give where that is not plain."""
    if shape.scalars == (bool,):
        return "neither true nor false"
    limits = "" if shape.range is None else f": give {shape.range}"
    return f"no {shape}{limits}"
