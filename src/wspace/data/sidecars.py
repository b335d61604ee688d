"""What small files beside pictures say of them, as WebDataset lays data out.

``KEY.png`` has its class in ``KEY.cls`` (a number as text) or in ``KEY.json``:
``{"label": 3, "class": "boot", "attributes": {"colour": "red"}}``, each of them as one likes.

Source: https://github.com/webdataset/webdataset, README, "The WebDataset Format".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wspace.data.labels import MAX_CLASSES
from wspace.data.metadata import METADATA_NAME, read_object
from wspace.data.names import natural_order
from wspace.errors import WspaceError, one_line, shown

__all__ = ["MAX_SIDECAR_BYTES", "is_sidecar", "key_of", "read_sidecars"]

MAX_SIDECAR_BYTES = 64 << 10
_SIDECARS = ("cls", "json")
_LONGEST_NUMBER = 20  # digits


def key_of(name: str) -> tuple[str, str]:
    """The key that the files of one sample share, and the rest of a name.

    >>> key_of("train/0001.seg.png")
    ('train/0001', 'seg.png')
    """
    folder, slash, last = name.rpartition("/")
    key, _, rest = last.partition(".")
    return f"{folder}{slash}{key}", rest.lower()


def is_sidecar(name: str) -> bool:
    """Whether a file says something of a picture beside it, and is none itself."""
    return key_of(name)[1] in _SIDECARS and name.rpartition("/")[2] != METADATA_NAME


def read_sidecars(
    pictures: Sequence[tuple[str, str]],
    sidecars: Mapping[str, int],
    read: Callable[[str], bytes],
    where: str,
) -> tuple[dict[str, Any], int]:
    """What files beside pictures say, as ``dataset.json`` would say it.

    A label that is no number of a class is handed on as it is: whoever asks for classes says so.

    Args:
        pictures: (name, name as stored) of each.
        sidecars: how many bytes each of the files beside them has, by stored name.
        read: gives a file's content.
        where: the data, for messages.

    Returns:
        ``labels``, ``classes``, ``attributes`` and ``seeds``, those that there are; and how many
        files were too large to be read.

    Raises:
        WspaceError: a .json that holds no object, one class with two names, or numbers for some
            pictures and names alone for others.
    """
    labels: list[tuple[str, Any, str | None]] = []  # of a picture: number or other label, name
    each: dict[str, dict[str, Any]] = {"attributes": {}, "seeds": {}}
    too_large = 0
    for name, stored in pictures:
        key = key_of(stored)[0]
        for place in (f"{key}.cls", f"{key}.json"):
            size = sidecars.get(place)
            if size is None:
                continue
            if size > MAX_SIDECAR_BYTES:
                too_large += 1
            elif place.endswith(".cls"):
                labels.append((name, _number(read(place)), None))
            else:
                said = read_object(read(place), f"{where}: {one_line(place)}", '{"label": 0}')
                label, called = _class(said)
                if label is not None or called is not None:
                    labels.append((name, label, called))
                if isinstance(said.get("attributes"), dict):
                    each["attributes"][name] = said["attributes"]
                if type(said.get("seed")) is int:
                    each["seeds"][name] = said["seed"]
    content = {key: value for key, value in each.items() if value}
    return content | _labels(labels, where), too_large


def _number(content: bytes) -> int | str:
    """What a .cls file holds: a number, or text that is none."""
    text = content.decode("utf-8", "replace").strip()
    plain = text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    return int(text) if plain else text


def _class(said: Mapping[str, Any]) -> tuple[Any, str | None]:
    """The label and the class's name in a .json file; a "class" that is a number is the label."""
    label, called = said.get("label"), said.get("class")
    if isinstance(called, str):
        return label, called
    if isinstance(label, str) and called is None:
        return None, label
    return (called if label is None else label), None


def _labels(labels: Sequence[tuple[str, Any, str | None]], where: str) -> dict[str, Any]:
    numbers = {name: label for name, label, _ in labels if label is not None}
    if not numbers:
        titles = sorted({called for *_, called in labels if called is not None}, key=natural_order)
        numbering = {title: number for number, title in enumerate(titles)}
        pairs = [[name, numbering[called]] for name, _, called in labels if called is not None]
        return {"labels": pairs, "classes": titles} if pairs else {}
    names: dict[int, str] = {}
    for name, _, called in labels:
        if called is None:
            continue
        number = numbers.get(name)
        if number is None:
            raise WspaceError(
                f"{where}: {one_line(name)} has the class {shown(called)} without a number, and "
                "other pictures have numbers: write numbers for all of them."
            )
        if type(number) is not int or not 0 <= number < MAX_CLASSES:
            continue  # no class at all: whoever asks for classes says so
        if names.setdefault(number, called) != called:
            raise WspaceError(
                f"{where}: class {number} is called {shown(called)} at {one_line(name)}, and "
                f"{shown(names[number])} elsewhere: write one name for it."
            )
    content: dict[str, Any] = {
        "labels": [[name, label] for name, label, _ in labels if label is not None]
    }
    if names:
        content["classes"] = [names.get(number) for number in range(max(names) + 1)]
    return content
