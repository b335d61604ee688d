"""What ``dataset.json`` says of a dataset: where it lies, and its texts, such as the licence."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wspace.data.names import normal_name
from wspace.errors import WspaceError, one_line

__all__ = ["METADATA_DEPTH", "METADATA_NAME", "Metadata", "keeps_alpha", "read_object", "read_text"]

METADATA_NAME = "dataset.json"
METADATA_DEPTH = 100  # of lists and objects in one another: more is an attack
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


def read_object(
    content: bytes, where: str, like: str = '{"labels": [["a.png", 0], ...]}'
) -> dict[str, Any]:
    """The object in a JSON file of a stranger.

    Args:
        content: of the file.
        where: the file, for messages.
        like: what it should hold, for messages.

    Raises:
        WspaceError: it is no JSON, no object, or nested more than `METADATA_DEPTH` levels deep.
    """
    try:
        value = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise WspaceError(f"{where} is not JSON ({error}): write it again.") from None
    if not isinstance(value, dict):
        raise WspaceError(
            f"{where} holds a {type(value).__name__}: it must be an object like {like}."
        )
    if _is_deeper(value, METADATA_DEPTH):
        raise WspaceError(
            f"{where} is nested more than {METADATA_DEPTH} levels deep: write it again."
        )
    return value


def _is_deeper(value: Any, depth: int) -> bool:
    """Whether lists and objects lie in one another more than ``depth`` deep."""
    level = [value]
    while level and depth > 0:
        inside = (part.values() if isinstance(part, dict) else part for part in level)
        level = [one for part in inside for one in part if type(one) in (dict, list)]
        depth -= 1
    return bool(level)
