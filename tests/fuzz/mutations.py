"""Damage to valid input, as accidents and strangers make it, for hypothesis to choose from."""

import copy
import json
from typing import Any

from hypothesis import strategies as st

# Values that parsers stumble over, one for each kind of trouble.
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 7, 64, 2**16, 2**31, 2**53 + 1, 2**64, 10**30, 0.5, -0.0,
    1e-320, 1e308, float("nan"), float("inf"), -float("inf"), "", "0", "nan", "..", "../a", "\0",
    "\ud800", "é" * 300, "x" * 5000, "a\nb", [], {}, [None], [[]], [0], ["a", 0], {"": None},
    [1] * 500, {"a": {"b": [1]}},
]  # fmt: skip
ODD_TEXT = ["[" * 2000, '{"a":' * 2000, "[" * 100_000, "9" * 5000, "1e999", "NaN", '"\\ud800"', ""]

_ODD_BYTES = [b"\0", b"\xff", b"\0" * 8, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\n", b'"', b"{", b"PK"]


@st.composite
def mutated_bytes(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """One of ``seeds`` with one to four changes: flips, cuts, insertions, repetitions."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([1, 1, 2, 4, 8, 64, 1000]))
        match draw(st.sampled_from(["flip", "set", "odd", "delete", "repeat", "cut", "insert"])):
            case "flip" if at < len(content):
                content[at] ^= 1 << draw(st.integers(0, 7))
            case "set" if at < len(content):
                content[at] = draw(st.integers(0, 255))
            case "odd":
                odd = draw(st.sampled_from(_ODD_BYTES))
                content[at : at + len(odd)] = odd
            case "delete":
                del content[at : at + length]
            case "repeat":
                content[at:at] = content[at : at + length]
            case "cut":
                del content[at:]
            case "insert":
                content[at:at] = draw(st.binary(max_size=8))
    return bytes(content)


@st.composite
def mutated_json(draw: st.DrawFn, seeds: list[Any]) -> Any:
    """One of ``seeds`` (JSON data) with one to three values replaced, removed, added or swapped."""
    value = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 3))):
        holder: Any = [value]
        key: Any = 0
        while isinstance(holder[key], (dict, list)) and holder[key] and draw(st.integers(0, 5)):
            holder = holder[key]
            keys = list(holder) if isinstance(holder, dict) else list(range(min(len(holder), 50)))
            key = draw(st.sampled_from(keys))
        root = holder[key] is value or not isinstance(value, (dict, list))
        new = copy.deepcopy(draw(st.sampled_from(ODD_VALUES)))
        change = draw(st.sampled_from(["replace", "replace", "remove", "add", "wrap"]))
        if change == "remove" and not root:
            del holder[key]
        elif change == "add" and not root:
            if isinstance(holder, dict):
                holder[draw(st.sampled_from(["", "version", "a", "\ud800", "x" * 300]))] = new
            else:
                holder.insert(key, new)
        elif root:
            value = new if change == "replace" else [value] if change == "wrap" else value
        else:
            holder[key] = [holder[key]] if change == "wrap" else new
    return value


def mutated_json_bytes(seeds: list[Any]) -> st.SearchStrategy[bytes]:
    """JSON text with odd values in it, odd text, or damaged bytes."""
    as_text = [json.dumps(seed).encode() for seed in seeds]
    return st.one_of(
        mutated_json(seeds).map(lambda value: json.dumps(value).encode()),
        mutated_json(seeds).map(lambda value: json.dumps(value).encode()),
        mutated_bytes(as_text),
        st.sampled_from(ODD_TEXT).map(lambda text: text.encode("utf-8", "surrogatepass")),
    )
