"""Named directions of a model, in W and in style space: one safetensors file beside its own.

``MODEL.safetensors`` has them in ``MODEL.directions.safetensors``, so that finding, renaming and
removing them leaves the model as it is. The header is JSON, and nothing in the file is executed.
Two tensors hold what it names, one after the other: "directions" is (K, w_dim), float32, a row for
each in W; "channels" is (C, 3), float32: style, channel and amount (`Edit.channels`) of those in
style space, which a file of version 1 has none of.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from wspace.errors import WspaceError, reason
from wspace.files import atomic_path
from wspace.formats.finding import find_model
from wspace.formats.hub import PREFIX
from wspace.formats.model_file import model_sha256
from wspace.networks.generator import Generator
from wspace.plain import Length, Range, check, from_plain, to_plain
from wspace.recipe.editing import known_direction
from wspace.recipe.recipe import MAX_CHANNELS, MAX_LAYERS, MAX_NAME, Edit

__all__ = [
    "MAX_DIRECTIONS",
    "SUFFIX",
    "Direction",
    "check_name",
    "directions_path",
    "directions_to_write",
    "read_directions",
    "rename_direction",
    "write_directions",
]

SUFFIX = ".directions.safetensors"
VERSION = 2  # the first that knows style space; files without it are of version 1
MAX_DIRECTIONS = 1000
MAX_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class Direction:
    """A direction that a model has.

    Attributes:
        edit: strength 1 along it, with its name; its layers hold where an edit names none.
        about: how it was found, in a few words.
    """

    edit: Edit
    about: str = ""


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A direction as the header has it."""

    name: Annotated[str, Length(1, MAX_NAME)]
    layers: Annotated[tuple[int, ...] | None, Length(1, MAX_LAYERS), Range(0, 255)] = None
    about: Annotated[str, Length(0, 1000)] = ""
    channels: Annotated[int | None, Range(1, MAX_CHANNELS)] = None  # how many; None: it lies in W

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class _Header:
    version: Annotated[int, Range(1, VERSION)]
    model_sha256: str
    directions: Annotated[tuple[_Entry, ...], Length(0, MAX_DIRECTIONS)]

    def __post_init__(self) -> None:
        check(self)


def directions_path(model: Path | str) -> Path:
    """Where the directions of a model lie, whether there are any or not; raises as `find_model`."""
    return find_model(model).with_suffix(SUFFIX)


def directions_to_write(model: Path | str) -> Path:
    """`directions_path` of a model whose directions are to change.

    Raises:
        WspaceError: as `find_model`, or the model lies in the cache of a hub.
    """
    path = directions_path(model)
    if isinstance(model, str) and model.startswith(PREFIX):
        raise WspaceError(
            f"{model} is the hub's: copy {find_model(model)} to a file of your own, and change the "
            "directions of that."
        )
    return path


def check_name(name: str) -> str:
    """The name of a direction, if it can stand in ``--edit NAME=STRENGTH``.

    Raises:
        WspaceError: it is empty or long, or holds what separates edits.
    """
    plain = name.isprintable() and name == name.strip() and not set(name) & set("=,@")
    if not plain or not 1 <= len(name) <= MAX_NAME:
        raise WspaceError(
            f"{name!r:.60} is no name for a direction: give 1 to {MAX_NAME} characters without "
            "= , @ and spaces at the ends."
        )
    return name


def read_directions(path: Path, generator: Generator) -> dict[str, Direction]:
    """The directions of a file, by name; none where there is no file.

    Args:
        path: of the file; see `directions_path`.
        generator: the model that they belong to.

    Raises:
        WspaceError: the file cannot be read, is none of directions, or belongs to another model.
    """
    if not path.exists():
        return {}
    advice = "remove it, or find directions again with `wspace directions find`"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WspaceError(f"{path} is larger than {MAX_BYTES} bytes: {advice}.")
        with safetensors.safe_open(path, framework="pt") as file:
            written = json.loads((file.metadata() or {})["wspace-directions"])
            vectors = file.get_tensor("directions")
            channels = torch.zeros(0, 3)
            if "channels" in file.keys():  # noqa: SIM118  the file itself cannot be asked
                channels = file.get_tensor("channels")
        header = from_plain(_Header, written, what="its header")
        edits = _edits(header, vectors, channels, generator.w_dim)
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror or error}: check it.") from None
    except (safetensors.SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise WspaceError(f"{path} holds no directions ({reason(error)}): {advice}.") from None
    if header.model_sha256 != model_sha256(generator):
        raise WspaceError(f"{path} belongs to another model than the one beside it: {advice}.")
    found: dict[str, Direction] = {}
    for entry, edit in zip(header.directions, edits, strict=True):
        found[edit.name] = Direction(edit=edit, about=entry.about)
    return found


def _edits(header: _Header, vectors: Tensor, channels: Tensor, w_dim: int) -> list[Edit]:
    """The edits that a header names; ValueError where the numbers are not theirs."""
    counts = [entry.channels or 0 for entry in header.directions]
    for numbers, shape in ((vectors, (counts.count(0), w_dim)), (channels, (sum(counts), 3))):
        fits = numbers.dtype == torch.float32 and numbers.isfinite().all()
        if not fits or numbers.shape != shape:
            raise ValueError(f"{tuple(numbers.shape)} numbers where {shape} belong")
    if (channels[:, :2] % 1 != 0).any():
        raise ValueError("styles and channels that are no whole numbers")
    in_w, in_style = iter(vectors.tolist()), channels.split(counts)
    edits = []
    for entry, own in zip(header.directions, in_style, strict=True):
        where: dict[str, Any] = {"layers": entry.layers, "name": check_name(entry.name)}
        if entry.channels is None:
            where["direction"] = tuple(next(in_w))
        else:
            where["channels"] = tuple((int(s), int(c), amount) for s, c, amount in own.tolist())
        edits.append(Edit(**where))
    return edits


def write_directions(path: Path, generator: Generator, directions: Mapping[str, Direction]) -> None:
    """Write directions, whole or not at all, in the place of those that were there.

    Raises:
        WspaceError: a name that cannot be one, too many, or the file cannot be written.
    """
    if len(directions) > MAX_DIRECTIONS:
        raise WspaceError(f"{len(directions)} directions are more than {MAX_DIRECTIONS}.")
    edits = [one.edit for one in directions.values()]
    entries = tuple(
        _Entry(
            name=check_name(name),
            layers=one.edit.layers,
            about=one.about,
            channels=None if one.edit.channels is None else len(one.edit.channels),
        )
        for name, one in directions.items()
    )
    rows = [edit.direction for edit in edits if edit.direction is not None]
    channels = [channel for edit in edits for channel in edit.channels or ()]
    stored = {"directions": torch.tensor(rows).reshape(len(rows), generator.w_dim)}
    if channels:
        stored["channels"] = torch.tensor(channels)
    version = 2 if channels else 1
    header = _Header(version=version, model_sha256=model_sha256(generator), directions=entries)
    written = to_plain(header)
    for entry in written["directions"]:
        if entry["channels"] is None:
            del entry["channels"]  # which version 1 does not know
    text: dict[str, Any] = {"wspace-directions": json.dumps(written)}
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(stored, temporary, metadata=text)


def rename_direction(
    model: Path | str, generator: Generator, name: str, new_name: str
) -> dict[str, Direction]:
    """Give a direction of a model another name, in its file.

    Args:
        model: as `find_model` takes it.
        generator: that model.
        name: of a direction that it has.
        new_name: that no other has.

    Returns:
        All directions, in their order.

    Raises:
        WspaceError: there is no such direction, the new name is taken or cannot be one, or the
            file cannot be written.
    """
    path = directions_to_write(model)
    known = read_directions(path, generator)
    known_direction(name, {key: one.edit for key, one in known.items()})
    if check_name(new_name) in known:
        raise WspaceError(f"there is a direction {new_name!r} already: remove it first.")
    renamed = {
        new_name if key == name else key: one
        if key != name
        else Direction(edit=one.edit.replace(name=new_name), about=one.about)
        for key, one in known.items()
    }
    write_directions(path, generator, renamed)
    return renamed
