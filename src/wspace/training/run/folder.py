"""The folder of a training run: its name, its lock, its log and its configuration."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import socket
import sys
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wspace.errors import WspaceError
from wspace.files import atomic_write_text

__all__ = ["Log", "RunLock", "create_run", "read_config", "truncate_log", "write_config"]

MAX_CONFIG_BYTES = 2**20
MAX_LINE_BYTES = 2**20
_NUMBERED = re.compile(r"([0-9]{5,})-.*", re.DOTALL)


def create_run(out: Path, name: str) -> Path:
    """Make the folder of a new run, ``out/00003-name``, with the next free number.

    Several processes may do so at once: each gets a number of its own.

    Args:
        out: made where it is missing.
        name: what the run is called; signs other than letters, digits, ``._-`` become ``_``.

    Raises:
        WspaceError: the folder cannot be made.
    """
    label = re.sub(r"[^\w.-]", "_", name)[:100]
    try:
        out.mkdir(parents=True, exist_ok=True)
        while True:
            number = 1 + max(_numbers(out), default=-1)
            run = out / f"{number:05d}-{label}"
            with contextlib.suppress(FileExistsError):
                run.mkdir()
                if _numbers(out).count(number) == 1:
                    return run
                # Another process took the number under another name; both may step back.
                run.rmdir()
            time.sleep(random.SystemRandom().uniform(0, 0.01))
    except OSError as error:
        raise WspaceError(
            f"cannot make a run folder in {out}: {error.strerror}: choose another place with --out."
        ) from None


def _numbers(out: Path) -> list[int]:
    return [int(match[1]) for name in os.listdir(out) if (match := _NUMBERED.fullmatch(name))]


def read_config(run: Path) -> dict[str, Any]:
    """The configuration that a run was started with.

    Raises:
        WspaceError: the folder is no run, or its config.json cannot be read.
    """
    path = run / "config.json"
    if not run.is_dir():
        raise WspaceError(f"{run} is no folder: give a run folder such as runs/00000-avatars.")
    if not path.is_file():
        raise WspaceError(
            f"{run} is no run folder (it has no config.json): give one such as runs/00000-avatars."
        )
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise WspaceError(f"{path} is larger than {MAX_CONFIG_BYTES} bytes: it is no config.")
        config = json.loads(path.read_bytes())
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror}: check the path.") from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, WspaceError):
            raise
        raise WspaceError(f"{path} is damaged (no JSON): start a new run.") from None
    if not isinstance(config, dict):
        raise WspaceError(f"{path} is damaged (no object): start a new run.")
    return config


def write_config(run: Path, config: dict[str, Any]) -> None:
    """Write the configuration of a run, whole or not at all.

    Raises:
        WspaceError: it cannot be written.
    """
    atomic_write_text(run / "config.json", json.dumps(config, indent=2) + "\n")


class RunLock:
    """Context manager: while it is held, no other process can train in the same run folder.

    The system frees the lock when its process ends, so a killed process blocks nobody.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._path = run / "lock"
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            WspaceError: another process holds it (named in the message); a read-only folder.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise WspaceError(
                f"cannot lock the run {self._run}: {error.strerror}: training writes into its run "
                "folder; make it writable or copy it to another place."
            ) from None
        try:
            if not _try_lock(descriptor):
                raise WspaceError(
                    f"the run {self._run} is in use by {_holder(self._path)}: wait for it or stop "
                    "it first."
                )
            holder = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            with contextlib.suppress(OSError):  # on a full disk the lock holds all the same
                os.ftruncate(descriptor, 0)
                os.write(descriptor, json.dumps(holder).encode())
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._descriptor is not None
        # The file stays: removing it would let two others lock two files of the same name.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = None


def _try_lock(descriptor: int) -> bool:
    """Lock an open file, without waiting; False when another process holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 2**20, os.SEEK_SET)  # beyond the text, which others may read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        warnings.warn(
            f"this file system has no locks ({error.strerror}): see to it that only one process "
            "trains in a run folder.",
            RuntimeWarning,
            stacklevel=3,
        )
    return True


def _holder(path: Path) -> str:
    """Who holds a lock, as its file says."""
    try:
        with open(path, "rb") as file:
            holder = json.loads(file.read(1000))
        return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


class Log:
    """Appends to a log of JSON lines, each whole and at once in the file.

    A full disk costs lines, not the run: the first one lost is warned of; when there is space again
    a line ``{"event": "log lines lost", "count": N}`` tells how many are missing.
    """

    def __init__(self, path: Path, warn: Callable[[str], object] | None = None) -> None:
        """Open a log, cutting a torn last line.

        Args:
            path: RUN/log.jsonl, made where it is missing.
            warn: called with one message when the disk is full; None for `warnings.warn`.

        Raises:
            WspaceError: it cannot be opened.
        """
        self._path = path
        self._warn = warn or _warn
        self._warned = False
        self._lost = 0
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            os.ftruncate(self._descriptor, _whole_size(self._descriptor))
        except OSError as error:
            raise WspaceError(
                f"cannot write {path}: {error.strerror}: make the run folder writable."
            ) from None

    def write(self, record: dict[str, Any]) -> None:
        """Append one record of JSON data as a line; never raises for a full disk."""
        lines = [record]
        if self._lost:
            lines.insert(0, {"event": "log lines lost", "count": self._lost})
        try:
            self._append("".join(json.dumps(line) + "\n" for line in lines).encode())
        except OSError as error:
            self._lost += 1
            if not self._warned:
                self._warned = True
                self._warn(
                    f"cannot write {self._path}: {error.strerror}: training goes on, lines of the "
                    "log are lost until there is space."
                )
        else:
            self._lost = 0

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, content: bytes) -> None:
        """Write all of ``content``, or leave the file as it was and raise OSError."""
        size = os.fstat(self._descriptor).st_size
        written = 0
        try:
            while written < len(content):
                written += os.write(self._descriptor, content[written:])
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise


def truncate_log(run: Path, step: int) -> None:
    """Drop what a run logged after a checkpoint, so that the resumed run logs it again.

    The last line with ``"step"`` at most ``step`` stays, and all before it; the rest is dropped. A
    line about a return to an earlier checkpoint therefore carries the step returned to.

    Args:
        run: the run folder; without log.jsonl nothing happens.
        step: the checkpoint's step.

    Raises:
        WspaceError: the log cannot be read or written.
    """
    path = run / "log.jsonl"
    if not path.exists():
        return
    keep = offset = 0
    try:
        with open(path, "rb+") as file:
            while line := file.readline(MAX_LINE_BYTES):
                offset += len(line)
                if line.endswith(b"\n") and (logged := _step(line)) is not None and logged <= step:
                    keep = offset
            file.truncate(keep)
    except OSError as error:
        raise WspaceError(
            f"cannot cut {path}: {error.strerror}: make the run folder writable."
        ) from None


def _step(line: bytes) -> int | None:
    try:
        step = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return step if type(step) is int else None


def _whole_size(descriptor: int) -> int:
    """Bytes up to the end of the last whole line."""
    end = os.fstat(descriptor).st_size
    while end:
        start = max(0, end - 2**16)
        block = os.pread(descriptor, end - start, start)
        if (found := block.rfind(b"\n")) >= 0:
            return start + found + 1
        end = start
    return 0


def _warn(message: str) -> None:
    warnings.warn(message, RuntimeWarning, stacklevel=3)
