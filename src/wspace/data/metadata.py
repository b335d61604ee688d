"""What ``dataset.json`` says of a dataset: where it lies, and its texts, such as the licence."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wspace.data.names import normal_name
from wspace.errors import one_line

__all__ = ["Metadata", "keeps_alpha", "read_text"]

LONGEST_TEXT = 2000  # characters


@dataclass(frozen=True)
class Metadata:
    """The content of ``dataset.json``, and where the names in it begin.

    Attributes:
        where: the file, for messages.
        folder: the folder that it lies in, inside the data; "" at the top.
        content: what it holds; empty where there is no such file.
    """

    where: str
    folder: str
    content: Mapping[str, Any]

    def picture(self, name: str) -> str:
        """The name inside the data of the picture that the file calls ``name``."""
        given = normal_name(name)
        return posixpath.normpath(posixpath.join(self.folder, given)) if given else given


def read_text(metadata: Metadata, key: str) -> str | None:
    """A line of text that others wrote: printable, of bounded length; None where there is none."""
    value = metadata.content.get(key)
    if not isinstance(value, str):
        return None
    line = one_line(value[:LONGEST_TEXT], longest=LONGEST_TEXT, stand_in=" ")
    return line.strip() or None


def keeps_alpha(metadata: Metadata) -> bool:
    """Whether the pictures were built to be learned from with their transparency."""
    return read_text(metadata, "alpha") == "keep"
