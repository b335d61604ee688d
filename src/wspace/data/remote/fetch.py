"""Data from elsewhere, brought here: whole, checked, and kept.

What is kept serves without a network, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wspace.data.remote.addresses import Address, is_address, local_path
from wspace.data.remote.kept import Content, Kept
from wspace.data.remote.places import (
    Found,
    NotThereError,
    find,
    found_again,
    open_found,
    words_of,
)
from wspace.errors import WspaceError, one_line
from wspace.files import system_reason

__all__ = ["Fetched", "fetched"]

ATTEMPTS = 5  # of a file in a row that bring nothing new
WAIT_SECONDS = 1.0  # before the second, and twice as long before each further one
FILES_AT_ONCE = 4
PART_BYTES = 1 << 20  # read at a time
UNSTATED_BYTES = 4 << 30  # of a file whose size the far side does not say
SPARE_BYTES = 1 << 30  # of the disk that stay free
PROGRESS_SECONDS = (2.0, 10.0)  # to the first line, and from one to the next

Say = Callable[[str], None]


@dataclass(frozen=True)
class Fetched:
    """Data that lies here.

    Attributes:
        path: of the file or folder.
        address: where it is from, as it may be written down: without secrets, with what it holds.
    """

    path: Path
    address: str


def fetched(data: Path | str, say: Say = lambda _: None) -> Fetched:
    """Data at an address, fetched unless it is kept and still what lies there; a path as it is.

    Without a way to the far side, what was fetched before is taken. An address with ``#sha256=`` is
    asked for nothing else, and not at all where that is kept.

    Args:
        data: see `Address`; or a path.
        say: told what is fetched, how far it is, and where it is kept.

    Raises:
        WspaceError: nothing is there, it cannot be reached, is refused, changes while it is read,
            is not what it should be, or is too large.
    """
    if not is_address(data):
        return Fetched(Path(data), str(data))
    if (path := local_path(str(data))) is not None:
        return Fetched(path, str(path))
    address = Address.parse(str(data))
    kept = Kept(address)
    try:
        with kept.locked():
            content = kept.content(address.pin) if address.pin else None
            content = content or _newest(address, kept, say)
    except OSError as error:
        raise WspaceError(_not_kept(address, kept, error)) from None
    return Fetched(content.path, address.pinned(content.digest))


def _newest(address: Address, kept: Kept, say: Say) -> Content:
    there = one_line(address.public)
    try:
        files = find(address)
    except NotThereError:
        raise
    except WspaceError as error:
        content = kept.newest(None)
        if content is None or (address.pin and content.digest != address.pin):
            raise
        say(f"{error} What was fetched before is taken: {content.path}")
        return content
    twice = len({file.name for file in files}) < len(files)
    if twice:
        raise WspaceError(f"{there} stands for two files of one name: give them apart.")
    content = kept.newest(files)
    if content is None:
        content = _Fetching(address, kept, files, say).content()
        say(f"{there} is kept in {content.path}")
    if address.pin and content.digest != address.pin:
        raise WspaceError(
            f"{there} is not what it was, or should be: its sha256 is {content.digest}, not "
            f"{address.pin}: bring that back, or leave #sha256= out."
        )
    return content


class _Fetching:
    """One address on its way here."""

    def __init__(self, address: Address, kept: Kept, files: Sequence[Found], say: Say) -> None:
        self._address, self._kept, self._files = address, kept, list(files)
        self._there = one_line(address.public)
        self._say = say
        self._lock = threading.Lock()
        self._here = 0  # bytes
        self._next_time = time.monotonic() + PROGRESS_SECONDS[0]
        sizes = [file.size for file in files]
        self._total = sum(size or 0 for size in sizes) if None not in sizes else None
        self._stop = threading.Event()
        self._failed: WspaceError | None = None  # what went wrong first

    def content(self) -> Content:
        """All of it, kept; raises as `fetched`."""
        place = self._kept.partial / "data"
        shutil.rmtree(self._kept.partial, ignore_errors=True)  # of a process that was killed
        self._kept.partial.mkdir(parents=True)
        self._check_room(self._total or 0)

        def bring(file: Found) -> tuple[str, str]:
            path = place / file.name if file.name else place
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                return file.name, self._bring(file, path)
            except WspaceError as error:
                with self._lock:
                    self._failed = self._failed or error
                self._stop.set()  # the others need not go on
                raise

        try:
            with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="wspace-fetch") as pool:
                try:
                    sums = dict(pool.map(bring, self._files))
                except BaseException:
                    self._stop.set()
                    pool.shutdown(cancel_futures=True)
                    raise
            return self._kept.keep(self._address.name, self._files, sums)
        except BaseException as error:
            shutil.rmtree(self._kept.partial, ignore_errors=True)
            raise self._failed or error from None

    def _bring(self, file: Found, path: Path) -> str:
        """One file; its sha256 (hex)."""
        old = self._kept.reusable(file)
        if old is not None:
            with contextlib.suppress(OSError):
                os.link(old[0], path)
                return old[1]
        for again in (True, False):
            digests = self._download(file, path)
            now = self._asked_again(file)
            if (now.size, now.tag) == (file.size, file.tag):
                self._check_sums(file, digests)
                return digests["sha256"]
            if not again:
                break
            file = now
            self._files = [now if one.name == now.name else one for one in self._files]
        raise WspaceError(
            f"{self._there}: {self._called(file)} changes while it is read: wait until it is "
            "whole there, then try again."
        )

    def _download(self, file: Found, path: Path) -> dict[str, str]:
        """Read a file to its end, going on where a connection breaks; its digests (hex)."""
        failures = 0
        with open(path, "wb") as out:
            hashes = {name: hashlib.new(name, usedforsecurity=False) for name in ("sha256", "md5")}
            done = 0
            while True:
                before = done
                try:
                    with open_found(self._address, file) as far:
                        if done and not _went_to(far, done):
                            self._arrived(-done)
                            out.seek(0)
                            out.truncate()
                            done = before = 0
                            hashes = {name: hashlib.new(name) for name in hashes}
                        for part in self._parts(file, far, done):
                            self._write(out, part)
                            done += len(part)
                            for one in hashes.values():
                                one.update(part)
                    if file.size is None or done == file.size:
                        return {name: one.hexdigest() for name, one in hashes.items()}
                    error: Exception = EOFError("it ends too early")
                except WspaceError:
                    raise
                except Exception as caught:
                    error = caught
                failures = 1 if done > before else failures + 1
                self._wait_or_raise(
                    error, failures, f"after {done:,} bytes of {self._called(file)}"
                )

    def _parts(self, file: Found, far: IO[bytes], done: int) -> Iterator[bytes]:
        """What follows, within bounds."""
        most = UNSTATED_BYTES if file.size is None else file.size
        while part := far.read(PART_BYTES):
            if self._stop.is_set():
                raise WspaceError(f"{self._there}: stopped.")
            done += len(part)
            if done > most:
                what = "goes on beyond" if file.size is None else "holds more than the stated"
                raise WspaceError(
                    f"{self._there}: {self._called(file)} {what} {most:,} bytes: do not trust "
                    "what lies there, or fetch it by yourself and give the file."
                )
            if file.size is None:
                self._check_room(len(part))
            self._arrived(len(part))
            yield part

    def _asked_again(self, file: Found) -> Found:
        failures = 0
        while True:
            try:
                return found_again(self._address, file.url, file.name)
            except Exception as error:
                failures += 1
                self._wait_or_raise(error, failures, "asking whether it has changed")

    def _wait_or_raise(self, error: Exception, failures: int, doing: str) -> None:
        words = "it ends too early" if isinstance(error, EOFError) else words_of(error)
        if failures >= ATTEMPTS or self._stop.is_set():
            raise WspaceError(
                f"{self._there} cannot be fetched ({words}; {doing}; {failures} attempts): check "
                "the network, then try again."
            ) from None
        self._stop.wait(WAIT_SECONDS * 2 ** (failures - 1))

    def _check_sums(self, file: Found, digests: dict[str, str]) -> None:
        for algorithm, told in file.sums.items():
            if digests[algorithm] != told:
                raise WspaceError(
                    f"{self._there}: {self._called(file)} is not what the far side says: its "
                    f"{algorithm} is {digests[algorithm]}, there {told}: try again."
                )

    def _write(self, out: IO[bytes], part: bytes) -> None:
        try:
            out.write(part)
        except OSError as error:
            raise WspaceError(_not_kept(self._address, self._kept, error)) from None

    def _called(self, file: Found) -> str:
        return one_line(file.name or self._address.name)

    def _check_room(self, wanted: int) -> None:
        free = shutil.disk_usage(self._kept.partial).free - SPARE_BYTES
        if wanted > free:
            raise WspaceError(
                f"{self._there} needs {wanted:,} bytes, and {self._kept.root} has room for "
                f"{max(free, 0):,}: free some space, or set WSPACE_CACHE to another folder."
            )

    def _arrived(self, num_bytes: int) -> None:
        with self._lock:
            self._here += num_bytes
            if time.monotonic() < self._next_time:
                return
            self._next_time = time.monotonic() + PROGRESS_SECONDS[1]
            of = "" if self._total is None else f" of {self._total / 1e6:,.0f}"
            self._say(f"fetching {self._there}: {self._here / 1e6:,.0f}{of} MB ...")


def _not_kept(address: Address, kept: Kept, error: OSError) -> str:
    return (
        f"{one_line(address.public)} cannot be kept in {kept.root} ({system_reason(error)}): free "
        "some space, or set WSPACE_CACHE to another folder."
    )


def _went_to(far: IO[bytes], place: int) -> bool:
    """Whether reading goes on at a place; streams can only be read from their beginning."""
    try:
        return far.seek(place) == place
    except (ValueError, OSError, NotImplementedError):
        return False
