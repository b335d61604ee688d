"""A folder, a zip, tars or tables of pictures as one list of named bytes, read safely.

Nothing is ever unpacked to disk, every read is bounded before memory is taken, and archives inside
archives stay closed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wspace.data.kinds import (
    ARCHIVE_SUFFIXES,
    OWN_PICTURES,
    PICTURE_SUFFIXES,
    describe_left_out,
    file_kind,
    is_skipped_folder,
    picture_kind,
    what_reads,
)
from wspace.data.metadata import METADATA_NAME, Metadata, read_object
from wspace.data.names import leads_out, normal_name
from wspace.data.pictures import PictureHeader, UnreadablePictureError, read_header
from wspace.data.remote.fetch import fetched
from wspace.data.sidecars import MAX_SIDECAR_BYTES, key_of, read_sidecars
from wspace.data.stores.opening import StoreKind, kind_of_store, open_store
from wspace.data.stores.store import Listed, Store, system_words
from wspace.data.stores.zips import READ_ERRORS
from wspace.errors import WspaceError, one_line
from wspace.recipe.png import is_own_picture

__all__ = [
    "HEAD_BYTES",
    "MAX_FILE_BYTES",
    "Entry",
    "PictureSource",
    "UnreadableFileError",
    "source_in_worker",
]

HEAD_BYTES = 16 * 1024
MAX_FILE_BYTES = 512 << 20  # of one picture file

_METADATA_BYTES_BASE = 1 << 20  # dataset.json may hold this much, and for each picture
_METADATA_BYTES_PER_PICTURE = 8 << 10  # this much (an avatar's options take 0.4 to 5 kB)
_METADATA_BYTES_LIMIT = 512 << 20
_LOOKED_AT = frozenset({".png", ".heic", ".heif", ".hif", ".avif"})  # before they are taken


@dataclass(frozen=True)
class Entry:
    """One file of a source.

    Attributes:
        name: inside the source, as `normal_name` spells it.
        size: bytes.
        crc: CRC-32, in zips.
        stored: the name as the folder or zip has it.
    """

    name: str
    size: int
    crc: int | None
    stored: str


class UnreadableFileError(WspaceError):
    """A file of a source that can't be read; ``reason`` says why in a few words."""

    def __init__(self, path: Path, name: str, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"{path}: {one_line(name)} cannot be read ({reason}): the data is damaged or has "
            "changed; copy it again or leave this file out."
        )


class PictureSource:
    """The pictures of a folder (nested or not), a zip, a tar, a Parquet or an Arrow file, or a
    folder of one of these three, sorted by their stored names.

    Files are pictures by their suffix or, whatever they are called, by their first bytes. Names are
    those of `normal_name` and never leave the source. Linked folders are followed, each folder
    once. Reading is safe from several threads, and from processes that got the source by fork or
    pickle.

    What is left out is counted in `left_out`: other files, hidden ones, folders of systems and
    programs, pictures that need a package, and those that wspace made itself (unless there are no
    others).

    Attributes:
        path: the folder or file.
        kind: which of them it is; "tars", "parquets" and "arrows" are folders of these.
        entries: the pictures.
        left_out: kinds of files, and how many there are of each.
        remarks: lines for people, of descriptions that are not used.

    Args:
        path: of the folder or file; a text may be an address, see `fetched`.
        listed: False reads files by names that are known, and lists none.

    Raises:
        WspaceError: nothing there, neither folder nor zip nor tar, a damaged or encrypted one, or
            names that lead out of it.
    """

    def __init__(self, path: Path | str, *, listed: bool = True) -> None:
        self.path = fetched(path).path
        self.left_out: dict[str, int] = {}  # kind of file to the number of them
        self._counts: Counter[str] = Counter()
        self._metadata: Entry | None = None
        self._headers: dict[str, PictureHeader] = {}
        self.remarks: list[str] = []
        self._lock = threading.Lock()
        if not os.path.exists(self.path):  # False, too, where the system does not let us look
            raise WspaceError(f"{self.path}: no such file or folder: check the path of the data.")
        self.kind: StoreKind = kind_of_store(self.path)
        self._store: Store | None = None
        self._sidecars: dict[str, int] = {}  # files that speak of pictures: their bytes
        self._said: dict[str, Any] | None = None  # what these or columns say, once they are read
        status = self.path.stat()
        self.stamp = (status.st_ino, status.st_size, status.st_mtime_ns)  # of the zip as listed
        self._stored: dict[str, str] = {}
        self.entries: list[Entry] = []
        if listed:
            store = self._open_store()
            files = _normalised(store.files())
            self._counts += store.left_out
            self.remarks += store.remarks
            self._sidecars = dict(store.sidecars)
            self._stored = {entry.name: entry.stored for entry in files}
            self.entries = self._pictures(files)
            self._count_lone_sidecars()
            self.left_out = dict(self._counts)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_store": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    @property
    def name(self) -> str:
        """What the data is called: the name of the folder, or of the file without suffix."""
        resolved = self.path.resolve()
        return resolved.name if self.path.is_dir() else resolved.stem

    @property
    def has_checksums(self) -> bool:
        """Whether entries know the CRC-32 of what they hold."""
        return self._open_store().has_checksums

    def files(self, entries: Iterable[Entry]) -> dict[str, str]:
        """The files on the disk that hold these pictures: their names, by where they lie in `path`.

        Args:
            entries: of anything but a zip.
        """
        if self.kind == "folder":
            return {entry.stored: entry.name for entry in entries}
        store = self._open_store()
        found = dict.fromkeys(store.file_of(entry.stored) for entry in entries)
        return {file: file or self.path.name for file in found}

    def close(self) -> None:
        """Close what is open; a later read opens it again."""
        if self._store is not None:
            self._store.close()

    def read(self, name: str, limit: int) -> bytes:
        """The whole content of the file ``name``.

        Raises:
            UnreadableFileError: it holds more than ``limit`` bytes, is gone, or damaged.
        """
        return self._read(name, limit, limit)

    def head(self, name: str) -> bytes:
        """The first 16 KiB of the file ``name``; raises as `read`."""
        return self._read(name, HEAD_BYTES)

    def header(self, name: str) -> PictureHeader:
        """What the picture ``name`` says of itself; only as much is read as that takes.

        Raises:
            UnreadableFileError: as `read`.
            UnreadablePictureError: it is no picture that can be read.
        """
        if name not in self._headers:
            self._headers[name] = self._header(name)
        return self._headers[name]

    def _header(self, name: str) -> PictureHeader:
        head = self.head(name)
        try:
            return read_header(head)
        except UnreadablePictureError:
            if len(head) < HEAD_BYTES:
                raise
        # Some formats keep their size at the end, or behind large metadata.
        if self.kind != "folder":
            return read_header(self.read(name, MAX_FILE_BYTES))
        try:
            with open(self.path / self._stored.get(name, name), "rb") as file:
                return read_header(file)
        except OSError as error:
            raise UnreadableFileError(self.path, name, system_words(error)) from None

    def metadata(self) -> Metadata:
        """What ``dataset.json`` holds: the topmost one whose folder holds all pictures.

        In tars, the files beside pictures say what it leaves unsaid, see `read_sidecars`.

        Raises:
            WspaceError: it is no JSON object, or too large for the number of pictures; as
                `read_sidecars`.
        """
        told = self._description()
        store = self._open_store()
        store.check_whole(told.content)
        if not self._sidecars and not store.is_tabular:
            return told
        if self._said is None:
            self._said = self._read_beside(told.folder)
        missing = {k: v for k, v in self._said.items() if told.content.get(k) is None}
        where = told.where
        if "labels" in missing:
            where = f"{self.path}: {'.cls and .json' if self._sidecars else 'its labels'}"
        return Metadata(where, told.folder, {**told.content, **missing})

    def _read_beside(self, folder: str) -> dict[str, Any]:
        """What files or columns beside pictures say; these are called as seen from a folder."""
        store = self._open_store()
        if store.is_tabular:
            try:
                return store.columns({entry.stored: entry.name for entry in self.entries})
            except OSError as error:
                raise WspaceError(
                    f"{self.path}: its labels cannot be read ({system_words(error)}): copy it "
                    "again."
                ) from None
        before = f"{folder}/" if folder else ""
        pictures = [(entry.name.removeprefix(before), entry.stored) for entry in self.entries]

        def read(stored: str) -> bytes:
            return self._read(stored, MAX_SIDECAR_BYTES)

        said, too_large = read_sidecars(pictures, self._sidecars, read, str(self.path))
        if too_large:
            self.remarks.append(
                f"{self.path}: {too_large:,} .cls and .json files of more than "
                f"{MAX_SIDECAR_BYTES:,} bytes are not read."
            )
        return said

    def _description(self) -> Metadata:
        if self._metadata is None:
            return Metadata(f"{self.path}: {METADATA_NAME}", "", {})
        name = self._metadata.name
        where = f"{self.path}: {one_line(name)}"
        limit = _METADATA_BYTES_BASE + _METADATA_BYTES_PER_PICTURE * len(self.entries)
        limit = min(limit, _METADATA_BYTES_LIMIT)
        content = self._read(name, limit + 1)
        if len(content) > limit:
            raise WspaceError(
                f"{where} holds more than {limit:,} bytes, too many for {len(self.entries)} "
                "pictures: write it again with labels only."
            )
        metadata = read_object(content, where)
        return Metadata(where, name.removesuffix(METADATA_NAME).rstrip("/"), metadata)

    def _read(self, name: str, num_bytes: int, limit: int | None = None) -> bytes:
        """The first bytes of a file; a limit refuses longer files before memory is taken."""
        stored = self._stored.get(name, name)
        try:
            size, opened = self._open_store().open(stored)
            with opened as file:
                if limit is not None and size > limit:
                    raise UnreadableFileError(self.path, name, f"more than {limit:,} bytes")
                return file.read(min(num_bytes, size))
        except KeyError:
            raise UnreadableFileError(self.path, name, "it is gone") from None
        except UnreadableFileError:
            raise
        except READ_ERRORS as error:
            raise UnreadableFileError(self.path, name, system_words(error)) from None

    def _open_store(self) -> Store:
        with self._lock:
            if self._store is None:
                self._store = open_store(self.path, self.kind)
            return self._store

    def _count_lone_sidecars(self) -> None:
        if self._sidecars:
            keys = {key_of(entry.stored)[0] for entry in self.entries}
            lone = [name for name in self._sidecars if key_of(name)[0] not in keys]
            for name in lone:
                del self._sidecars[name]
            self._counts += Counter(map(file_kind, lone))

    def _pictures(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those of the files that are pictures; the others are counted by kind."""
        pictures, own, descriptions = [], [], []
        skipped = set()
        for entry in entries:
            path = PurePosixPath(entry.name)
            if within := _skipped_folder(path):
                skipped.add(within)
                continue
            if path.name == METADATA_NAME:
                descriptions.append(entry)
                continue
            kind = self._kind(entry, path)
            if kind is None:
                pictures.append(entry)
            elif kind == OWN_PICTURES:
                own.append(entry)
            else:
                self._counts[kind] += 1
        for folder in skipped:
            self._counts[f"folders {one_line(folder.name)}"] += 1
        if not pictures:  # drawn by wspace, and meant as data
            pictures, own = own, []
        self._counts += Counter({OWN_PICTURES: len(own)})
        self._choose_metadata(descriptions, pictures)
        return pictures

    def _kind(self, entry: Entry, path: PurePosixPath) -> str | None:
        """None for a picture; for others how they are called where they are counted."""
        suffix = path.suffix.lower()
        if path.name.startswith("."):
            return file_kind(path.name)
        if suffix in PICTURE_SUFFIXES and suffix not in _LOOKED_AT:
            return None
        try:
            head = self.head(entry.name)
        except UnreadableFileError:  # named when it is read
            return None if suffix in PICTURE_SUFFIXES else file_kind(path.name)
        found = picture_kind(head)
        if found is None:
            return None if suffix in PICTURE_SUFFIXES else file_kind(path.name)
        if what_reads(found):
            return found
        if found == "PNG":
            if is_own_picture(head):
                return OWN_PICTURES
            with contextlib.suppress(UnreadablePictureError):
                self._headers[entry.name] = read_header(head)
        return None

    def _choose_metadata(self, descriptions: list[Entry], pictures: list[Entry]) -> None:
        """Use the topmost ``dataset.json`` whose folder holds all pictures; name the others."""
        for entry in sorted(descriptions, key=lambda entry: entry.name.count("/")):
            folder = entry.name.removesuffix(METADATA_NAME)
            name = f"{self.path}: {one_line(entry.name)} is not used"
            if self._metadata is not None:
                self.remarks.append(f"{name}: {one_line(self._metadata.name)} is.")
            elif all(picture.name.startswith(folder) for picture in pictures):
                self._metadata = entry
            else:
                self.remarks.append(
                    f"{name}: some pictures lie outside its folder; give the folder of "
                    "one dataset, or write one dataset.json at the top."
                )

    def require_pictures(self) -> None:
        """Raise a WspaceError if there is no picture at all; it says what was looked for."""
        if self.entries:
            return
        kind = "folder" if self.path.is_dir() else self.kind
        advice = f"put png, jpg, webp, bmp, gif, tiff, avif or heic files into it{self._others()}."
        archives = sum(self.left_out.get(suffix, 0) for suffix in ARCHIVE_SUFFIXES)
        if archives:
            advice = f"it holds {archives} archive(s), which are not opened: unpack them first."
        if self.kind == "folder" and (self.path / "dataset_dict.json").is_file():
            advice = "it holds the splits of a data set: give the folder of one of them."
        raise WspaceError(f"{self.path}: no pictures in this {kind}: {advice}")

    def _others(self) -> str:
        return f" (it holds {describe_left_out(self.left_out)})" if self.left_out else ""


@functools.lru_cache(maxsize=1)
def source_in_worker(path: Path, stamp: tuple[int, int, int]) -> PictureSource:
    """The source at ``path``, opened once in each process, not for each task.

    Args:
        path: folder, zip or tar.
        stamp: the source's `stamp` in the process that gives the tasks.
    """
    return PictureSource(path, listed=False)


def _skipped_folder(path: PurePosixPath) -> PurePosixPath | None:
    """The topmost folder around a file whose content is no data, if there is one."""
    around = [folder for folder in path.parents if is_skipped_folder(folder.name)]
    return around[-1] if around else None


def _normalised(listed: list[Listed]) -> list[Entry]:
    """Files under their normal names, sorted by the stored ones, which no new spelling moves.

    Where two files would have one name, or it would lead out, the stored one is kept.
    """
    taken = {stored for stored, _, _, _ in listed}
    entries = []
    for stored, size, crc, told in sorted(listed):
        name = normal_name(told)
        if name != stored and (name in taken or leads_out(name)):
            name = stored
        taken.add(name)
        if normal_name(name):
            entries.append(Entry(name, size, crc, stored))
    return entries
