"""What directions are looked for: attributes that some pictures have and others lack.

An attribute may settle others: who wears a hat shows no colour of hair. Such others are not counted
among what a direction changes beside.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from wspace.metrics.judge import Judging

__all__ = ["Wanted", "beside", "name_of", "wanted_attributes"]

LEAST_SHARE = 0.03  # of the pictures that have an attribute, and that lack it
VALUES_OF_KIND = 3  # the commonest ones
NOTHING = ("null", "none")  # values of pictures that lack what a kind is about
SAME = 0.97  # of pictures that two attributes part alike: then one of them is enough
SETTLED = 0.8  # of what guessing gets wrong about a kind, that another kind's value tells


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An attribute that pictures have or lack.

    Attributes:
        name: of the direction.
        kind: such as "accessoriesVariant".
        value: such as "round"; None: any but `NOTHING`.
    """

    name: str
    kind: str
    value: str | None

    def in_decisions(self, judging: Judging, decisions: Tensor) -> Tensor:
        """Which pictures have it: (N, kinds), as a judge decides, to (N,), bool."""
        return torch.isin(_column(judging, decisions, self.kind), self.codes(judging))

    def lacking(self, judging: Judging, decisions: Tensor) -> Tensor:
        """Which could get it: they have another value, and not nothing; (N, kinds) to (N,), bool.

        Glasses can become round ones only where there are glasses.
        """
        lack = ~self.in_decisions(judging, decisions)
        if self.value is None or self.value in NOTHING:
            return lack
        return lack & ~_nothing(judging, decisions, self.kind)

    def codes(self, judging: Judging) -> Tensor:
        """The numbers of the values that count as having it, int64."""
        values = judging.judge.values[self.kind]
        if self.value is None:
            return torch.tensor([i for i, v in enumerate(values) if v not in NOTHING])
        return torch.tensor([values.index(self.value)])


def name_of(kind: str, value: str | None = None) -> str:
    """A name that can stand in edits, for an attribute and its value.

    >>> name_of("hairColor", "2c1b18")
    'hair-color-2c1b18'
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind).lower().removesuffix("-variant")
    if value is not None:
        words += "-" + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", value).lower()
    return re.sub(r"[^\w]+", "-", words).strip("-")


def wanted_attributes(
    judging: Judging, decisions: Tensor, *, most: int | None = VALUES_OF_KIND
) -> list[Wanted]:
    """What directions can be looked for: attributes that some pictures have, and some lack.

    Of several that part the pictures alike, such as a hat and its colour, the one of the shortest
    name is taken.

    Args:
        judging: only kinds that it sees clearly count.
        decisions: (N, kinds), on pictures of the model.
        most: values of each kind, the commonest ones; None for all.
    """
    found: list[Wanted] = []
    for kind in judging.clear:
        values = judging.judge.values[kind]
        some = [value for value in values if value not in NOTHING]
        every = [Wanted(name=name_of(kind, v), kind=kind, value=v) for v in some]
        if len(some) < len(values):
            anything = Wanted(name=name_of(kind), kind=kind, value=None)
            every = [anything, *every] if len(some) > 1 else [anything]
        shares = [float(one.in_decisions(judging, decisions).double().mean()) for one in every]
        kept = [i for i, share in enumerate(shares) if LEAST_SHARE <= share <= 1 - LEAST_SHARE]
        named = sorted((i for i in kept if every[i].value), key=lambda i: -shares[i])
        found += [every[i] for i in kept if every[i].value is None]
        found += [every[i] for i in named[:most]]
    parts = [one.in_decisions(judging, decisions) for one in found]
    taken: list[int] = []
    for i in sorted(range(len(found)), key=lambda i: len(found[i].name)):
        agree = [float((parts[i] == parts[k]).double().mean()) for k in taken]
        if not any(same >= SAME or same <= 1 - SAME for same in agree):
            taken.append(i)
    return [found[i] for i in sorted(taken)]


def beside(judging: Judging, wanted: Wanted) -> tuple[str, ...]:
    """The kinds that a direction should leave alone: clearly seen, and not settled by the wanted.

    Args:
        judging: says so by what it saw in real pictures.
        wanted: whose kind is not among them.
    """
    real, kind = judging.real.decisions, wanted.kind
    appears = wanted.value is None or wanted.value in NOTHING
    return tuple(
        other
        for other in judging.clear
        if other != kind
        and not _settles(judging, real, kind, other)
        and not (appears and _settles(judging, real, other, kind))
    )


def _settles(judging: Judging, decisions: Tensor, kind: str, other: str) -> bool:
    """Whether the value of one kind tells if there is anything of the other's."""
    nothing = _nothing(judging, decisions, other)
    guessed = min(int(nothing.sum()), int((~nothing).sum()))
    if guessed == 0:
        return False
    values = _column(judging, decisions, kind)
    wrong = 0
    for value in values.unique():
        own = nothing[values == value]
        wrong += min(int(own.sum()), int((~own).sum()))
    return wrong <= (1 - SETTLED) * guessed


def _nothing(judging: Judging, decisions: Tensor, kind: str) -> Tensor:
    values = judging.judge.values[kind]
    codes = torch.tensor([i for i, v in enumerate(values) if v in NOTHING], dtype=torch.int64)
    return torch.isin(_column(judging, decisions, kind), codes)


def _column(judging: Judging, decisions: Tensor, kind: str) -> Tensor:
    return decisions[:, list(judging.judge.values).index(kind)]
