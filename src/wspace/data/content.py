"""What the files of a folder hold, as one digest: a change anywhere in any of them changes it.

Reading everything takes long where there is much. What was read once is kept, for each file beside
its size, times, and number in the file system; a file that any of them tells apart is read again.
The time of the last change that counts is the system's own, which programs cannot set.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from wspace.data.patience import Say, now_and_then, silent
from wspace.data.source import Entry, PictureSource, UnreadableFileError
from wspace.errors import WspaceError, reason
from wspace.files import atomic_write_text, cache_root

__all__ = ["KEPT_FROM_BYTES", "content_digest"]

KEPT_FROM_BYTES = 64 << 20  # smaller folders are read each time, in less than a second
# Younger files may change again without a change of their times, which are not exact everywhere.
SETTLED_SECONDS = 10.0
THREADS = 4

Kept = dict[str, list[Any]]  # by a file's stored name: its state, then its digest


def content_digest(
    source: PictureSource, entries: Sequence[Entry] | None = None, say: Say = silent
) -> str:
    """sha256 (hex) over the content of pictures of a folder, in their order, or over their tars.

    Args:
        source: a folder, a tar, or a folder of tars.
        entries: its pictures; None for all of them.
        say: told how far it is, where reading takes long.

    Raises:
        UnreadableFileError: a picture is gone, or cannot be read.
    """
    began = time.time()
    entries = source.entries if entries is None else entries
    large = sum(entry.size for entry in entries) >= KEPT_FROM_BYTES
    place = _place(source.path) if large else None
    kept = {} if place is None else _read(place)

    files = source.files(entries)
    arrived = _counter(source, files, say)

    def read(file: tuple[str, str]) -> list[Any]:
        return _state_and_digest(source, *file, kept, arrived)

    with ThreadPoolExecutor(THREADS, thread_name_prefix="wspace-digest") as pool:
        found = list(pool.map(read, files.items()))
    if place is not None:
        _keep(place, kept, dict(zip(files, found, strict=True)), began)
    return hashlib.sha256("\n".join(row[-1] for row in found).encode()).hexdigest()


def _counter(source: PictureSource, files: Iterable[str], say: Say) -> Callable[[int], None]:
    """What is called with the bytes that have been read, and says how many there are."""
    total = 0
    for stored in files:
        with contextlib.suppress(OSError):  # it is named where it is read
            total += (source.path / stored).stat().st_size
    show = now_and_then(
        say,
        lambda done, total: (
            f"reading all of {source.path}, so that changes are noticed: "
            f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB ..."
        ),
    )
    lock, done = threading.Lock(), 0

    def arrived(num_bytes: int) -> None:
        nonlocal done
        with lock:
            done += num_bytes
        show(done, total)

    return arrived


class _CountedFile(io.FileIO):
    """A file that tells how much of it is read."""

    def __init__(self, path: Path, arrived: Callable[[int], None]) -> None:
        super().__init__(path)
        self._arrived = arrived

    def readinto(self, buffer: Any, /) -> int:
        count = super().readinto(buffer) or 0
        self._arrived(count)
        return count


def _state_and_digest(
    source: PictureSource, stored: str, name: str, kept: Kept, arrived: Callable[[int], None]
) -> list[Any]:
    """A row of `Kept`; the digest alone of a file that changes while it is read."""
    path = source.path / stored
    try:
        state = _state(path.stat())
        row = kept.get(stored)
        if row is not None and row[:-1] == state:
            arrived(row[0])
            return row
        with _CountedFile(path, arrived) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if _state(os.fstat(file.fileno())) != state:  # it changes while it is read
                state = []
    except OSError as error:
        why = error.strerror or reason(error)
        raise UnreadableFileError(source.path, name, why) from None
    return [*state, digest]


def _state(status: os.stat_result) -> list[int]:
    return [
        status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev
    ]  # fmt: skip


def _place(folder: Path) -> Path | None:
    root = cache_root()
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]
    return None if root is None else root / "digests" / f"{name}.json"


def _read(place: Path) -> Kept:
    """What was kept; nothing where it is damaged."""
    try:
        kept = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    rows = kept.items() if isinstance(kept, dict) else ()
    return {
        name: row
        for name, row in rows
        if isinstance(row, list) and len(row) == 6 and isinstance(row[-1], str)
    }


def _keep(place: Path, kept: Kept, found: Kept, began: float) -> None:
    newest = (began - SETTLED_SECONDS) * 1e9
    settled = {
        name: row for name, row in found.items() if len(row) == 6 and max(row[1:3]) <= newest
    }
    if settled != kept:
        with contextlib.suppress(WspaceError):  # nowhere to keep it: it is read again next time
            atomic_write_text(place, json.dumps(settled))
