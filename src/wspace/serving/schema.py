"""Dataclasses as JSON Schema: what their annotations allow, and what their docstrings say.

Source: JSON Schema 2020-12, which OpenAPI 3.1 takes as it is.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from wspace.annotations import Range, Shape, fields_of
from wspace.recipe.recipe import RECIPE_VERSION, Recipe

__all__ = ["schemas_of"]

_Schema = dict[str, Any]
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schemas_of(*kinds: type) -> dict[str, _Schema]:
    """The schema of each dataclass, and of those that they hold, by their names."""
    found: dict[str, _Schema] = {}
    left = list(kinds)
    while left:
        kind = left.pop(0)
        if kind.__name__ not in found:
            found[kind.__name__] = _object(kind)
            left += [inner for f in fields_of(kind).values() for inner in _classes(f.shape)]
    return found


def reference(kind: type) -> _Schema:
    """Points to the schema of a dataclass, from anywhere in an OpenAPI document."""
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _classes(shape: Shape) -> list[type]:
    inner = [*shape.places, *([] if shape.items is None else [shape.items])]
    return [*shape.classes, *(kind for one in inner for kind in _classes(one))]


def _object(kind: type) -> _Schema:
    about, meanings = _told(kind)
    properties, required = {}, []
    if kind is Recipe:
        properties["version"] = {
            "type": "integer",
            "minimum": 1,
            "maximum": RECIPE_VERSION,
            "description": f"of recipes; what is written today is up to {RECIPE_VERSION}.",
        }
        required.append("version")
    for name, field in fields_of(kind).items():
        schema = _schema(field.shape)
        if name in meanings:
            schema["description"] = meanings[name]
        properties[field.key] = schema
        if field.required:
            required.append(field.key)
    return {
        "type": "object",
        "description": about,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _schema(shape: Shape) -> _Schema:
    options: list[_Schema] = []
    if shape.choices:
        options.append({"enum": list(shape.choices)})
    for scalar in shape.scalars:
        options.append({"type": _TYPES[scalar]} | _limits(scalar, shape))
    options += [reference(kind) for kind in shape.classes]
    if shape.items is not None:
        options.append({"type": "array", "items": _schema(shape.items)} | _count(shape))
    if shape.places:
        places = {"prefixItems": [_schema(place) for place in shape.places], "items": False}
        options.append({"type": "array"} | places | {"minItems": len(shape.places)})
    if shape.optional:
        options.append({"type": "null"})
    return options[0] if len(options) == 1 else {"anyOf": options}


def _limits(scalar: type, shape: Shape) -> _Schema:
    if scalar is str and shape.length is not None:
        return {"minLength": shape.length.low, "maxLength": shape.length.high}
    if scalar in (int, float):
        limits = shape.range or Range()
        ends = {
            "minimum": limits.low, "maximum": limits.high, "exclusiveMinimum": limits.above
        }  # fmt: skip
        return {name: value for name, value in ends.items() if value is not None}
    return {}


def _count(shape: Shape) -> _Schema:
    if shape.length is None:
        return {}
    return {"minItems": shape.length.low, "maxItems": shape.length.high}


def _told(kind: type) -> tuple[str, dict[str, str]]:
    """What docstrings say of a class and, under "Attributes:", of each field, inherited or own."""
    about = ""
    meanings: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        about, _, attributes = inspect.cleandoc(one.__doc__ or "").partition("\n\nAttributes:\n")
        found = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", attributes, re.MULTILINE)
        meanings |= {name: _line(meaning) for name, meaning in found}
    return _line(about), meanings


def _line(text: str) -> str:
    return " ".join(text.split())
