"""What was fetched, kept by content: ``fetched/`` of `files.cache_root`.

``content/SHA256/NAME`` holds a file or a folder under the digest of what it holds, and
``SHA256.json`` beside it says which files these are. ``addresses/KEY.json`` says what an address
meant when it was last asked. All of it may be deleted at any time that nothing reads it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wspace.data.remote.addresses import Address
from wspace.data.remote.places import Found
from wspace.errors import WspaceError, one_line
from wspace.files import atomic_write_text, cache_root

__all__ = ["KEPT_BYTES", "Content", "Kept", "digest_of"]

KEPT_BYTES = 200 << 30
UNUSED_DAYS = 30.0  # what was used since is never removed
LOCK_SECONDS = 0.2  # from one look at a lock that another process holds to the next


@dataclass(frozen=True)
class Content:
    """Data that is kept.

    Attributes:
        digest: sha256 (hex): of a file, or of the names and digests of a folder's files.
        path: the file or folder.
    """

    digest: str
    path: Path


class Kept:
    """What is kept of one address.

    Args:
        address: of the data.

    Raises:
        WspaceError: there is no place to keep anything.
    """

    def __init__(self, address: Address) -> None:
        root = cache_root()
        if root is None:
            raise WspaceError(
                f"{one_line(address.public)} has to be fetched, and there is no place to keep it: "
                "set WSPACE_CACHE to a folder."
            )
        self.root = root / "fetched"
        self._address = address
        key = hashlib.sha256(address.public.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        self._told = self.root / "addresses" / f"{key}.json"
        self.partial = self.root / "partial" / key
        self._query = hashlib.sha256(address.query.encode()).hexdigest()[:32]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else fetches from this address; the system frees it with its process."""
        self.partial.parent.mkdir(parents=True, exist_ok=True)
        with open(self.partial.with_suffix(".lock"), "w") as file:
            while not _try_lock(file.fileno()):
                time.sleep(LOCK_SECONDS)
            yield

    def newest(self, files: list[Found] | None) -> Content | None:
        """What was fetched from the address, if it is whole.

        Args:
            files: what lies there now; None where that is not known.

        Returns:
            None where nothing was, where it has changed, or where nobody can tell.
        """
        told = _read(self._told)
        content = told.get("content")
        if not isinstance(content, str) or (files is None and told.get("query") != self._query):
            return None
        if files is not None and (
            told.get("files") != _tags(files) or not all(file.tag for file in files)
        ):
            return None
        return self.content(content)

    def content(self, digest: str) -> Content | None:
        """What has this digest, if it is kept and whole; files that were touched are read again."""
        place = self.root / "content" / digest
        said = _read(place.with_suffix(".json"))
        files, name = said.get("files"), said.get("name")
        if not isinstance(files, dict) or not isinstance(name, str):
            return None
        path = place / name
        single = list(files) == [""]
        try:
            for inside, (sha256, *state) in files.items():
                file = path / inside if inside else path
                if _state(file) == state:
                    continue
                if _sha256(file) != sha256:
                    return None
        except (OSError, TypeError, ValueError):
            return None
        sums = {inside: str(row[0]) for inside, row in files.items()}
        if (sums[""] if single else digest_of(sums)) != digest:
            return None
        with contextlib.suppress(OSError):
            os.utime(place.with_suffix(".json"))
        return Content(digest, path)

    def reusable(self, file: Found) -> tuple[Path, str] | None:
        """A kept file of the address that is still what lies there, and its sha256.

        The file is in a content that is whole.
        """
        told = _read(self._told)
        rows, content = told.get("files"), told.get("content")
        if not file.tag or not isinstance(rows, dict) or not isinstance(content, str):
            return None
        if rows.get(file.name) != [file.size, file.tag]:
            return None
        said = _read(self.root / "content" / f"{content}.json")
        row = said.get("files", {}).get(file.name)
        path = self.root / "content" / content / str(said.get("name")) / file.name
        try:
            whole = row is not None and (_state(path) == row[1:] or _sha256(path) == row[0])
        except OSError:
            return None
        return (path, row[0]) if whole else None

    def keep(self, name: str, files: list[Found], sums: Mapping[str, str]) -> Content:
        """Keep what lies in `partial`.

        Args:
            name: of the file or folder.
            files: what it was made of.
            sums: sha256 (hex) of each, by name; the name is "" where the data is a file.
        """
        digest = sums[""] if list(sums) == [""] else digest_of(sums)
        place = self.root / "content" / digest
        if (found := self.content(digest)) is None:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            (self.partial / "data").replace(place / name)
            said = {
                inside: [sha256, *_state(place / name / inside if inside else place / name)]
                for inside, sha256 in sums.items()
            }
            atomic_write_text(place.with_suffix(".json"), json.dumps({"name": name, "files": said}))
            found = Content(digest, place / name)
        shutil.rmtree(self.partial, ignore_errors=True)
        self._point_to(digest, files)
        self._remove_oldest(digest)
        return found

    def _point_to(self, digest: str, files: list[Found]) -> None:
        told = {
            "address": self._address.public,
            "query": self._query,
            "content": digest,
            "files": _tags(files),
        }
        atomic_write_text(self._told, json.dumps(told))

    def _remove_oldest(self, newest: str) -> None:
        """Keep `KEPT_BYTES`, and beyond it what is the newest or was used not long ago."""
        found = []
        for description in (self.root / "content").glob("*.json"):
            sizes = [row[1] for row in _read(description).get("files", {}).values()]
            with contextlib.suppress(OSError):
                found.append((description.stat().st_mtime, sum(sizes), description))
        room = KEPT_BYTES
        for used, size, description in sorted(found, reverse=True):
            room -= size
            unused = time.time() - used > UNUSED_DAYS * 86400
            if room < 0 and unused and description.stem != newest:
                description.unlink(missing_ok=True)
                shutil.rmtree(description.with_suffix(""), ignore_errors=True)


def digest_of(sums: Mapping[str, str]) -> str:
    """sha256 (hex) of a folder: of the names and digests of its files, in order of the names."""
    lines = [f"{sha256}  {name}\n" for name, sha256 in sorted(sums.items())]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _tags(files: list[Found]) -> dict[str, list[Any]]:
    return {file.name: [file.size, file.tag] for file in files}


def _read(path: Path) -> dict[str, Any]:
    """A description that was kept; empty where it is missing or damaged."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _try_lock(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:  # two processes on Windows may fetch the same twice
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
