"""Writing files whole or not at all, and where what is kept between runs lies."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import safetensors

from wspace.errors import WspaceError

__all__ = [
    "atomic_folder",
    "atomic_path",
    "atomic_write_bytes",
    "atomic_write_text",
    "cache_root",
    "check_absent",
    "check_file",
    "check_folder",
    "flush_file",
    "read_limited",
    "remove_leftovers",
    "sync_folder",
    "system_reason",
]

# The names of `atomic_path`, and those that safetensors itself writes to before it renames.
_LEFTOVER = re.compile(r"\..*\.[0-9a-f]{8}\.tmp(\..*)?|\.tmp[A-Za-z0-9]{6}", re.DOTALL)


def cache_root() -> Path | None:
    """Where things are kept that can be made again: ``$WSPACE_CACHE``, or ~/.cache/wspace.

    Returns:
        None where the second is to be taken and cannot be had: the user has no home folder, or one
        that cannot be written. What would be kept is then made each time.
    """
    if root := os.environ.get("WSPACE_CACHE"):
        return Path(root)
    try:
        usual = Path.home() / ".cache" / "wspace"
    except RuntimeError:  # the system does not know the user, and $HOME is not set
        return None
    return usual if os.path.exists(usual) or _can_be_made(usual) else None


def check_folder(folder: Path | str) -> Path:
    """Whether files can be written into a folder that may be there or not; touches nothing.

    Returns:
        The folder.

    Raises:
        WspaceError: they cannot.
    """
    folder = Path(folder)
    there = _nearest(folder)
    if not there.is_dir():
        raise WspaceError(f"cannot write into {folder}: {there} is a file: choose another place.")
    if not _can_be_made(folder):
        raise WspaceError(
            f"cannot write into {folder}: {there} cannot be written: choose another place."
        )
    return folder


def check_file(path: Path | str) -> Path:
    """Whether a file can be written whose folder may be there or not; touches nothing.

    Returns:
        The path.

    Raises:
        WspaceError: it cannot.
    """
    path = Path(path)
    if path.is_dir():
        raise WspaceError(f"cannot write {path}: it is a folder: name a file.")
    check_folder(path.parent)
    return path


def _can_be_made(folder: Path) -> bool:
    """Whether a folder is there and can be written, or can be made."""
    there = _nearest(folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    whole = path.absolute()
    return next(one for one in (whole, *whole.parents) if os.path.lexists(one))


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it is flushed and renamed onto it.

    Whatever goes wrong inside, ``path`` keeps what it held before and the temporary is removed.

    Args:
        path: the file to make; its folder is created.

    Raises:
        WspaceError: the system refused (no space, read-only folder, path is a folder).
    """
    path = Path(path)
    # The suffix stays last: writers such as Pillow and PyAV choose the format by it.
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        rights = temporary.stat().st_mode  # some writers put a file that only its owner may read
        yield temporary
        temporary.chmod(rights)
        flush_file(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    except (OSError, safetensors.SafetensorError) as error:
        raise WspaceError(
            f"cannot write {path}: {system_reason(error)}: free some space or choose another place."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(folder: Path | str) -> Iterator[Path]:
    """Yield a temporary folder beside ``folder``; on success it is renamed to it.

    Whatever goes wrong inside, nothing of it stays.

    Args:
        folder: the folder to make, which is not there yet; the one it lies in is created.

    Raises:
        WspaceError: something is there already, or the system refused.
    """
    folder = Path(folder)
    check_absent(folder)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise WspaceError(
            f"cannot write {folder}: {system_reason(error)}: free some space or choose another "
            "place."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_absent(path: Path | str) -> Path:
    """Whether something new can be made at a place where nothing lies; touches nothing.

    Returns:
        The path.

    Raises:
        WspaceError: something is there, or it cannot be written.
    """
    path = Path(path)
    if os.path.lexists(path):
        raise WspaceError(f"{path} is there already: remove it, or choose another name.")
    check_folder(path.parent)
    return path


def atomic_write_bytes(path: Path | str, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all; raises as `atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def atomic_write_text(path: Path | str, content: str) -> None:
    """Write ``content`` as UTF-8 to ``path``, whole or not at all; raises as `atomic_path`."""
    atomic_write_bytes(path, content.encode())


def read_limited(
    path: Path | str, most: int, *, missing: str = "check the path", large: str = "make it smaller"
) -> bytes:
    """The content of a file that a stranger may have made.

    Args:
        path: of it.
        most: bytes that it may have.
        missing: what to do where it cannot be read.
        large: likewise, or what it is not, where it is larger.

    Raises:
        WspaceError: it cannot be read, or is larger.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror}: {missing}.") from None
    if len(content) > most:
        raise WspaceError(f"{path} is larger than {most} bytes: {large}.")
    return content


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half-written in ``folder``, where no other one writes."""
    for path in folder.iterdir():
        if _LEFTOVER.fullmatch(path.name):
            with contextlib.suppress(OSError):
                path.unlink()


def flush_file(path: Path) -> None:
    """Have the system put a file's content on the disk; raises OSError."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def system_reason(error: Exception) -> str:
    """What the system says of a failed write, in a few words."""
    return (isinstance(error, OSError) and error.strerror) or str(error)
