"""What `SafeUnpickler` makes of a pickle besides plain values, and the limits of one file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = [
    "AllowedGlobal",
    "ForbiddenNameError",
    "Limits",
    "Pending",
    "PickleRefusedError",
    "Record",
]


class PickleRefusedError(Exception):
    """The file is no pickle, is damaged, or asks for what is not allowed; the text says which."""


class ForbiddenNameError(PickleRefusedError):
    """The file names a global that is not on the allow-list."""


@dataclass
class Limits:
    """What one file may spend in all, its nested pickles included."""

    # StyleGAN3's files take some 40 000 opcodes at every resolution, StyleGAN2's 70 000 at 1024
    # pixels; half a million of the greediest (each an empty set) make about 120 MB.
    opcodes: int = 500_000
    text_bytes: int = 64_000_000
    items: int = 1_000_000  # of lists that calls copy

    def spend_opcode(self) -> None:
        """Count one opcode; raises `PickleRefusedError` when there were too many."""
        self.opcodes -= 1
        if self.opcodes < 0:
            raise PickleRefusedError("it has more opcodes than any official file")

    def spend_text(self, num_bytes: int) -> None:
        """Count text that will be decoded; raises `PickleRefusedError` when it is too much."""
        self.text_bytes -= num_bytes
        if self.text_bytes < 0:
            raise PickleRefusedError("it holds more text than any official file")

    def spend_items(self, count: int) -> None:
        """Count items that a call copies: the same list may be passed to many calls."""
        self.items -= count
        if self.items < 0:
            raise PickleRefusedError("it copies more items than any official file")


@dataclass(frozen=True)
class AllowedGlobal:
    """A name that files may mention, and wspace's own functions that stand in for it.

    Args:
        name: the dotted name, for messages.
        reduce: builds what calling the global would (REDUCE), from the call's arguments; None
            refuses calls.
        new: builds an empty instance (NEWOBJ); None refuses instances.
    """

    name: str
    reduce: Callable[..., object] | None = None
    new: Callable[[], object] | None = None


@dataclass(eq=False)
class Record:
    """An instance of a class that a file names: the name, and the state that it was given."""

    class_name: str
    state: object = None


@dataclass(eq=False)
class Pending:
    """A value that the BUILD opcode completes: ``build`` makes the final value from the state."""

    build: Callable[[object], object]
    memo_keys: list[int] = field(default_factory=list)  # where the final value replaces this one
