"""Damage to valid input, as accidents and strangers make it.

Every choice on the way comes from a `Choices`: hypothesis makes them in the tests, and shrinks what
fails; a seeded random generator makes them in the long campaign, at a hundred times the speed.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

# Values that parsers stumble over, one for each kind of trouble.
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 7, 64, 2**16, 2**31, 2**53 + 1, 2**64, 10**30, 0.5, -0.0,
    1e-320, 1e308, float("nan"), float("inf"), -float("inf"), "", "0", "nan", "..", "../a", "\0",
    "\ud800", "é" * 300, "x" * 5000, "a\nb", [], {}, [None], [[]], [0], ["a", 0], {"": None},
    [1] * 500, {"a": {"b": [1]}},
]  # fmt: skip
ODD_TEXT = ["[" * 2000, '{"a":' * 2000, "[" * 100_000, "9" * 5000, "1e999", "NaN", '"\\ud800"', ""]

_ODD_BYTES = [b"\0", b"\xff", b"\0" * 8, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\n", b'"', b"{", b"PK"]


class Choices(Protocol):
    """Where the choices come from."""

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""

    def data(self, max_size: int) -> bytes:
        """Any bytes."""

    def text(self, max_size: int) -> str:
        """Any text."""


class DrawnChoices:
    """Made by hypothesis."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw

    def integer(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def pick(self, options: Sequence[T]) -> T:
        return self._draw(st.sampled_from(options))

    def data(self, max_size: int) -> bytes:
        return self._draw(st.binary(max_size=max_size))

    def text(self, max_size: int) -> str:
        return self._draw(st.text(max_size=max_size))


class RandomChoices:
    """Made by a random generator."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def integer(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def pick(self, options: Sequence[T]) -> T:
        return self._random.choice(options)

    def data(self, max_size: int) -> bytes:
        return self._random.randbytes(self._random.randint(0, max_size))

    def text(self, max_size: int) -> str:
        length = self._random.randint(0, max_size)
        highest = self._random.choice([127, 127, 0x7FF, 0xD7FF])
        return "".join(chr(self._random.randint(0, highest)) for _ in range(length))


@st.composite
def drawn(draw: st.DrawFn, make: Callable[[Choices], T]) -> T:
    """What ``make`` makes of hypothesis's choices."""
    return make(DrawnChoices(draw))


def mutated_bytes(choose: Choices, seeds: list[bytes]) -> bytes:
    """One of ``seeds`` with one to four changes: flips, cuts, insertions, repetitions."""
    content = bytearray(choose.pick(seeds))
    for _ in range(choose.integer(1, 4)):
        at = choose.integer(0, len(content))
        length = choose.pick([1, 1, 2, 4, 8, 64, 1000])
        match choose.pick(["flip", "set", "odd", "delete", "repeat", "cut", "insert"]):
            case "flip" if at < len(content):
                content[at] ^= 1 << choose.integer(0, 7)
            case "set" if at < len(content):
                content[at] = choose.integer(0, 255)
            case "odd":
                odd = choose.pick(_ODD_BYTES)
                content[at : at + len(odd)] = odd
            case "delete":
                del content[at : at + length]
            case "repeat":
                content[at:at] = content[at : at + length]
            case "cut":
                del content[at:]
            case "insert":
                content[at:at] = choose.data(8)
    return bytes(content)


def mutated_json(choose: Choices, seeds: list[Any]) -> Any:
    """One of ``seeds`` (JSON data) with one to three values replaced, removed, added or wrapped."""
    value = copy.deepcopy(choose.pick(seeds))
    for _ in range(choose.integer(1, 3)):
        holder: Any = [value]
        key: Any = 0
        while isinstance(holder[key], (dict, list)) and holder[key] and choose.integer(0, 5):
            holder = holder[key]
            keys = list(holder) if isinstance(holder, dict) else list(range(min(len(holder), 50)))
            key = choose.pick(keys)
        root = holder[key] is value or not isinstance(value, (dict, list))
        new = copy.deepcopy(choose.pick(ODD_VALUES))
        change = choose.pick(["replace", "replace", "remove", "add", "wrap"])
        if change == "remove" and not root:
            del holder[key]
        elif change == "add" and not root:
            if isinstance(holder, dict):
                holder[choose.pick(["", "version", "a", "\ud800", "x" * 300])] = new
            else:
                holder.insert(key, new)
        elif root:
            value = new if change == "replace" else [value] if change == "wrap" else value
        else:
            holder[key] = [holder[key]] if change == "wrap" else new
    return value


def mutated_json_bytes(choose: Choices, seeds: list[Any]) -> bytes:
    """JSON text with odd values in it, odd text, or damaged bytes."""
    kind = choose.integer(0, 9)
    if kind == 0:
        return choose.pick(ODD_TEXT).encode("utf-8", "surrogatepass")
    if kind <= 2:
        return mutated_bytes(choose, [json.dumps(seed).encode() for seed in seeds])
    return json.dumps(mutated_json(choose, seeds)).encode()
