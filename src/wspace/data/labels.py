"""The class of each picture: by number in ``dataset.json``, or by the folder that it lies in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from wspace.data.metadata import Metadata
from wspace.data.names import natural_order
from wspace.errors import WspaceError, one_line, shown

__all__ = [
    "MAX_CLASSES",
    "Classes",
    "folder_classes",
    "named_folders",
    "read_class_names",
    "read_classes",
    "read_labels",
]

MAX_CLASSES = 65_536
LONGEST_NAME = 80  # characters, of a class
LISTED = 100  # classes, in a table

WITHOUT = "or train without them (--no-labels)"

# Folders that programs number as they fill them: of the official tools, and of cameras.
_NUMBERED = re.compile(r"[0-9]{5}|[0-9]{3}[A-Z0-9_]{5}")

Labels = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Which picture has which class; unless told otherwise, every class has pictures.

    Attributes:
        labels: (N,), int64, a class each, in [0, len(numbers)).
        numbers: what the data itself calls each class, ascending.
        names: a name for each class, no two the same; None where the data has neither names nor
            gaps between its numbers. With gaps, a class without a name is called by its number.
    """

    labels: Labels
    numbers: tuple[int, ...]
    names: tuple[str, ...] | None

    @property
    def counts(self) -> tuple[int, ...]:
        """How many pictures each class has."""
        return tuple(np.bincount(self.labels, minlength=len(self.numbers)).tolist())

    def of(self, pictures: Sequence[int]) -> Classes:
        """The classes of some of the pictures, numbered without gaps.

        Args:
            pictures: (N,), integers in [0, len(labels)).
        """
        found, dense = np.unique(
            self.labels[np.asarray(pictures, dtype=np.int64)], return_inverse=True
        )
        told = [self.names[k] if self.names else str(self.numbers[k]) for k in found]
        gaps = len(found) <= found.max()
        return Classes(
            labels=dense.reshape(-1).astype(np.int64),
            numbers=tuple(self.numbers[k] for k in found),
            names=tuple(told) if self.names or gaps else None,
        )

    def as_known(self, num_classes: int, names: Sequence[str] | None) -> Labels:
        """The labels as a model numbers its classes: by name, capital letters or not, where both
        sides have names.

        Args:
            num_classes: of the model.
            names: of its classes; None where it has none, and goes by the data's own numbers.

        Returns:
            (N,), int64, in [0, num_classes).

        Raises:
            WspaceError: a class that the model does not know.
        """
        if names is None or self.names is None:
            own = list(map(str, self.numbers))
            known = {str(number): number for number in range(num_classes)}
        else:
            known = {name: number for number, name in enumerate(names)}
            alike = {name.casefold(): name for name in names}
            own = [
                name if name in known else alike.get(name.casefold(), name) for name in self.names
            ]
        strange = [name for name in own if name not in known]
        if strange:
            raise WspaceError(
                f"the data has pictures of class {one_line(strange[0])}, which is none of the "
                f"model's {num_classes} ({len(strange)} of {len(own)} are none): give data of its "
                "classes."
            )
        return np.array([known[name] for name in own], dtype=np.int64)[self.labels]

    def table(self) -> list[str]:
        """Lines for people: the number, name (where there are names) and pictures of each class."""
        columns = [["class", *map(str, range(len(self.numbers)))]]
        if self.names is not None:
            columns.append(["name", *self.names])
        columns.append(["pictures", *(f"{count:,}" for count in self.counts)])
        shown_columns = [column[: LISTED + 1] for column in columns]
        widths = [max(map(len, column)) for column in shown_columns]
        lines = []
        for row in zip(*shown_columns, strict=True):
            cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
            if self.names is not None:
                cells[1] = row[1].ljust(widths[1])
            lines.append("  ".join(cells))
        if len(self.numbers) > LISTED:
            lines.append(f"... and {len(self.numbers) - LISTED:,} more")
        return lines


def read_labels(metadata: Metadata) -> dict[str, Any] | None:
    """What the official ``{"labels": null or [[name, label], ...]}`` says of each picture.

    Args:
        metadata: of the data.

    Returns:
        The label, whatever it is, by the picture's name inside the data; None without labels.

    Raises:
        WspaceError: no such list, or two labels for one picture that differ.
    """
    pairs = metadata.content.get("labels")
    if pairs is None:
        return None
    if not isinstance(pairs, list):
        raise WspaceError(
            f"{metadata.where}: labels must be null or a list [[name, class], ...], not a "
            f"{type(pairs).__name__}: write it again, {WITHOUT}."
        )
    labels: dict[str, Any] = {}
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)):
            raise WspaceError(
                f"{metadata.where}: the label {one_line(str(pair))} is not [name, class]: write it "
                f"again, {WITHOUT}."
            )
        name, label = metadata.picture(pair[0]), pair[1]
        if name in labels and labels[name] != label:
            raise WspaceError(
                f"{metadata.where}: {one_line(name)} has two labels, {shown(labels[name])} and "
                f"{shown(label)}: keep the right one, {WITHOUT}."
            )
        labels[name] = label
    return labels


def read_classes(
    metadata: Metadata, names: Sequence[str], *, keep_numbers: bool = False
) -> Classes | None:
    """The class of each picture, from the labels of ``dataset.json``.

    Classes are numbered in the order of their own numbers, without gaps, so that none is without
    pictures.

    Args:
        metadata: of the data.
        names: the pictures.
        keep_numbers: leave the numbers as they are, gaps and all.

    Returns:
        None without labels.

    Raises:
        WspaceError: as `read_labels`; classes that are no whole numbers from 0 to 65535, or
            pictures without one.
    """
    labels = read_labels(metadata)
    if labels is None:
        return None
    missing = [name for name in names if name not in labels]
    if missing:
        raise WspaceError(
            f"{metadata.where}: {one_line(missing[0])} has no label ({len(missing)} of "
            f'{len(names)} have none): label all pictures, or write "labels": null, {WITHOUT}.'
        )
    for name in names:
        label = labels[name]
        if type(label) is not int or not 0 <= label < MAX_CLASSES:
            raise WspaceError(
                f"{metadata.where}: the label of {one_line(name)} is {one_line(str(label))}: "
                f"classes are whole numbers from 0 to {MAX_CLASSES - 1}; write such, {WITHOUT}."
            )
    own = np.array([labels[name] for name in names], dtype=np.int64)
    numbers = range(int(own.max()) + 1)
    classes = Classes(labels=own, numbers=tuple(numbers), names=read_class_names(metadata, numbers))
    return classes if keep_numbers else classes.of(range(len(names)))


def folder_classes(path: Path, names: Sequence[str]) -> Classes:
    """The class of each picture, from the folder that it lies in.

    That is the topmost one; a lone folder that holds all the others is looked through. Folders are
    numbered as people count: 2 before 10.

    Args:
        path: where the data lies, for messages.
        names: the pictures.

    Raises:
        WspaceError: a picture lies in no folder, or too many folders.
    """
    folders = [PurePosixPath(name).parts[:-1] for name in names]
    level = 0
    while (
        all(len(folder) > level for folder in folders)
        and len({folder[level] for folder in folders}) == 1
        and any(len(folder) > level + 1 for folder in folders)
    ):
        level += 1
    for name, folder in zip(names, folders, strict=True):
        if len(folder) <= level:
            raise WspaceError(
                f"{path}: {one_line(name)} lies in no sub-folder, so it has no class: put every "
                "picture into the folder of its class, or leave --labels-from-folders out."
            )
    titles = sorted({folder[level] for folder in folders}, key=natural_order)
    if len(titles) > MAX_CLASSES:
        raise WspaceError(f"{path}: {len(titles):,} folders are more than {MAX_CLASSES:,} classes.")
    numbers = {title: number for number, title in enumerate(titles)}
    labels = np.array([numbers[folder[level]] for folder in folders], dtype=np.int64)
    return Classes(
        labels=labels,
        numbers=tuple(range(len(titles))),
        names=_distinct(titles, range(len(titles))),
    )


def named_folders(path: Path, names: Sequence[str], metadata: Metadata) -> Classes | None:
    """The classes that folders make without being asked, as `wspace train` takes them.

    Args:
        path: where the data lies, for messages.
        names: the pictures.
        metadata: of the data.

    Returns:
        As `folder_classes`; None where folders do not say what pictures show: ``dataset.json``
        speaks, pictures lie beside the folders, programs numbered them, or most hold a single one.
    """
    if metadata.content:
        return None
    try:
        classes = folder_classes(path, names)
    except WspaceError:
        return None
    folders = classes.names or ()
    numbered = all(_NUMBERED.fullmatch(name) for name in folders)
    if len(folders) < 2 or 2 * len(folders) > len(names) or numbered:
        return None
    return classes


def read_class_names(metadata: Metadata, numbers: Sequence[int]) -> tuple[str, ...] | None:
    """The names of classes, from the list ``{"classes": [name, ...]}``.

    Args:
        metadata: of the data.
        numbers: classes, by the numbers that the labels give them.

    Returns:
        A name for each of the numbers, no two the same: printable, of at most 80 characters; a
        class without a name is called by its number, and of a name that several share each is
        followed by its number. None where no class has a name.
    """
    given = metadata.content.get("classes")
    if not isinstance(given, list):
        return None
    texts = [given[number] if number < len(given) else None for number in numbers]
    return _distinct([text if isinstance(text, str) else "" for text in texts], numbers)


def _distinct(texts: Sequence[str], numbers: Sequence[int]) -> tuple[str, ...] | None:
    names = [
        one_line(" ".join(text[: 2 * LONGEST_NAME].split()), longest=LONGEST_NAME - 3)
        for text in texts
    ]
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
