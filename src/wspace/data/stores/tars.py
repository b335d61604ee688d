"""Tar files, or a folder of them, as named bytes: listed once, read where they lie.

A tar may say anything of itself. Only plain files are taken; what leads elsewhere (links, devices,
names with ``..``), is stored in an uncommon way, or is cut off, is refused.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block".
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from wspace.data.names import leads_out
from wspace.data.sidecars import is_sidecar
from wspace.data.stores.store import Listed, Store, is_named, stamp_of
from wspace.errors import WspaceError, one_line, reason

__all__ = ["TAR_SUFFIX", "Member", "Tars", "is_tar"]

BLOCK = tarfile.BLOCKSIZE
MAX_HEADER_BYTES = 64 << 10  # of a long name, or of a pax header
TAR_SUFFIX = ".tar"
_MAGIC = (257, b"ustar")  # where it lies in the first block
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_REFUSED = {
    tarfile.LNKTYPE: "a link",
    tarfile.SYMTYPE: "a link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
    tarfile.GNUTYPE_LONGLINK: "a link",
}


class Member(NamedTuple):
    """Where a file lies: in which tar, from which byte on, and how many bytes it has."""

    tar: str
    offset: int
    size: int


class Tars(Store):
    """The plain files in a tar or in all tars of a folder, by the names that they are stored under.

    Those are ``name`` in a tar, ``shard.tar/name`` in a folder of tars, and their own for other
    files of the folder. Listing reads headers alone;
    it takes less memory than the tars have bytes. Reading is safe from several threads.

    Attributes:
        path: the tar or the folder.
        members: where each file lies.

    Args:
        path: a tar, or a folder that holds them alone, see `holds_only`.

    Raises:
        WspaceError: a tar that is damaged, compressed or no tar, or holds what is no plain file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.members: dict[str, Member] = {}
        self._stamps: dict[str, tuple[int, int, int]] = {}
        for tar in _files_in(path) if path.is_dir() else [""]:
            place = path / tar
            try:
                with open(place, "rb") as file:
                    self._stamps[tar] = _stamp(file)
                    if tar and not is_named(tar, TAR_SUFFIX):
                        self.members[tar] = Member(tar, 0, os.fstat(file.fileno()).st_size)
                        continue
                    for name, offset, size in _files(file, place):
                        stored = f"{tar}/{name}" if tar else name
                        self.members[stored] = Member(tar, offset, size)
            except OSError as error:
                raise WspaceError(
                    f"{place}: cannot be read ({error.strerror or error}): check its rights."
                ) from None

    def files(self) -> list[Listed]:
        """As `Store.files`; those that speak of pictures are put aside."""
        files = []
        for stored, member in self.members.items():
            if is_sidecar(stored):
                self.sidecars[stored] = member.size
            else:
                files.append(stored)
        told = self.told_names(files)
        return [Listed(one, self.members[one].size, None, told[one]) for one in files]

    def check_whole(self, told: Mapping[str, Any]) -> None:
        """Raise a WspaceError where a tar is not there that ``dataset.json`` lists."""
        if not self.path.is_dir():
            return
        names = told.get("shards")
        wanted = names if isinstance(names, list) else []
        lost = [name for name in wanted if isinstance(name, str) and name not in self._stamps]
        if lost:
            raise WspaceError(
                f"{self.path}: {one_line(lost[0])} is missing ({len(lost)} of {len(wanted)} shards "
                "are): copy the folder again."
            )

    def open(self, stored: str) -> tuple[int, IO[bytes]]:
        """As `Store.open`."""
        member = self.members[stored]
        file = open(self.path / member.tar, "rb")  # noqa: SIM115
        try:
            if _stamp(file) != self._stamps[member.tar]:
                raise OSError("the tar has changed")
            file.seek(member.offset)
        except BaseException:
            file.close()
            raise
        return member.size, file

    def file_of(self, stored: str) -> str:
        """As `Store.file_of`."""
        return self.members[stored].tar

    def told_names(self, stored: list[str]) -> dict[str, str]:
        """What files are called whichever tar they lie in.

        That is their name in the tar; where two of them share one, all of them are called after
        their tars, too: ``cats/1.png`` in ``train-07.tar`` is ``cats/train-07-1.png``, so that
        folders are still classes.
        """
        names = {one: one.removeprefix(f"{self.members[one].tar}/") for one in stored}
        if len(set(names.values())) == len(names):
            return names
        told = {}
        for one, name in names.items():
            folder, slash, last = name.rpartition("/")
            told[one] = f"{folder}{slash}{Path(self.members[one].tar).stem}-{last}"
        return told


def is_tar(path: Path) -> bool:
    """Whether a file is to be read as a tar: its first bytes say so, or its name does."""
    if not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(BLOCK)
    except OSError:
        return False
    at, magic = _MAGIC
    named = path.suffix.lower() == TAR_SUFFIX and not head.startswith(b"PK")
    return named or head[at : at + len(magic)] == magic


def _files_in(folder: Path) -> list[str]:
    with os.scandir(folder) as inside:
        return sorted(file.name for file in inside if file.is_file())


def _stamp(file: IO[bytes]) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is no plain file")
    return stamp_of(status)


def _files(file: IO[bytes], place: Path) -> Iterator[tuple[str, int, int]]:
    """Name, offset and size of each plain file in a tar."""
    end = os.fstat(file.fileno()).st_size
    at, long_name, pax = 0, None, dict[str, str]()
    while at < end:
        file.seek(at)
        block = file.read(BLOCK)
        if at == 0 and block.startswith(_COMPRESSED):
            raise WspaceError(f"{place} is compressed: unpack it to a plain .tar first.")
        if not any(block) and len(block) == BLOCK:  # the end of the archive
            return
        if at > 0 and len(block) < BLOCK:
            break
        info = _header(block, place, at)
        size = _number(pax["size"], place) if "size" in pax else info.size
        at += BLOCK
        if size < 0 or at + size > end:
            raise WspaceError(
                f"{place} is cut off: {one_line(info.name)} would need {size:,} bytes from byte "
                f"{at:,} on, but the file has {end:,}: copy it again."
            )
        extended = info.type in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE)
        if extended and size > MAX_HEADER_BYTES:
            raise WspaceError(
                f"{place} has a header of {size:,} bytes at byte {at:,}, more than "
                f"{MAX_HEADER_BYTES:,}: do not trust this file, or make it again with plain names."
            )
        if info.type == tarfile.GNUTYPE_LONGNAME:
            long_name = file.read(size).rstrip(b"\0").decode("utf-8", "surrogateescape")
        elif info.type == tarfile.XHDTYPE:
            pax = _pax(file.read(size), place)
        elif info.type == tarfile.XGLTYPE:
            if {"path", "size"} & _pax(file.read(size), place).keys():
                raise WspaceError(
                    f"{place} gives all its files one name or size: do not trust this file."
                )
        else:
            name = pax.get("path", info.name if long_name is None else long_name)
            long_name, pax = None, {}
            _check(info, name, place)
            if info.type in _PLAIN and not name.endswith("/"):
                yield name, at, size
        at += -(-size // BLOCK) * BLOCK
    raise WspaceError(f"{place} is cut off: a tar ends with a block of zeros: copy it again.")


def _header(block: bytes, place: Path, at: int) -> tarfile.TarInfo:
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError, OverflowError) as error:
        what = "is no tar" if at == 0 else f"is damaged at byte {at:,}"
        raise WspaceError(f"{place} {what} ({reason(error)}): give a whole, plain .tar.") from None


def _check(info: tarfile.TarInfo, name: str, place: Path) -> None:
    if leads_out(name):
        raise WspaceError(
            f"{place}: the name {one_line(name)} leads out of the tar: do not trust this file, or "
            "make it again with plain names."
        )
    if info.type in _PLAIN or info.type == tarfile.DIRTYPE:
        return
    what = _REFUSED.get(info.type, "of an unknown type")
    raise WspaceError(
        f"{place}: {one_line(name)} is {what}, no plain file: make the tar again with plain files "
        "alone."
    )


def _pax(content: bytes, place: Path) -> dict[str, str]:
    """The records ``"LENGTH KEY=VALUE\\n"`` of a pax header, of those keys that matter here."""
    found = {}
    while content:
        length, space, _ = content[:20].partition(b" ")
        size = int(length) if space and length.isdigit() else 0
        record = content[len(length) + 1 : size]
        key, equals, value = record.partition(b"=")
        if not equals or size > len(content) or not record.endswith(b"\n"):
            raise WspaceError(f"{place} has a damaged pax header: make the tar again.")
        told = key.decode("utf-8", "replace")
        if told.startswith("GNU.sparse."):
            raise WspaceError(
                f"{place} holds a sparse file: make the tar again with plain files alone."
            )
        if told in ("path", "size"):
            found[told] = value[:-1].decode("utf-8", "surrogateescape")
        content = content[size:]
    return found


def _number(text: str, place: Path) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise WspaceError(f"{place}: {one_line(text)} is no size of a file: make the tar again.")
    return int(text)
