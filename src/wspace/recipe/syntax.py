"""Seeds, layers and values per layer, as they are written on the command line and in forms.

Seeds are ``0-3,7,12-14``. Layers are numbers and ranges of ws, or a group: ``0-3,6,8-`` or
``coarse``. Anything per layer is ``VALUE@LAYERS,VALUE@LAYERS``.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, TypeVar

from wspace.errors import WspaceError, shown

__all__ = [
    "MAX_SEED",
    "MAX_SEEDS",
    "Layers",
    "check_seeds",
    "format_seeds",
    "parse_crossover",
    "parse_layers",
    "parse_numbers",
    "parse_per_layer",
    "parse_seeds",
    "seed_range",
    "spread_per_layer",
]

MAX_SEED = 2**32 - 1  # what NumPy's RandomState takes
MAX_SEEDS = 1_000_000  # in one list

_T = TypeVar("_T")


class HasLayers(Protocol):
    """A generator, as far as `Layers` needs to know it."""

    @property
    def num_ws(self) -> int:
        """Layers of ws."""

    @property
    def block_layers(self) -> tuple[tuple[int, ...], ...]:
        """Those of each block; see `Layers`."""


@dataclass(frozen=True)
class Layers:
    """The layers that a generator's ws has, and the names they go by.

    Attributes:
        num_ws: how many there are.
        block_layers: the layers of each block from 4² up; empty for StyleGAN3.
    """

    num_ws: int
    block_layers: tuple[tuple[int, ...], ...] = ()

    @classmethod
    def of(cls, generator: HasLayers) -> Self:
        """The layers of a generator."""
        return cls(generator.num_ws, generator.block_layers)

    @property
    def groups(self) -> dict[str, range]:
        """coarse, middle and fine: layers 0-3, 4-7 and 8-; thirds in StyleGAN3."""
        n = self.num_ws
        first, second = (4, 8) if self.block_layers else (n // 3, 2 * n // 3)
        return {
            "coarse": range(min(first, n)),
            "middle": range(min(first, n), min(second, n)),
            "fine": range(min(second, n), n),
        }

    def describe(self) -> str:
        """Such as "this model has layers 0-5: coarse 0-3, middle 4-5"."""
        named = ", ".join(f"{k} {_span(v)}" for k, v in self.groups.items() if len(v))
        return f"this model has layers {_span(range(self.num_ws))}: {named}"

    def name(self, layers: tuple[int, ...]) -> str:
        """A short name for a set of layers: a group's, or ranges such as "0-3,6"."""
        chosen = sorted(layers)
        if chosen == list(range(self.num_ws)):
            return "all layers"
        for group, members in self.groups.items():
            if members and chosen == list(members):
                return f"{group} layers {_span(members)}"
        spans: list[range] = []
        for layer in chosen:
            if spans and spans[-1].stop == layer:
                spans[-1] = range(spans[-1].start, layer + 1)
            else:
                spans.append(range(layer, layer + 1))
        return f"layers {','.join(_span(span) for span in spans)}"


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read a list of seeds such as ``0-3,7,12-14``, in the order given, repeats kept.

    >>> parse_seeds("0-3,7,2")
    (0, 1, 2, 3, 7, 2)

    Raises:
        WspaceError: not such a list, a range that runs backwards, a seed above 2**32 - 1.
    """
    example = "give numbers and ranges such as 0-3,7,12-14"
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,10})(?:-(\d{1,10}))?\s*", part, re.ASCII)
        if match is None:
            raise WspaceError(f"seeds {shown(text)}: {shown(part)} is no seed: {example}.")
        first = int(match[1])
        last = int(match[2] or first)
        if last < first:
            raise WspaceError(f"seeds {shown(text)}: the range {part} runs backwards: {example}.")
        if last > MAX_SEED:
            raise WspaceError(f"seed {last} is above {MAX_SEED}: {example}.")
        if len(seeds) + last - first >= MAX_SEEDS:
            raise WspaceError(f"seeds {shown(text)} are more than {MAX_SEEDS}: give fewer.")
        seeds.extend(range(first, last + 1))
    return tuple(seeds)


def format_seeds(seeds: Sequence[int]) -> str:
    """The inverse of `parse_seeds`.

    >>> format_seeds([0, 1, 2, 3, 7, 2])
    '0-3,7,2'
    """
    spans: list[tuple[int, int]] = []
    for seed in seeds:
        if spans and seed == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], seed)
        else:
            spans.append((seed, seed))
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def seed_range(first: int, count: int) -> range:
    """The seeds ``first`` and on.

    Raises:
        WspaceError: fewer than one, or some are outside 0 to 2**32 - 1.
    """
    check_seeds([first])
    if count < 1:
        raise WspaceError(f"{count} seeds are too few: give 1 or more.")
    if first + count - 1 > MAX_SEED:
        raise WspaceError(
            f"{count} seeds from {first} on pass the last one, {MAX_SEED}: begin at "
            f"{MAX_SEED - count + 1} or before, or take fewer."
        )
    return range(first, first + count)


def check_seeds(seeds: Iterable[int]) -> None:
    """Whether all are seeds: whole numbers, Python's or NumPy's, from 0 to 2**32 - 1.

    Raises:
        WspaceError: the first that is none.
    """
    given: Iterable[Any] = seeds
    for seed in given:
        if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
            raise WspaceError(f"seed={shown(seed)} is no whole number from 0 to {MAX_SEED}.")
        if not 0 <= int(seed) <= MAX_SEED:
            raise WspaceError(f"seed={shown(seed)} is outside 0 to {MAX_SEED}.")


def parse_layers(text: str, layers: Layers) -> tuple[int, ...]:
    """Read a list of layers such as ``0-3,6``, ``8-``, ``coarse`` or ``coarse,6``.

    >>> parse_layers("0-2,6,8-", Layers(num_ws=10))
    (0, 1, 2, 6, 8, 9)

    Returns:
        The layers, ascending, each once.

    Raises:
        WspaceError: not such a list, a layer that the model does not have, or a group
            that is empty in it.
    """
    chosen: set[int] = set()
    for part in text.split(","):
        chosen.update(_layer_span(part.strip(), layers))
    return tuple(sorted(chosen))


def parse_per_layer(
    text: str,
    layers: Layers,
    convert: Callable[[str], _T],
    *,
    what: str,
    default: _T | None = None,
) -> _T | tuple[_T, ...]:
    """Read ``VALUE`` or ``VALUE@LAYERS,VALUE@LAYERS``.

    LAYERS may hold commas: ``0.5@0-3,6,1@8-`` gives layer 6 the value 0.5. A first entry without
    ``@`` is the value of the layers that no other entry names: ``0.7,1@8-``.

    >>> parse_per_layer("0.7,1@2-", Layers(num_ws=4), float, what="psi")
    (0.7, 0.7, 1.0, 1.0)

    Args:
        text: what the user wrote.
        layers: the model's layers.
        convert: makes a value of its text; raises ValueError.
        what: the values are, for messages.
        default: the value of layers that nothing names; None where each must be named.

    Returns:
        One value for all layers, or ``num_ws`` of them.

    Raises:
        WspaceError: not such a list, a layer named twice, or one not named without a default.
    """
    entries: list[tuple[str, list[str]]] = []
    base = default
    for i, part in enumerate(text.split(",")):
        value, at, where = part.partition("@")
        if at:
            entries.append((value.strip(), [where]))
        elif entries:
            entries[-1][1].append(part)  # a comma inside LAYERS
        elif i == 0:
            base = _convert(value.strip(), convert, what)
        else:
            raise WspaceError(
                f"{what} {shown(text)}: {shown(part)} has no layers: write "
                "VALUE@LAYERS,VALUE@LAYERS, such as 0.5@0-3,1@4-."
            )
    if not entries:
        assert base is not None
        return base
    found: dict[int, _T] = {}
    for value, spans in entries:
        converted = _convert(value, convert, what)
        for layer in parse_layers(",".join(spans), layers):
            if layer in found:
                raise WspaceError(f"{what} {shown(text)} names layer {layer} twice: name it once.")
            found[layer] = converted
    missing = tuple(i for i in range(layers.num_ws) if i not in found)
    if base is None and missing:
        raise WspaceError(
            f"{what} {shown(text)} leaves out {layers.name(missing)}: give every layer a value; "
            f"{layers.describe()}."
        )
    return tuple(found.get(i, base) for i in range(layers.num_ws))  # type: ignore[misc]


def parse_numbers(text: str, *, what: str) -> tuple[float, ...]:
    """Read numbers such as ``-1,0,0.5,1``; ``what`` they are stands in messages.

    Raises:
        WspaceError: something else than numbers.
    """
    try:
        return tuple(float(value) for value in text.split(","))
    except ValueError:
        raise WspaceError(f"{what} {shown(text)}: give numbers such as -1,0,0.5,1.") from None


def parse_crossover(text: str, layers: Layers) -> int:
    """Read where one picture's layers end and another's begin.

    Args:
        text: a layer, 0 to num_ws, or ``block:K`` for the first layer of block K; block 0 is 4².
        layers: the model's layers.

    Returns:
        The first layer of the second picture.

    Raises:
        WspaceError: no number, or outside the model.
    """
    if text.startswith("block:"):
        blocks = layers.block_layers
        if not blocks:
            raise WspaceError(
                f"crossover {shown(text)}: StyleGAN3 has no blocks: give a layer, "
                f"0 to {layers.num_ws}."
            )
        number = text.removeprefix("block:")
        if not (_is_number(number) and int(number) < len(blocks)):
            raise WspaceError(
                f"crossover {shown(text)}: there is no such block: give block:0 (4x4) to "
                f"block:{len(blocks) - 1}, or a layer, 0 to {layers.num_ws}."
            )
        return blocks[int(number)][0]
    if not (_is_number(text) and int(text) <= layers.num_ws):
        raise WspaceError(
            f"crossover {shown(text)} is outside this model: give a layer, 0 to {layers.num_ws}, "
            "or block:K."
        )
    return int(text)


def spread_per_layer(value: _T | tuple[_T, ...], num_ws: int) -> tuple[_T, ...]:
    """One value a layer, from one for all or one a layer."""
    return value if isinstance(value, tuple) else (value,) * num_ws


def _layer_span(part: str, layers: Layers) -> range:
    """The layers that one entry of a list names."""
    if part in layers.groups:
        if not layers.groups[part]:
            raise WspaceError(f"layers {shown(part)} are empty here: {layers.describe()}.")
        return layers.groups[part]
    match = re.fullmatch(r"(\d{1,4})(?:(-)(\d{1,4})?)?", part, re.ASCII)
    if match is None:
        raise WspaceError(
            f"layers {shown(part)}: give numbers, ranges such as 0-3 or 8-, or a group; "
            f"{layers.describe()}."
        )
    first = int(match[1])
    last = int(match[3]) if match[3] else layers.num_ws - 1 if match[2] else first
    if max(first, last) >= layers.num_ws:
        raise WspaceError(f"layer {max(first, last)} does not exist: {layers.describe()}.")
    if last < first:
        raise WspaceError(f"layers {shown(part)} run backwards: give {last}-{first}.")
    return range(first, last + 1)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,9}", text) is not None


def _convert(value: str, convert: Callable[[str], _T], what: str) -> _T:
    try:
        return convert(value)
    except WspaceError:
        raise
    except ValueError:
        raise WspaceError(
            f"{what} {shown(value)} is no value: write one, or VALUE@LAYERS,VALUE@LAYERS."
        ) from None


def _span(span: range) -> str:
    return str(span[0]) if len(span) == 1 else f"{span[0]}-{span[-1]}"
