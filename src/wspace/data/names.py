"""Names of files inside the data: one spelling for each, and an order as people count."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["leads_out", "natural_order", "normal_name"]

_DRIVE = re.compile(r"[A-Za-z]:")
_DIGITS = re.compile(r"([0-9]+)")


def normal_name(name: str) -> str:
    """The one spelling of a name: slashes forward, accents composed (NFC), no ``./``.

    >>> normal_name(".\\\\shoes\\\\e\\u0301te\\u0301.png") == "shoes/\\u00e9t\\u00e9.png"
    True
    """
    parts = unicodedata.normalize("NFC", name).replace("\\", "/").split("/")
    return "/".join(part for part in parts if part not in ("", "."))


def leads_out(name: str) -> bool:
    """Whether a name, were it ever used as a path, would lead out of the folder that it is in.

    So do ``..``, absolute paths and drive letters; a colon elsewhere is a character like others.
    """
    parts = name.replace("\\", "/").split("/")
    return not name or "\0" in name or ".." in parts or not parts[0] or bool(_DRIVE.match(name))


def natural_order(name: str) -> tuple[list[tuple[int, str]], str]:
    """A key that sorts names as people count: ``2`` before ``10``, ``room9`` before ``room10``.

    >>> sorted(["10", "2", "room10", "room9", "1"], key=natural_order)
    ['1', '2', '10', 'room9', 'room10']
    """
    parts = []
    for position, part in enumerate(_DIGITS.split(name)):  # text, digits, text, ...
        digits = part.lstrip("0")
        parts.append((len(digits), digits) if position % 2 else (0, part))
    return parts, name
