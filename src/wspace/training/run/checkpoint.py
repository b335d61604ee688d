"""Checkpoints: all that an exact resume needs, written whole or not at all.

A checkpoint is a folder ``kimg-000123.456`` with ``state.safetensors`` (the tensors),
``state.json`` (plain data, and where each tensor belongs) and ``manifest.json`` (size and SHA-256
of both), written last. It is made under a temporary name, flushed and then renamed. Nothing in it
is ever executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from wspace.errors import WspaceError, reason
from wspace.files import flush_file, sync_folder, system_reason

__all__ = ["load_checkpoint", "newest_checkpoint", "save_checkpoint"]

FORMAT_VERSION = 1
MAX_JSON_BYTES = 8 * 2**20
MAX_DEPTH = 50
_NAME = re.compile(r"kimg-([0-9]{6,12}\.[0-9]{3})(?:-([0-9]{1,9}))?")
_TEMPORARY, _DELETED = ".unfinished-", ".deleted-"
_FILES = ("state.safetensors", "state.json")


class _TornError(Exception):
    """A checkpoint is not whole; the text says why."""


def save_checkpoint(
    folder: Path, state: dict[str, Any], *, kimg: float, keep: int, keep_every: int
) -> Path:
    """Write a checkpoint, then delete the ones that are no longer kept.

    Args:
        folder: RUN/checkpoints; made where it is missing. One process at a time writes to it.
        state: nested dicts (keys str or int), lists and tuples of tensors, int, float, str, bool
            and None. Tensors keep type, shape and memory layout; they come back on the CPU.
        kimg: thousands of real images seen; becomes the name.
        keep: how many of the newest are kept, >= 1.
        keep_every: every keep_every-th one is kept for good; 0 keeps none of them.

    Returns:
        The folder of the new checkpoint. A second one at the same kimg gets a suffix.

    Raises:
        WspaceError: it cannot be written; earlier checkpoints are then untouched.
    """
    tensors: dict[str, Tensor] = {}
    plain = _pack(state, "state", tensors)
    temporary = folder / f"{_TEMPORARY}{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        number = 1 + max((_number(path) for path in _checkpoints(folder)), default=0)
        temporary.mkdir()
        safetensors.torch.save_file(tensors, temporary / "state.safetensors")
        (temporary / "state.json").write_text(json.dumps(plain), encoding="utf-8")
        # safetensors makes files that only their owner may read.
        (temporary / _FILES[0]).chmod((temporary / _FILES[1]).stat().st_mode)
        manifest: dict[str, Any] = {"version": FORMAT_VERSION, "number": number, "kimg": kimg}
        manifest["files"] = {name: _describe(temporary / name) for name in _FILES}
        for name in _FILES:
            flush_file(temporary / name)
        (temporary / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        flush_file(temporary / "manifest.json")
        sync_folder(temporary)
        path = _free_name(folder, kimg)
        temporary.rename(path)
        sync_folder(folder)
    except (OSError, safetensors.SafetensorError) as error:
        raise WspaceError(
            f"cannot write a checkpoint in {folder}: {system_reason(error)}: free some space or "
            "make the folder writable; earlier checkpoints are untouched."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _prune(folder, path, keep=keep, keep_every=keep_every)
    return path


def newest_checkpoint(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint, every byte of it checked.

    Args:
        folder: RUN/checkpoints, which may be missing.

    Returns:
        Its path, None where there is no whole one; and a message for each torn one skipped.

    Raises:
        WspaceError: the folder cannot be read.
    """
    messages = []
    for path in reversed(_checkpoints(folder)):
        try:
            _check(path)
        except _TornError as error:
            messages.append(f"{path} is not whole ({error}): skipped.")
        else:
            return path, messages
    return None, messages


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Args:
        path: a folder that `save_checkpoint` or `newest_checkpoint` named.

    Returns:
        The state as it was saved: tensors (on the CPU) with type, shape and memory layout, numbers
        exactly.

    Raises:
        WspaceError: it is not whole, or no checkpoint.
    """
    try:
        _check(path)
        plain = _read_json(path / "state.json")
        tensors = safetensors.torch.load_file(path / "state.safetensors")
        state = _unpack(plain, tensors)
        if not isinstance(state, dict):
            raise _TornError("state.json holds no object")
    except (_TornError, OSError, ValueError, safetensors.SafetensorError) as error:
        why = error.strerror if isinstance(error, OSError) else reason(error)
        raise WspaceError(
            f"the checkpoint {path} is not whole ({why}): delete it to go on from an older one."
        ) from None
    return state


def _pack(value: Any, where: str, tensors: dict[str, Tensor]) -> Any:
    """JSON data for ``value``; its tensors go into ``tensors`` under readable names.

    What JSON has no word for is an object with one key: $tensor, $tuple or $items.
    """
    if isinstance(value, Tensor):
        detached = value.detach()
        # A copy of its own: safetensors refuses tensors that share memory.
        tensors[where] = detached.to("cpu", copy=True).contiguous()
        stride = list(detached.stride())
        packed: dict[str, Any] = {"$tensor": where}
        # Strides of an empty tensor: even a contiguous one may keep odd strides where a side is 1.
        default = torch.empty(value.shape, device="meta").stride()
        if stride != list(default) and _is_dense(list(value.shape), stride):
            packed["stride"] = stride
        return packed
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, dict):
        items = [(k, _pack(v, _join(where, k), tensors)) for k, v in value.items()]
        if all(type(k) is str and not k.startswith("$") for k, _ in items):
            return dict(items)
        assert all(type(k) in (str, int) for k, _ in items), f"keys of {where!r}"
        return {"$items": [[k, v] for k, v in items]}
    if isinstance(value, (list, tuple)):
        packed_list = [_pack(v, _join(where, i), tensors) for i, v in enumerate(value)]
        return packed_list if isinstance(value, list) else {"$tuple": packed_list}
    raise TypeError(f"{where}: a checkpoint holds tensors and plain data, no {type(value)}")


def _join(where: str, key: Any) -> str:
    escaped = str(key).replace("~", "~0").replace("/", "~1")
    kind = "" if isinstance(key, str) else "~i"  # 1 and "1" stay apart
    return f"{where}/{escaped}{kind}"


def _unpack(value: Any, tensors: dict[str, Tensor], depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise _TornError(f"state.json is nested deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return [_unpack(v, tensors, depth + 1) for v in value]
    if not isinstance(value, dict):
        return value
    if "$tensor" in value:
        return _restore(value, tensors)
    if "$tuple" in value:
        return tuple(_unpack(_list(value["$tuple"]), tensors, depth + 1))
    if "$items" in value:
        pairs = [_list(pair) for pair in _list(value["$items"])]
        if any(len(pair) != 2 or type(pair[0]) not in (str, int) for pair in pairs):
            raise _TornError("state.json has items that are no pairs")
        return {k: _unpack(v, tensors, depth + 1) for k, v in pairs}
    return {k: _unpack(v, tensors, depth + 1) for k, v in value.items()}


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _TornError("state.json has no list where one belongs")
    return value


def _restore(value: dict[str, Any], tensors: dict[str, Tensor]) -> Tensor:
    name, stride = value["$tensor"], value.get("stride")
    if not isinstance(name, str) or name not in tensors:
        raise _TornError(f"state.safetensors has no tensor {str(name)[:80]!r}")
    # A copy: what safetensors gives is a map of a file that may be deleted or replaced.
    if stride is None:
        return tensors[name].clone()
    if not _is_dense(list(tensors[name].shape), stride):
        raise _TornError(f"state.json has an impossible memory layout for {name!r}")
    restored = torch.empty_strided(tensors[name].shape, stride, dtype=tensors[name].dtype)
    return restored.copy_(tensors[name])


def _is_dense(shape: list[int], stride: Any) -> bool:
    """Whether these strides visit each element of a block of memory exactly once."""
    if not isinstance(stride, list) or len(stride) != len(shape):
        return False
    if not all(type(s) is int and 0 <= s < 2**62 for s in stride):
        return False
    expected = 1
    for step, size in sorted((s, n) for s, n in zip(stride, shape, strict=True) if n != 1):
        if step != expected:
            return False
        expected *= size
    return True


def _check(path: Path) -> None:
    """Compare a checkpoint with its manifest, sizes first; raises _TornError."""
    for name, entry in _read_manifest(path)["files"].items():
        try:
            with open(path / name, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _TornError(f"{name}: {error.strerror}") from None
        if digest != entry["sha256"]:
            raise _TornError(f"the checksum of {name} is wrong")


def _read_manifest(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint whose files have the sizes that it says."""
    manifest = _read_json(path / "manifest.json", limit=2**16)
    try:
        version, files = manifest["version"], manifest["files"]
        entries = [files[name] for name in _FILES]
        described = all(
            type(entry["size"]) is int and type(entry["sha256"]) is str for entry in entries
        )
        if len(files) != len(_FILES) or not described or type(manifest["number"]) is not int:
            raise _TornError("manifest.json is no manifest")
    except (KeyError, TypeError):
        raise _TornError("manifest.json is no manifest") from None
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise _TornError(f"format version {version!r:.20}, this wspace reads {FORMAT_VERSION}")
    for name, entry in zip(_FILES, entries, strict=True):
        size = _size(path / name)
        if size != entry["size"]:
            raise _TornError(f"{name} has {size} bytes, its manifest says {entry['size']}")
    return dict(manifest)


def _read_json(path: Path, limit: int = MAX_JSON_BYTES) -> Any:
    if _size(path) > limit:
        raise _TornError(f"{path.name} is larger than {limit} bytes")
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise _TornError(f"{path.name}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise _TornError(f"{path.name} is no JSON") from None


def _size(path: Path) -> int:
    try:
        if not path.is_file():
            raise _TornError(f"{path.name} is missing")
        return path.stat().st_size
    except OSError as error:
        raise _TornError(f"{path.name}: {error.strerror}") from None


def _describe(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "sha256": digest}


def _checkpoints(folder: Path) -> list[Path]:
    """All checkpoints, torn ones too, oldest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise WspaceError(f"cannot read {folder}: {error.strerror}: check the path.") from None
    found = [(match, name) for name in names if (match := _NAME.fullmatch(name))]
    found.sort(key=lambda pair: (float(pair[0][1]), int(pair[0][2] or 1)))
    return [folder / name for _, name in found]


def _number(path: Path) -> int:
    """Which checkpoint of its run it is, counted from 1; 0 for a torn one."""
    try:
        return int(_read_manifest(path)["number"])
    except _TornError:
        return 0


def _free_name(folder: Path, kimg: float) -> Path:
    return next(path for path in _names(folder, kimg) if not os.path.lexists(path))


def _names(folder: Path, kimg: float) -> Iterator[Path]:
    path = folder / f"kimg-{kimg:010.3f}"
    yield path
    copy = 2
    while True:
        yield path.with_name(f"{path.name}-{copy}")
        copy += 1


def _prune(folder: Path, newest: Path, *, keep: int, keep_every: int) -> None:
    """Delete what is older than ``newest`` and neither among the newest ``keep`` nor for good."""
    paths = _checkpoints(folder)
    older = paths[: paths.index(newest)]
    whole = [(path, number) for path in older if (number := _number(path))]
    kept = {path for path, _ in whole[max(0, len(whole) - (keep - 1)) :]}
    kept |= {path for path, number in whole if keep_every and number % keep_every == 0}
    for path in older:
        if path not in kept:
            # Renamed first: a process killed here leaves nothing that looks like a checkpoint.
            with contextlib.suppress(OSError):
                path.rename(path.with_name(f"{_DELETED}{path.name}"))
    _remove_leftovers(folder)


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left: the run's lock says that nobody else writes here."""
    for path in folder.iterdir():
        if path.name.startswith((_TEMPORARY, _DELETED)):
            shutil.rmtree(path, ignore_errors=True)
