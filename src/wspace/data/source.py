"""A folder, a zip or tars of pictures as one list of named bytes, read safely.

Nothing is ever unpacked to disk, every read is bounded before memory is taken, and archives inside
archives stay closed.
"""

from __future__ import annotations

import contextlib
import functools
import os
import stat
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, NamedTuple

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
from wspace.data.parquets import PARQUET_SUFFIX, Parquets, is_parquet
from wspace.data.pictures import PictureHeader, UnreadablePictureError, read_header
from wspace.data.sidecars import MAX_SIDECAR_BYTES, is_sidecar, key_of, read_sidecars
from wspace.data.tars import TAR_SUFFIX, Tars, holds_only, is_tar
from wspace.errors import WspaceError, one_line, reason
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
# What zipfile, zlib and the system raise for damaged, encrypted or exotic archives.
_READ_ERRORS = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError)


class _Listed(NamedTuple):
    """A file, pictures or not; ``told`` is what its stored name means."""

    stored: str
    size: int
    crc: int | None
    told: str


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
    """The picture files of a folder (nested or not), a zip, a tar, or a folder of tars, sorted by
    their stored names.

    Files are pictures by their suffix or, whatever they are called, by their first bytes. Names are
    those of `normal_name` and never leave the source. Linked folders are followed, each folder
    once. Reading is safe from several threads, and from processes that got the source by fork or
    pickle.

    What is left out is counted in `left_out`: other files, hidden ones, folders of systems and
    programs, pictures that need a package, and those that wspace made itself (unless there are no
    others).

    Attributes:
        path: the folder, zip or tar.
        kind: which of them it is; "tars" and "parquets" are folders of these.
        entries: the pictures.
        left_out: kinds of files, and how many there are of each.
        remarks: lines for people, of descriptions that are not used.

    Args:
        path: folder, zip or tar.
        listed: False reads files by names that are known, and lists none.

    Raises:
        WspaceError: nothing there, neither folder nor zip nor tar, a damaged or encrypted one, or
            names that lead out of it.
    """

    def __init__(self, path: Path | str, *, listed: bool = True) -> None:
        self.path = Path(path)
        self.left_out: dict[str, int] = {}  # kind of file to the number of them
        self._counts: Counter[str] = Counter()
        self._metadata: Entry | None = None
        self._headers: dict[str, PictureHeader] = {}
        self.remarks: list[str] = []
        self._lock = threading.Lock()
        self._archive: zipfile.ZipFile | None = None
        self._archive_pid = -1
        if not os.path.exists(self.path):  # False, too, where the system does not let us look
            raise WspaceError(f"{self.path}: no such file or folder: check the path of the data.")
        self.kind = _kind_of_source(self.path)
        self._store: Tars | Parquets | None = None  # what is in files that hold many
        self._sidecars: dict[str, int] = {}  # files that speak of pictures: their bytes
        self._said: dict[str, Any] | None = None  # what these say, once they are read
        status = self.path.stat()
        self.stamp = (status.st_ino, status.st_size, status.st_mtime_ns)  # of the zip as listed
        self._stored: dict[str, str] = {}
        self.entries: list[Entry] = []
        if listed:
            list_all = {"folder": self._list_folder, "zip": self._list_zip}
            files = _normalised(list_all.get(self.kind, self._list_store)())
            self._stored = {entry.name: entry.stored for entry in files}
            self.entries = self._pictures(files)
            self._count_lone_sidecars()
            self.left_out = dict(self._counts)

    def __getstate__(self) -> dict[str, Any]:
        dropped = {"_lock": None, "_archive": None, "_archive_pid": -1, "_store": None}
        return {**self.__dict__, **dropped}

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
        return self.kind == "zip"

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
        """Close the zip, if one is open; a later read opens it again."""
        with self._lock:
            if self._archive is not None and self._archive_pid == os.getpid():
                self._archive.close()
            self._archive = None

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
            raise UnreadableFileError(self.path, name, _reason(error)) from None

    def metadata(self) -> Metadata:
        """What ``dataset.json`` holds: the topmost one whose folder holds all pictures.

        In tars, the files beside pictures say what it leaves unsaid, see `read_sidecars`.

        Raises:
            WspaceError: it is no JSON object, or too large for the number of pictures; as
                `read_sidecars`.
        """
        told = self._description()
        if self.kind == "tars":
            store = self._open_store()
            assert isinstance(store, Tars)
            store.check_whole(told.content.get("shards"))
        if not self._sidecars and self.kind not in ("parquet", "parquets"):
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
        if isinstance(store, Parquets):
            try:
                return store.metadata({entry.stored: entry.name for entry in self.entries})
            except OSError as error:
                raise WspaceError(
                    f"{self.path}: its labels cannot be read ({_reason(error)}): copy it again."
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
            size, opened = self._open(stored)
            with opened as file:
                if limit is not None and size > limit:
                    raise UnreadableFileError(self.path, name, f"more than {limit:,} bytes")
                return file.read(min(num_bytes, size))
        except KeyError:
            raise UnreadableFileError(self.path, name, "it is gone") from None
        except UnreadableFileError:
            raise
        except _READ_ERRORS as error:
            raise UnreadableFileError(self.path, name, _reason(error)) from None

    def _open(self, stored: str) -> tuple[int, IO[bytes]]:
        """How many bytes a file has, and the file."""
        if self.kind == "zip":
            archive = self._open_zip()
            return archive.getinfo(stored).file_size, archive.open(stored)
        if self.kind == "folder":
            file = open(self.path / stored, "rb")  # noqa: SIM115
            return os.fstat(file.fileno()).st_size, file
        return self._open_store().open(stored)

    def _open_store(self) -> Tars | Parquets:
        with self._lock:
            if self._store is None:
                of_tars = self.kind in ("tar", "tars")
                self._store = Tars(self.path) if of_tars else Parquets(self.path)
            return self._store

    def _open_zip(self) -> zipfile.ZipFile:
        with self._lock:
            # A forked process shares the parent's file position: it opens the zip for itself.
            if self._archive is None or self._archive_pid != os.getpid():
                self._archive = zipfile.ZipFile(self.path)
                self._archive_pid = os.getpid()
            return self._archive

    def _list_zip(self) -> list[_Listed]:
        if not stat.S_ISREG(self.path.stat().st_mode):
            raise WspaceError(
                f"{self.path} is neither a folder nor a zip nor a tar: give one of them."
            )
        try:
            infos = self._open_zip().infolist()
        except _READ_ERRORS as error:
            raise WspaceError(
                f"{self.path} is not a readable zip ({_reason(error)}): give a folder of pictures "
                "or a whole zip."
            ) from None
        entries = {}
        for info in infos:
            told = _told_name(info)
            for name in (info.filename, told):
                _check_name(self.path, name)  # first: is_dir() of an empty name raises
            if info.is_dir():
                continue
            # Others (LZMA, for one) let a file demand gigabytes before a byte is read.
            plain = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
            if info.flag_bits & 0x1 or not plain:
                what = "encrypted" if plain else "compressed in an uncommon way"
                raise WspaceError(
                    f"{self.path}: {one_line(info.filename)} is {what}: make the zip again with "
                    "plain deflate and no password."
                )
            entries[info.filename] = _Listed(info.filename, info.file_size, info.CRC, told)
        return list(entries.values())

    def _list_store(self) -> list[_Listed]:
        store = self._open_store()
        return self._list_tars(store) if isinstance(store, Tars) else self._list_parquets(store)

    def _list_parquets(self, store: Parquets) -> list[_Listed]:
        if store.remark is not None:
            self.remarks.append(store.remark)
        files = []
        try:
            files += [_Listed(name, size, None, name) for name, size in store.others()]
            for stored, told, size in store.pictures():
                if size is None:
                    self._counts["rows without a picture"] += 1
                else:
                    files.append(_Listed(stored, size, None, told))
        except OSError as error:
            raise WspaceError(
                f"{self.path}: its Parquet is damaged ({_reason(error)}): copy it again."
            ) from None
        return files

    def _list_tars(self, tars: Tars) -> list[_Listed]:
        """The files in tars; those that speak of pictures are put aside."""
        files = []
        for stored, member in tars.members.items():
            if is_sidecar(stored):
                self._sidecars[stored] = member.size
            else:
                files.append(stored)
        told = tars.told_names(files)
        return [_Listed(one, tars.members[one].size, None, told[one]) for one in files]

    def _count_lone_sidecars(self) -> None:
        if self._sidecars:
            keys = {key_of(entry.stored)[0] for entry in self.entries}
            lone = [name for name in self._sidecars if key_of(name)[0] not in keys]
            for name in lone:
                del self._sidecars[name]
            self._counts += Counter(map(file_kind, lone))

    def _list_folder(self) -> list[_Listed]:
        """Every file; linked folders come last, so that what is read twice keeps its own name."""
        entries: list[_Listed] = []
        waiting, linked, seen = [self.path], list[Path](), set[tuple[int, int]]()
        try:
            while waiting or linked:
                folder = waiting.pop() if waiting else linked.pop(0)
                status = folder.stat()
                if (status.st_dev, status.st_ino) in seen:
                    self._counts["links to folders that are here already"] += 1
                    continue
                seen.add((status.st_dev, status.st_ino))
                with os.scandir(folder) as inside:
                    found = sorted(inside, key=lambda file: file.name)
                for file in found:
                    relative = Path(file.path).relative_to(self.path).as_posix()
                    if _is_folder(file):
                        if is_skipped_folder(file.name):
                            self._counts[f"folders {one_line(file.name)}"] += 1
                        else:
                            (linked if file.is_symlink() else waiting).append(Path(file.path))
                    else:
                        entries += self._as_entry(file, relative)
        except OSError as error:
            raise WspaceError(
                f"{error.filename}: cannot be read ({error.strerror}): check its rights."
            ) from None
        return entries

    def _as_entry(self, file: os.DirEntry[str], relative: str) -> list[_Listed]:
        try:
            status = file.stat()
        except OSError:  # a link to nowhere: named when it is read
            return [_Listed(relative, 0, None, relative)]
        if not stat.S_ISREG(status.st_mode):  # a pipe named a.png would block for ever
            self._counts["pipes and devices"] += 1
            return []
        return [_Listed(relative, status.st_size, None, relative)]

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
        raise WspaceError(f"{self.path}: no pictures in this {kind}: {advice}")

    def _others(self) -> str:
        return f" (it holds {describe_left_out(self.left_out)})" if self.left_out else ""


SourceKind = Literal["folder", "zip", "tar", "tars", "parquet", "parquets"]


def _kind_of_source(path: Path) -> SourceKind:
    if path.is_dir():
        if holds_only(path, TAR_SUFFIX):
            return "tars"
        return "parquets" if holds_only(path, PARQUET_SUFFIX) else "folder"
    if is_tar(path):
        return "tar"
    return "parquet" if is_parquet(path) else "zip"


@functools.lru_cache(maxsize=1)
def source_in_worker(path: Path, stamp: tuple[int, int, int]) -> PictureSource:
    """The source at ``path``, opened once in each process, not for each task.

    Args:
        path: folder, zip or tar.
        stamp: the source's `stamp` in the process that gives the tasks.
    """
    return PictureSource(path, listed=False)


def _is_folder(file: os.DirEntry[str]) -> bool:
    try:
        return file.is_dir()
    except OSError:  # a link that leads in a circle
        return False


def _skipped_folder(path: PurePosixPath) -> PurePosixPath | None:
    """The topmost folder around a file whose content is no data, if there is one."""
    around = [folder for folder in path.parents if is_skipped_folder(folder.name)]
    return around[-1] if around else None


def _check_name(path: Path, name: str) -> None:
    """Refuse names that would lead out of the archive, were they ever used as paths."""
    if leads_out(name):
        raise WspaceError(
            f"{path}: the name {one_line(name)} leads out of the zip: do not trust this file, or "
            "make it again with plain names."
        )


def _told_name(info: zipfile.ZipInfo) -> str:
    """The name of a file in a zip; macOS writes UTF-8 and does not say so."""
    name = info.filename
    if info.flag_bits & 0x800 or name.isascii():
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _normalised(listed: list[_Listed]) -> list[Entry]:
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


def _reason(error: Exception) -> str:
    """In a few words; of an error of the system not its number and path."""
    return getattr(error, "strerror", None) or reason(error)
