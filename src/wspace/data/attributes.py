"""What ``dataset.json`` says of each picture: attributes, such as a colour or a shape."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wspace.errors import WspaceError, one_line

__all__ = ["MAX_ATTRIBUTES", "MAX_VALUES", "Attributes", "read_attributes"]

MAX_ATTRIBUTES = 512  # each costs memory for every picture, and time in every step
MAX_VALUES = 256  # of one attribute: what has more is a name or a measurement, and groups nothing


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """The attributes that tell pictures apart: those with 2 to `MAX_VALUES` values.

    Attributes:
        values: the values of each attribute, sorted, as JSON; "null" for pictures without it.
        codes: (N, len(values)), int64: each picture's value of each attribute, as a number. The
            values of all attributes are numbered in one row, so no two share a number.
        left_out: attributes with more values than that, and how many they have.
    """

    values: dict[str, tuple[str, ...]]
    codes: np.ndarray[Any, np.dtype[np.int64]]
    left_out: dict[str, int]

    @property
    def num_values(self) -> int:
        """How many values all attributes have together; every code is below it."""
        return sum(len(values) for values in self.values.values())

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) over values and codes."""
        digest = hashlib.sha256(json.dumps(self.values).encode())
        digest.update(self.codes.astype("<i8").tobytes())
        return digest.hexdigest()


def read_attributes(
    path: Path, metadata: Mapping[str, Any], names: Sequence[str]
) -> Attributes | None:
    """Attributes from ``{"attributes": {picture: {attribute: value}}}``.

    Args:
        path: where the data lies, for messages.
        metadata: the content of ``dataset.json``.
        names: the pictures.

    Returns:
        None where no attribute tells pictures apart.

    Raises:
        WspaceError: malformed or too many attributes, or pictures without any.
    """
    where = f"{path}: dataset.json"
    given = metadata.get("attributes")
    if given is None:
        return None
    if not isinstance(given, dict) or not all(isinstance(own, dict) for own in given.values()):
        raise WspaceError(
            f'{where}: attributes must be an object like {{"a.png": {{"colour": "red"}}}}: '
            "write it again."
        )
    by_name = {name.replace("\\", "/"): own for name, own in given.items()}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise WspaceError(
            f"{where}: {one_line(missing[0])} has no attributes ({len(missing)} of {len(names)} "
            "have none): describe all pictures, or train without --attributes."
        )
    attributes = {key for name in names for key in by_name[name]}
    if len(attributes) > MAX_ATTRIBUTES:
        raise WspaceError(
            f"{where} has {len(attributes)} different attributes, more than {MAX_ATTRIBUTES}: keep "
            "those that say what is seen, or train without --attributes."
        )
    values: dict[str, tuple[str, ...]] = {}
    left_out: dict[str, int] = {}
    columns: list[list[int]] = []
    before = 0
    for attribute in sorted(attributes):
        told = [json.dumps(by_name[name].get(attribute), sort_keys=True) for name in names]
        found = tuple(sorted(set(told)))
        if len(found) > MAX_VALUES:
            left_out[attribute] = len(found)
        elif len(found) > 1:
            code = {value: before + k for k, value in enumerate(found)}
            columns.append([code[value] for value in told])
            values[attribute] = found
            before += len(found)
    if not values:
        return None
    return Attributes(
        values=values, codes=np.array(columns, dtype=np.int64).T.copy(), left_out=left_out
    )
