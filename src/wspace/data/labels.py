"""The class of each picture: by number in ``dataset.json``, or by the folder that it lies in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from wspace.errors import WspaceError, one_line

__all__ = ["MAX_CLASSES", "folder_labels", "read_class_names", "read_labels"]

MAX_CLASSES = 65_536
LONGEST_NAME = 80  # characters, of a class


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
                f"{where}: the label {one_line(str(pair))} is not [name, class]: write it again."
            )
        name, label = pair
        if type(label) is not int or not 0 <= label < MAX_CLASSES:
            raise WspaceError(
                f"{where}: the label of {one_line(name)} is {one_line(str(label))}: classes are "
                f"whole numbers from 0 to {MAX_CLASSES - 1}."
            )
        classes[name.replace("\\", "/")] = label
    missing = [name for name in names if name not in classes]
    if missing:
        raise WspaceError(
            f"{where}: {one_line(missing[0])} has no label ({len(missing)} of {len(names)} have "
            'none): label all pictures, or write "labels": null.'
        )
    return np.array([classes[name] for name in names], dtype=np.int64)


def read_class_names(metadata: Mapping[str, Any], numbers: Sequence[int]) -> tuple[str, ...] | None:
    """The names of classes, from the list ``{"classes": [name, ...]}``.

    Args:
        metadata: the content of ``dataset.json``.
        numbers: classes, by the numbers that its labels give them.

    Returns:
        A name for each of the numbers, no two the same: printable, of at most 80 characters; a
        class without a name is called by its number, and of a name that several share each is
        followed by its number. None where no class has a name.
    """
    given = metadata.get("classes")
    if not isinstance(given, list):
        return None
    texts = [given[number] if number < len(given) else None for number in numbers]
    names = [_class_name(text) if isinstance(text, str) else "" for text in texts]
    if not any(names):
        return None
    shared = {name for name, count in Counter(names).items() if count > 1}
    told = []
    for name, number in zip(names, numbers, strict=True):
        own = f"{name} ({number})" if name in shared else name
        told.append(own if name else str(number))
    if len(set(told)) < len(told):  # such as "a (0)" beside twice "a"
        return tuple(map(str, numbers))
    return tuple(told)


def folder_labels(names: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Class labels from the topmost folder of each picture, numbered in alphabetical order.

    Args:
        names: the pictures.

    Returns:
        The class of each picture by its name, and the folders' names, one a class.

    Raises:
        WspaceError: a picture lies in no folder.
    """
    folders = {}
    for name in names:
        parts = PurePosixPath(name).parts
        if len(parts) < 2:
            raise WspaceError(
                f"{one_line(name)} lies in no sub-folder, so it has no class: put every picture "
                "into the folder of its class, or leave --labels-from-folders out."
            )
        folders[name] = parts[0]
    classes = sorted(set(folders.values()))
    numbers = {folder: number for number, folder in enumerate(classes)}
    return {name: numbers[folder] for name, folder in folders.items()}, classes


def _class_name(text: str) -> str:
    return one_line(" ".join(text[: 2 * LONGEST_NAME].split()), longest=LONGEST_NAME - 3)
