"""Numbers in a FlatBuffer of a stranger: tables, fields and vectors, every step within bounds.

Source: https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

__all__ = ["Damaged", "Flat"]


class Damaged(ValueError):  # noqa: N818 - says what a file is
    """Bytes that are not what they should be; the text says why in a few words."""


@dataclass(frozen=True)
class Flat:
    """A table in a buffer.

    Attributes:
        buffer: the whole buffer.
        at: where the table begins.
    """

    buffer: bytes
    at: int

    @classmethod
    def root(cls, buffer: bytes) -> Self:
        """The table that a buffer is about; raises as the others."""
        return cls(buffer, _read(buffer, "<I", 0))

    def number(self, field: int, kind: str) -> int:
        """A field, by its place in the schema; 0 where it is left out.

        Args:
            field: counted from 0.
            kind: as `struct` calls it.

        Raises:
            Damaged: it leads out of the buffer.
        """
        place = self._place(field)
        return 0 if place is None else _read(self.buffer, kind, place)

    def has(self, field: int) -> bool:
        """Whether a field is there."""
        return self._place(field) is not None

    def table(self, field: int) -> Self:
        """The table that a field points to."""
        return type(self)(self.buffer, self._target(field))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """The structs of two 64-bit numbers in the vector that a field points to."""
        if not self.has(field):
            return
        start = self._target(field)
        for index in range(_read(self.buffer, "<I", start)):
            place = start + 4 + 16 * index
            yield _read(self.buffer, "<q", place), _read(self.buffer, "<q", place + 8)

    def _target(self, field: int) -> int:
        place = self._place(field)
        if place is None:
            raise Damaged("a message without what it is about")
        return place + _read(self.buffer, "<I", place)

    def _place(self, field: int) -> int | None:
        layout = self.at - _read(self.buffer, "<i", self.at)
        if 4 + 2 * field + 2 > _read(self.buffer, "<H", layout):
            return None
        offset = _read(self.buffer, "<H", layout + 4 + 2 * field)
        return self.at + offset if offset else None


def _read(buffer: bytes, kind: str, place: int) -> int:
    if not 0 <= place <= len(buffer) - struct.calcsize(kind):
        raise Damaged("a message that leads out of itself")
    return int(struct.unpack_from(kind, buffer, place)[0])
