"""Named directions in the W of a model: one safetensors file beside the model's own.

``MODEL.safetensors`` has them in ``MODEL.directions.safetensors``, so that finding, renaming and
removing them leaves the model as it is. The tensor "directions" is (K, w_dim), float32; the header
is JSON, and nothing in the file is executed.
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

from wspace.errors import WspaceError, reason
from wspace.files import atomic_path
from wspace.formats.model_file import find_model, model_sha256
from wspace.networks.generator import Generator
from wspace.plain import Length, Range, check, from_plain, to_plain
from wspace.recipe.recipe import MAX_LAYERS, MAX_NAME, Edit

__all__ = [
    "MAX_DIRECTIONS",
    "SUFFIX",
    "Direction",
    "check_name",
    "directions_path",
    "read_directions",
    "write_directions",
]

SUFFIX = ".directions.safetensors"
VERSION = 1
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
        header = from_plain(_Header, written, what="its header")
        fits = vectors.dtype == torch.float32 and vectors.isfinite().all()
        if not fits or vectors.shape != (len(header.directions), generator.w_dim):
            raise ValueError(f"{tuple(vectors.shape)} numbers for {len(header.directions)} names")
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror or error}: check it.") from None
    except (safetensors.SafetensorError, ValueError, KeyError, RecursionError) as error:
        raise WspaceError(f"{path} holds no directions ({reason(error)}): {advice}.") from None
    if header.model_sha256 != model_sha256(generator):
        raise WspaceError(f"{path} belongs to another model than the one beside it: {advice}.")
    found: dict[str, Direction] = {}
    for entry, vector in zip(header.directions, vectors.tolist(), strict=True):
        name = check_name(entry.name)
        edit = Edit(direction=tuple(vector), layers=entry.layers, name=name)
        found[name] = Direction(edit=edit, about=entry.about)
    return found


def write_directions(path: Path, generator: Generator, directions: Mapping[str, Direction]) -> None:
    """Write directions, whole or not at all, in the place of those that were there.

    Raises:
        WspaceError: a name that cannot be one, too many, or the file cannot be written.
    """
    if len(directions) > MAX_DIRECTIONS:
        raise WspaceError(f"{len(directions)} directions are more than {MAX_DIRECTIONS}.")
    entries = tuple(
        _Entry(name=check_name(name), layers=one.edit.layers, about=one.about)
        for name, one in directions.items()
    )
    header = _Header(version=VERSION, model_sha256=model_sha256(generator), directions=entries)
    rows = [one.edit.direction for one in directions.values()]
    vectors = torch.tensor(rows, dtype=torch.float32).reshape(len(rows), generator.w_dim)
    text: dict[str, Any] = {"wspace-directions": json.dumps(to_plain(header))}
    with atomic_path(path) as temporary:
        safetensors.torch.save_file({"directions": vectors}, temporary, metadata=text)
