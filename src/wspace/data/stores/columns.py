"""Which columns of a table hold pictures and classes, and what the classes are called.

Source: https://huggingface.co/docs/datasets/about_dataset_features, "Image" and "ClassLabel".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wspace.data.labels import MAX_CLASSES
from wspace.errors import WspaceError, one_line, reason

__all__ = ["Columns", "choose_columns"]

_IMAGE_NAMES = ("image", "img", "picture", "png", "jpg", "jpeg")
_LABEL_NAMES = ("label", "labels")


@dataclass(frozen=True)
class Columns:
    """The columns of a table that matter.

    Attributes:
        image: of pictures: binary, or structs with the field ``bytes``.
        label: of classes, or None.
        unused_labels: those that hold classes where none of them was chosen.
        classes: what the classes are called, or None.
    """

    image: str
    label: str | None
    unused_labels: tuple[str, ...]
    classes: tuple[str, ...] | None


def choose_columns(schema: Any, place: Path, told: Mapping[str, Any] | None = None) -> Columns:
    """The columns of a table of these names and types.

    Args:
        schema: of pyarrow; its metadata may hold what the library ``datasets`` writes.
        place: the file, for messages.
        told: what is said of the columns elsewhere, where the schema says nothing.

    Raises:
        WspaceError: no column is surely that of pictures.
    """
    try:
        for field in schema:
            _ = field.name, [inside.name for inside in _fields(field.type)]
    except ValueError as error:
        raise WspaceError(
            f"{place} has a column whose name is no text ({reason(error)}): copy it again."
        ) from None
    features = _features(schema.metadata or {}) or _objects(told)
    label, unused = _label_column(schema, features)
    return Columns(
        image=_image_column(schema, features, place),
        label=label,
        unused_labels=tuple(unused),
        classes=_class_names(features.get(label or "")),
    )


def _features(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """What the library ``datasets`` wrote of the columns, by name; empty where it wrote nothing."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return {}
    return _objects(features)


def _objects(features: Any) -> dict[str, Any]:
    if not isinstance(features, dict):
        return {}
    return {name: said for name, said in features.items() if isinstance(said, dict)}


def _image_column(schema: Any, features: Mapping[str, Any], place: Path) -> str:
    found = [field.name for field in schema if _may_hold_pictures(field.type)]
    told = [name for name in found if features.get(name, {}).get("_type") == "Image"]
    for names in (told, found):
        named = [name for name in _IMAGE_NAMES if name in names]
        if named or len(names) == 1:
            return named[0] if named else names[0]
    columns = ", ".join(one_line(name) for name in schema.names[:20]) or "none"
    raise WspaceError(
        f"{place}: no column of it is surely that of pictures (columns: {columns}): name one of "
        "binary, or of structs with bytes, image."
    )


def _may_hold_pictures(kind: Any) -> bool:
    binary = ("binary", "large_binary")
    if str(kind) in binary:
        return True
    return any(f.name == "bytes" and str(f.type) in binary for f in _fields(kind))


def _fields(kind: Any) -> list[Any]:
    """The fields of a struct; none of another type."""
    return [kind.field(k) for k in range(kind.num_fields)] if _is_struct(kind) else []


def _is_struct(kind: Any) -> bool:
    return str(kind).startswith("struct<")


def _label_column(schema: Any, features: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """The column of classes, or None and those of which none was chosen."""
    whole = [f.name for f in schema if re.fullmatch(r"u?int(8|16|32|64)", str(f.type))]
    told = [name for name in whole if features.get(name, {}).get("_type") == "ClassLabel"]
    named = [name for name in _LABEL_NAMES if name in whole]
    if named or len(told) == 1:
        return (named or told)[0], []
    return None, told


def _class_names(said: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    names = (said or {}).get("names")
    if not isinstance(names, list) or len(names) > MAX_CLASSES:
        return None
    return tuple(name if isinstance(name, str) else "" for name in names)
