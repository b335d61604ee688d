"""Official StyleGAN pickles as plain data: nothing in the file is imported, called or executed."""

from __future__ import annotations

import mmap
from pathlib import Path

from wspace.errors import WspaceError
from wspace.formats.pickles.allowed import official_globals
from wspace.formats.pickles.unpickler import SafeUnpickler
from wspace.formats.pickles.values import ForbiddenNameError, Limits, PickleRefusedError

__all__ = ["read_pickle"]

_PROTO = 0x80  # the opcode that every pickle since protocol 2 starts with


def read_pickle(path: Path | str) -> object:
    """Read the pickle at ``path`` without trusting it.

    Args:
        path: a file; it stays mapped for as long as an array of the result lives.

    Returns:
        None, bool, int, float, str, list, tuple, dict, set, frozenset, memoryview (bytes),
        `StoredArray` and `Storage` (NumPy and PyTorch tensors, still in the file), `Record`
        (instances of ``dnnlib.tflib.network.Network`` and of what ``torch_utils.persistence``
        wrote) and `AllowedGlobal` (a class or element type that stands as a value).

    Raises:
        WspaceError: the file cannot be read, is no pickle, is damaged, asks for anything that is
            not on the allow-list, or wants more than the limits.
    """
    path = Path(path)
    data = _map(path)
    _refuse_other_formats(path, data)
    limits = Limits()
    try:
        return SafeUnpickler(data, official_globals(limits), limits).load()
    except PickleRefusedError as error:
        if data[0] != _PROTO and not isinstance(error, ForbiddenNameError):
            raise WspaceError(_no_pickle(path, "it does not start like one")) from None
        raise WspaceError(
            f"cannot import {path}: {error} (nothing in the file was executed): "
            "give an official StyleGAN, StyleGAN2, StyleGAN2-ADA or StyleGAN3 network pickle."
        ) from None


def _map(path: Path) -> memoryview:
    """The file's bytes, read from the disk only where they are looked at."""
    try:
        with open(path, "rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError:  # mmap refuses an empty file
        raise WspaceError(_no_pickle(path, "it is empty")) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise WspaceError(f"cannot read {path}: {reason}: give a file that exists.") from error


def _refuse_other_formats(path: Path, data: memoryview) -> None:
    """Name common formats that are no pickle: that says more than the byte at which they fail."""
    head = bytes(data[:256])
    if head.startswith(b"PK\x03\x04"):
        raise WspaceError(_no_pickle(path, "it is a zip archive (a dataset, or a torch.save file)"))
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise WspaceError(_no_pickle(path, "it is a web page: the download went wrong"))
    if head.startswith(b"version https://git-lfs"):
        raise WspaceError(_no_pickle(path, "it is a Git LFS pointer: run git lfs pull"))


def _no_pickle(path: Path, reason: str) -> str:
    return f"cannot import {path}: it is no official StyleGAN pickle: {reason}."
