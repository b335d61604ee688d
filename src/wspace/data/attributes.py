"""What ``dataset.json`` says of each picture: attributes, such as a colour or a shape."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wspace.data.metadata import Metadata
from wspace.errors import WspaceError, one_line

__all__ = [
    "MAX_ATTRIBUTES", "MAX_VALUES", "Attributes", "attributes_by_picture", "read_attributes",
]  # fmt: skip

MAX_ATTRIBUTES = 512  # each costs memory for every picture, and time in every step
WITHOUT = "or train without them (--set attributes=false)"
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


def attributes_by_picture(metadata: Metadata) -> dict[str, dict[str, Any]] | None:
    """What ``{"attributes": {picture: {attribute: value}}}`` says, by names inside the data.

    Returns:
        None without attributes.

    Raises:
        WspaceError: malformed attributes, or two sets for one picture that differ.
    """
    given = metadata.content.get("attributes")
    if given is None:
        return None
    if not isinstance(given, dict) or not all(isinstance(own, dict) for own in given.values()):
        raise WspaceError(
            f"{metadata.where}: attributes must be an object like "
            f'{{"a.png": {{"colour": "red"}}}}: write it again, {WITHOUT}.'
        )
    found: dict[str, dict[str, Any]] = {}
    for name, own in given.items():
        picture = metadata.picture(name)
        if picture in found and found[picture] != own:
            raise WspaceError(
                f"{metadata.where}: {one_line(picture)} has two sets of attributes: keep the right "
                f"one, {WITHOUT}."
            )
        found[picture] = own
    return found


def read_attributes(metadata: Metadata, names: Sequence[str]) -> Attributes | None:
    """The attributes that tell pictures apart.

    Args:
        metadata: of the data.
        names: the pictures.

    Returns:
        None where no attribute tells pictures apart.

    Raises:
        WspaceError: as `attributes_by_picture`; too many attributes, or pictures without any.
    """
    by_name = attributes_by_picture(metadata)
    if by_name is None:
        return None
    missing = [name for name in names if name not in by_name]
    if missing:
        raise WspaceError(
            f"{metadata.where}: {one_line(missing[0])} has no attributes ({len(missing)} of "
            f"{len(names)} have none): describe all pictures, {WITHOUT}."
        )
    attributes = {key for name in names for key in by_name[name]}
    if len(attributes) > MAX_ATTRIBUTES:
        raise WspaceError(
            f"{metadata.where} has {len(attributes)} different attributes, more than "
            f"{MAX_ATTRIBUTES}: keep those that say what is seen, {WITHOUT}."
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
