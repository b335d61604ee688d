"""What every place of pictures answers: which files it holds, and the bytes of each."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from wspace.data.kinds import PICTURE_SUFFIXES, is_skipped_folder
from wspace.errors import reason

__all__ = ["Listed", "Store", "holds_only", "is_named", "stamp_of", "system_words"]


class Listed(NamedTuple):
    """A file, pictures or not; ``told`` is what its stored name means."""

    stored: str
    size: int
    crc: int | None
    told: str


class Store(ABC):
    """Named bytes at one place, read where they lie. Reading is safe from several threads.

    Attributes:
        path: the place.
        left_out: kinds of what `files` leaves out, and how many there are of each.
        remarks: lines for people.
        sidecars: files that speak of pictures beside them, and their bytes; once `files` was asked.
    """

    has_checksums = False  # whether what is listed knows the CRC-32 of its bytes
    is_tabular = False  # whether columns speak of pictures, see `columns`

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left_out: Counter[str] = Counter()
        self.remarks: list[str] = []
        self.sidecars: dict[str, int] = {}

    @abstractmethod
    def files(self) -> list[Listed]:
        """All files that may be pictures or speak of all of them.

        Raises:
            WspaceError: the place is damaged, or not to be trusted.
        """

    @abstractmethod
    def open(self, stored: str) -> tuple[int, IO[bytes]]:
        """How many bytes a file has, and the file, opened where they begin.

        Raises:
            KeyError: there is no such file.
            OSError: it is gone, damaged, or not what was listed; also what else zipfile raises.
        """

    def file_of(self, stored: str) -> str:
        """Where in `path` the file on the disk lies that holds ``stored``; "": `path` is that."""
        return stored

    def columns(self, names: Mapping[str, str]) -> dict[str, Any]:
        """What columns say of pictures, as ``dataset.json`` would; empty where there are none.

        Args:
            names: what pictures are called, by stored names.

        Raises:
            OSError: they are damaged.
        """
        return {}

    def check_whole(self, told: Mapping[str, Any]) -> None:  # noqa: B027 - most know of nothing
        """Raise a WspaceError where something is not there that ``dataset.json`` tells of."""

    def close(self) -> None:  # noqa: B027 - most hold nothing open
        """Release what is open; a later read opens it again."""


def holds_only(path: Path, container: str) -> bool:
    """Whether a folder holds files of this suffix, and neither pictures nor folders beside them."""
    found = False
    try:
        with os.scandir(path) as inside:
            for file in inside:
                suffix = os.path.splitext(file.name)[1].lower()
                if suffix in PICTURE_SUFFIXES and not file.name.startswith("."):
                    return False
                if file.is_dir() and not is_skipped_folder(file.name):
                    return False
                found = found or (is_named(file.name, container) and file.is_file())
    except OSError:  # said when it is listed
        return False
    return found


def is_named(name: str, suffix: str) -> bool:
    """Whether a file is one of this kind by its name, and not hidden."""
    return name.lower().endswith(suffix) and not name.startswith(".")


def stamp_of(status: os.stat_result) -> tuple[int, int, int]:
    """What tells that a file is the one that was listed."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def system_words(error: Exception) -> str:
    """In a few words; of an error of the system not its number and path."""
    return getattr(error, "strerror", None) or reason(error)
