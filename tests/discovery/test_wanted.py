"""Which attributes are looked for, and what should stay beside them."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from known_judges import judging
from torch import Tensor

from wspace.discovery.wanted import Wanted, beside, name_of, wanted_attributes
from wspace.metrics.judge import Judge, Judged, Judging


def test_only_what_some_have_and_others_lack_is_wanted() -> None:
    judge = judging(0.0, (0.0, 1.0))
    half = torch.tensor([0, 1] * 50)
    decisions = torch.stack([half, torch.full((100,), 2)], dim=1)
    assert wanted_attributes(judge, decisions) == [
        Wanted(name="red", kind="redVariant", value=None)
    ]
    rare = torch.zeros(100, dtype=torch.int64)
    rare[0] = 1
    assert wanted_attributes(judge, torch.stack([rare, rare], dim=1)) == []


VALUES = {
    "glassesVariant": ("none", "round", "square"),
    "glassesColor": ("null", "black", "red"),
    "mouth": ("smile", "sad"),
}


def seeing(*codes: tuple[int, ...]) -> tuple[Judging, Tensor]:
    """A judge that saw these in real pictures, and what it saw."""
    decisions = torch.tensor(codes)
    real = Judged(features=torch.zeros(0), decisions=decisions, sureness=torch.ones(0))
    some = judging(0.0, (0.0, 1.0))
    judge = Judge(id="test", network=some.judge.network, values=VALUES)
    return dataclasses.replace(some, judge=judge, real=real, clear=tuple(VALUES)), decisions


def test_something_and_its_commonest_values_are_wanted_once_each() -> None:
    judge, seen = seeing(*[(0, 0, 0), (1, 1, 0), (2, 2, 1), (2, 1, 0), (0, 0, 1)] * 4)
    names = [one.name for one in wanted_attributes(judge, seen)]
    assert names == [
        "glasses",  # whose colours are there where they are: one of the two is enough
        "glasses-square",
        "glasses-round",
        "glasses-color-black",
        "glasses-color-red",
        "mouth-sad",
    ]


def test_rare_values_are_wanted_where_all_are_asked_for() -> None:
    judge, seen = seeing(*[(0, 0, 0), (1, 1, 1), (2, 1, 0), (1, 1, 0), (2, 1, 1), (0, 0, 1)] * 4)
    rounds = {"glasses-round", "glasses-square"}
    assert rounds <= {one.name for one in wanted_attributes(judge, seen, most=None)}
    assert not rounds <= {one.name for one in wanted_attributes(judge, seen, most=1)}


def test_glasses_become_round_only_where_there_are_some() -> None:
    judge, seen = seeing((0, 0, 0), (1, 1, 0), (2, 2, 1))
    anything = Wanted(name="glasses", kind="glassesVariant", value=None)
    round_ones = Wanted(name="glasses-round", kind="glassesVariant", value="round")
    assert anything.in_decisions(judge, seen).tolist() == [False, True, True]
    assert anything.lacking(judge, seen).tolist() == [True, False, False]
    assert round_ones.in_decisions(judge, seen).tolist() == [False, True, False]
    assert round_ones.lacking(judge, seen).tolist() == [False, False, True]


def test_what_an_attribute_settles_is_not_beside_it() -> None:
    judge, _ = seeing(*[(0, 0, 0), (1, 1, 0), (2, 2, 1), (2, 1, 0), (0, 0, 1)] * 4)
    anything = Wanted(name="glasses", kind="glassesVariant", value=None)
    smile = Wanted(name="mouth-smile", kind="mouth", value="smile")
    assert beside(judge, anything) == ("mouth",)
    assert beside(judge, smile) == ("glassesVariant", "glassesColor")


@pytest.mark.parametrize(
    ("kind", "value", "name"),
    [
        ("accessoriesVariant", None, "accessories"),
        ("hairColor", "2c1b18", "hair-color-2c1b18"),
        ("topVariant", "longButNotTooLong", "top-long-but-not-too-long"),
        ("class", "ankle boot", "class-ankle-boot"),
        ("a=b,c@d", None, "a-b-c-d"),
    ],
)
def test_names_can_stand_in_edits(kind: str, value: str | None, name: str) -> None:
    assert name_of(kind, value) == name
