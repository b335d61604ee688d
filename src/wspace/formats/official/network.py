"""One network of an official file: its tensors by official name, and what it says of itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from wspace.errors import WspaceError, one_line, shown
from wspace.formats.pickles.stored_array import StoredArray

__all__ = ["MAX_NETWORK_BYTES", "Facts", "OfficialNetwork", "TensorReader", "check_size"]

MAX_NETWORK_BYTES = 1 << 30  # StyleGAN3-r at 1024 pixels, the largest official one, has 0.3 GB
_MISSING = object()


@dataclass(frozen=True)
class Facts:
    """Arguments or attributes that a file gives, read one by one and checked.

    Args:
        owner: what they belong to, for messages.
        values: as they stand in the file.
    """

    owner: str
    values: Mapping[str, object]

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def integer(self, name: str, default: object = _MISSING) -> int:
        """A whole number from 0 to a million."""
        value = self._get(name, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not 0 <= value <= 2**20:
            raise self._wrong(name, value, "a whole number from 0 to 1048576")
        return value

    def number(self, name: str, default: object = _MISSING) -> float:
        """A finite number."""
        value = self._get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._wrong(name, value, "a number")
        if abs(value) > 1e30 or not math.isfinite(value):
            raise self._wrong(name, value, "a finite number")
        return float(value)

    def optional_number(self, name: str, default: object = _MISSING) -> float | None:
        """A finite number or None."""
        return None if self._get(name, default) is None else self.number(name, default)

    def optional_integer(self, name: str, default: object = _MISSING) -> int | None:
        """A whole number from 0 to a million, or None."""
        return None if self._get(name, default) is None else self.integer(name, default)

    def flag(self, name: str, default: object = _MISSING) -> bool:
        """True or False."""
        value = self._get(name, default)
        if not isinstance(value, bool) and value not in (0, 1):
            raise self._wrong(name, value, "True or False")
        return bool(value)

    def text(self, name: str, default: object = _MISSING) -> str:
        """A text."""
        value = self._get(name, default)
        if not isinstance(value, str):
            raise self._wrong(name, value, "a text")
        return value

    def filter_taps(self, name: str, default: object = _MISSING) -> tuple[float, ...] | None:
        """Filter taps, up to 64 numbers in one row; None (or an empty row) for no filter."""
        value = self._get(name, default)
        if isinstance(value, StoredArray) and len(value.shape) == 1 and value.num_elements <= 64:
            value = value.tensor().tolist()
        if value is None or value in ([], ()):
            return None
        if not isinstance(value, (list, tuple)) or len(value) > 64:
            raise self._wrong(name, value, "a row of up to 64 filter taps")
        taps = Facts(f"{self.owner}: {name}", {str(i): tap for i, tap in enumerate(value)})
        row = tuple(taps.number(str(i)) for i in range(len(value)))
        if sum(row) == 0:
            raise self._wrong(name, value, "a filter: its taps sum to 0")
        return row

    def refuse_unknown(self, known: set[str]) -> None:
        """Refuse arguments that wspace does not know."""
        if unknown := sorted(name for name in self.values if name not in known):
            raise WspaceError(
                f"{self.owner} was made with the argument {shown(unknown[0])}, which wspace "
                "does not know, so its pictures would come out wrong: give a file of the official "
                "code."
            )

    def refuse_changed(self, name: str, only: object) -> None:
        """Refuse the argument ``name`` unless it is absent or has its only supported value."""
        value = self.values.get(name, only)
        if value != only:
            raise WspaceError(
                f"{self.owner} was made with {name}={_quoted(value)}, which wspace's networks "
                f"cannot do: only {name}={only!r} can be imported."
            )

    def _get(self, name: str, default: object) -> object:
        value = self.values.get(name, default)
        if value is _MISSING:
            raise WspaceError(f"{self.owner} does not say its {name}: the file is damaged.")
        if isinstance(value, StoredArray) and value.num_elements == 1:
            return value.tensor().item()
        return value

    def _wrong(self, name: str, value: object, wanted: str) -> WspaceError:
        return WspaceError(
            f"{self.owner}: {name}={_quoted(value)} is not {wanted}: the file is damaged, or not "
            "made by the official code."
        )


@dataclass(frozen=True)
class OfficialNetwork:
    """A generator or discriminator of an official file.

    Attributes:
        name: "G", "D" or "G_ema".
        generation: 1, 2 or 3, told by the synthesis network; StyleGAN3's discriminator counts as 2.
        tensorflow: whether names and layouts are those of the TensorFlow releases.
        arguments: the constructor's, only those that were given.
        tensors: by official name; scalars may be plain numbers.
        modules: PyTorch only: attributes of each module by its dotted path, "" for the network.
        function: TensorFlow only: the name of the function that builds the network.
    """

    name: str
    generation: Literal[1, 2, 3]
    tensorflow: bool
    arguments: Facts
    tensors: Mapping[str, StoredArray | float]
    modules: Mapping[str, Facts] = field(default_factory=dict)
    function: str = ""

    def module(self, path: str) -> Facts:
        """The attributes of the module at ``path``; refused when there is none."""
        if path not in self.modules:
            raise WspaceError(f"{self.arguments.owner} has no part {path!r}: the file is damaged.")
        return self.modules[path]

    def shape(self, name: str, rank: int) -> tuple[int, ...]:
        """The shape of a tensor, without reading it; refused if missing or of another rank."""
        stored = self.tensors.get(name)
        if stored is None:
            raise self.missing(name)
        shape = stored.shape if isinstance(stored, StoredArray) else ()
        if len(shape) != rank:
            raise WspaceError(
                f"{self.arguments.owner}: {one_line(name)} has {len(shape)} axes, not {rank}: "
                "the file is damaged."
            )
        return shape

    def sides(self, template: str) -> list[int]:
        """4, 8, ... to the largest side for which ``template`` names a tensor.

        The argument ``resolution``, where it was given, must say the same.
        """
        sides = [4]
        while template.format(2 * sides[-1]) in self.tensors:
            sides.append(2 * sides[-1])
        if "resolution" in self.arguments and self.arguments.integer("resolution") != sides[-1]:
            raise WspaceError(
                f"{self.arguments.owner} says resolution={self.arguments.integer('resolution')} "
                f"and has layers up to {sides[-1]} pixels: the file is damaged."
            )
        return sides

    def extra_inputs(self, kernel: str) -> int:
        """How many more inputs than outputs a TensorFlow kernel has: minibatch deviation's."""
        *_, inputs, outputs = self.shape(kernel, 4)
        if inputs < outputs:
            raise WspaceError(f"{self.arguments.owner}: {kernel} lacks inputs: damaged file.")
        return inputs - outputs

    def missing(self, name: str) -> WspaceError:
        """The error for a tensor that should be there."""
        return WspaceError(
            f"{self.arguments.owner} holds no tensor {name!r}: the file is damaged, "
            "or not made by the official code."
        )

    def count(self, template: str) -> int:
        """How many tensors there are with 0, 1, ... in the braces of ``template``, up to a gap."""
        number = 0
        while template.format(number) in self.tensors:
            number += 1
        return number


class TensorReader:
    """Takes the tensors out of an official network one by one, and knows which are left."""

    def __init__(self, network: OfficialNetwork) -> None:
        self.network = network
        self._left = set(network.tensors)

    def __contains__(self, name: str) -> bool:
        return name in self.network.tensors

    def take(self, name: str) -> Tensor:
        """A float32 copy of the tensor ``name``."""
        stored = self.network.tensors.get(name)
        if stored is None:
            raise self.network.missing(name)
        self._left.discard(name)
        tensor = stored.tensor() if isinstance(stored, StoredArray) else torch.tensor(stored)
        return tensor.float()

    def convolution(self, name: str) -> Tensor:
        """A TensorFlow kernel, (k, k, I, O), as (O, I, k, k)."""
        self.network.shape(name, 4)
        return self.take(name).permute(3, 2, 0, 1).contiguous()

    def dense(self, name: str) -> Tensor:
        """A TensorFlow dense weight, (in, out), as (out, in)."""
        self.network.shape(name, 2)
        return self.take(name).T.contiguous()

    def scalar(self, name: str) -> float:
        """The only number of the tensor ``name``."""
        tensor = self.take(name)
        if tensor.numel() != 1:
            raise self.network.missing(name)
        return float(tensor)

    def refuse_growth(self, *names: str) -> None:
        """Refuse a network whose level of detail is not 0: it has not reached its resolution."""
        for name in names:
            lod = self.scalar(name) if name in self else 0.0
            if lod != 0:
                raise WspaceError(
                    f"{self.network.arguments.owner} is still growing (lod={lod:g}; 0 when it has "
                    "reached its full resolution): give a snapshot from later in its training."
                )

    def drop(self, *names: str) -> None:
        """Leave out tensors that wspace has no need of."""
        self._left.difference_update(names)

    def left(self) -> Iterator[str]:
        """The names that nobody took or dropped, sorted."""
        return iter(sorted(self._left))


def check_size(tensors: Mapping[str, StoredArray | float], owner: str, file_bytes: int) -> None:
    """Refuse a network whose tensors take more memory than its file, or than any network does.

    Many names may point to the same bytes of a file, so its size alone bounds nothing.
    """
    total = sum(array.num_bytes for array in tensors.values() if isinstance(array, StoredArray))
    if total > min(file_bytes, MAX_NETWORK_BYTES):
        raise WspaceError(
            f"{owner} declares {total} bytes of tensors in a file of {file_bytes} bytes: "
            "the file is damaged or hostile, and was not imported."
        )


def _quoted(value: object) -> str:
    """A plain value as messages quote it; of anything else the kind."""
    numbers = isinstance(value, (list, tuple)) and all(
        isinstance(entry, (int, float)) for entry in value[:64]
    )
    plain = isinstance(value, (str, int, float)) or value is None or numbers
    return shown(value) if plain else f"a {type(value).__name__}"
