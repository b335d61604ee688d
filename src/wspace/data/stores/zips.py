"""A zip, read in place and never unpacked."""

from __future__ import annotations

import os
import stat
import threading
import zipfile
import zlib
from pathlib import Path
from typing import IO

from wspace.data.kinds import picture_kind
from wspace.data.names import leads_out
from wspace.data.stores.store import Listed, Store, system_words
from wspace.errors import WspaceError, one_line

__all__ = ["READ_ERRORS", "Zip"]

# What zipfile, zlib and the system raise for damaged, encrypted or exotic archives.
READ_ERRORS = (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, ValueError)


class Zip(Store):
    """The files in a zip, stored or deflated, without a password."""

    has_checksums = True

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._archive: zipfile.ZipFile | None = None
        self._archive_pid = -1

    def _picture_kind(self) -> str | None:
        """What kind of picture the file itself is; None: none."""
        try:
            with open(self.path, "rb") as file:
                return picture_kind(file.read(64))
        except OSError:
            return None

    def files(self) -> list[Listed]:
        """As `Store.files`."""
        if not stat.S_ISREG(self.path.stat().st_mode):
            raise WspaceError(
                f"{self.path} is neither a folder nor a zip nor a tar: give one of them."
            )
        try:
            infos = self._opened().infolist()
        except READ_ERRORS as error:
            if kind := self._picture_kind():
                raise WspaceError(
                    f"{self.path} is one picture ({kind}): give the folder that it lies in."
                ) from None
            raise WspaceError(
                f"{self.path} is not a readable zip ({system_words(error)}): give a folder of "
                "pictures or a whole zip."
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
            entries[info.filename] = Listed(info.filename, info.file_size, info.CRC, told)
        return list(entries.values())

    def open(self, stored: str) -> tuple[int, IO[bytes]]:
        """As `Store.open`."""
        archive = self._opened()
        return archive.getinfo(stored).file_size, archive.open(stored)

    def file_of(self, stored: str) -> str:
        """As `Store.file_of`."""
        return ""

    def close(self) -> None:
        """As `Store.close`."""
        with self._lock:
            if self._archive is not None and self._archive_pid == os.getpid():
                self._archive.close()
            self._archive = None

    def _opened(self) -> zipfile.ZipFile:
        with self._lock:
            # A forked process shares the parent's file position: it opens the zip for itself.
            if self._archive is None or self._archive_pid != os.getpid():
                self._archive = zipfile.ZipFile(self.path)
                self._archive_pid = os.getpid()
            return self._archive


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
