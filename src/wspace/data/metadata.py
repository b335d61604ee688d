"""What ``dataset.json`` says of a dataset: class labels, licence, attribution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wspace.data.source import shown
from wspace.errors import WspaceError

__all__ = ["MAX_CLASSES", "read_labels", "read_text"]

MAX_CLASSES = 65_536


def read_text(metadata: Mapping[str, Any], key: str) -> str | None:
    """A line of text that others wrote: printable, of bounded length; None where there is none."""
    value = metadata.get(key)
    if not isinstance(value, str):
        return None
    return "".join(sign if sign.isprintable() else " " for sign in value[:2000]).strip() or None


def read_labels(
    path: Path, metadata: Mapping[str, Any], names: Sequence[str]
) -> np.ndarray[Any, np.dtype[np.int64]] | None:
    """Class labels from the official ``{"labels": null or [[name, class], ...]}``.

    Args:
        path: where the data lies, for messages.
        metadata: the content of ``dataset.json``.
        names: the pictures.

    Returns:
        (N,), int64, in the order of the names; None without labels.

    Raises:
        WspaceError: malformed labels, classes that are no whole numbers from 0 to 65535, or
            pictures without one.
    """
    where = f"{path}: dataset.json"
    pairs = metadata.get("labels")
    if pairs is None:
        return None
    if not isinstance(pairs, list):
        raise WspaceError(
            f"{where}: labels must be null or a list [[name, class], ...], not a "
            f"{type(pairs).__name__}: write it again."
        )
    classes: dict[str, int] = {}
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise WspaceError(
                f"{where}: the label {shown(str(pair))} is not [name, class]: write it again."
            )
        name, label = pair
        if type(label) is not int or not 0 <= label < MAX_CLASSES:
            raise WspaceError(
                f"{where}: the label of {shown(name)} is {shown(str(label))}: classes are whole "
                f"numbers from 0 to {MAX_CLASSES - 1}."
            )
        classes[name.replace("\\", "/")] = label
    missing = [name for name in names if name not in classes]
    if missing:
        raise WspaceError(
            f"{where}: {shown(missing[0])} has no label ({len(missing)} of {len(names)} have "
            'none): label all pictures, or write "labels": null.'
        )
    return np.array([classes[name] for name in names], dtype=np.int64)
