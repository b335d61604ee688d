"""What ``dataset.json`` says of a dataset in words: licence, attribution, style."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wspace.errors import one_line

__all__ = ["read_text"]

LONGEST_TEXT = 2000  # characters


def read_text(metadata: Mapping[str, Any], key: str) -> str | None:
    """A line of text that others wrote: printable, of bounded length; None where there is none."""
    value = metadata.get(key)
    if not isinstance(value, str):
        return None
    line = one_line(value[:LONGEST_TEXT], longest=LONGEST_TEXT, stand_in=" ")
    return line.strip() or None
