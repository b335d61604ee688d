"""Directions from labels, with a judge whose decisions are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import wspace
from wspace.discovery.labelled import Wanted, labelled_directions, name_of, wanted_attributes
from wspace.errors import WspaceError
from wspace.metrics.judge import Classifier, Judge, Judged, Judging
from wspace.networks.generator import Generator

SMALL: dict[str, Any] = {"samples": 300, "tried": 60}


class Brightness(Classifier):
    """Sees whether red is above what it mostly is, and which of three blues there is."""

    def __init__(self, red: float, blues: tuple[float, float]) -> None:
        super().__init__(16, 16, 3, (2, 3))
        self.red, self.blues = red, blues

    def forward(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        means = pixels.double().mean(dim=(2, 3))
        red = torch.stack([self.red - means[:, 0], means[:, 0] - self.red], dim=1)
        low, high = self.blues
        blue = (means[:, 2] > low).long() + (means[:, 2] > high).long()
        return means, [red, torch.nn.functional.one_hot(blue, 3).double() * 9]


def judging(red: float, blues: tuple[float, float], *clear: str) -> Judging:
    values = {"redVariant": ("null", "red"), "blueColor": ("dark", "middle", "Bright2")}
    judge = Judge(id="test", network=Brightness(red, blues), values=values)
    nothing = Judged(
        features=torch.zeros(0), decisions=torch.zeros(0, 2), sureness=torch.zeros(0, 2)
    )
    known = dict.fromkeys(values, 1.0)
    return Judging(
        judge=judge, real=nothing, indices=np.arange(0), accuracy=known, commonest=known,
        clear=clear or tuple(values),
    )  # fmt: skip


@pytest.fixture(scope="module")
def usual(tiny_generator: Generator) -> tuple[float, tuple[float, float]]:
    """Thresholds that part the model's pictures."""
    pixels = wspace.render(tiny_generator, wspace.recipes(seeds=range(200))).pixels
    means = pixels.mean(axis=(1, 2))
    low, high = np.quantile(means[:, 2], [0.3, 0.7])
    return float(np.quantile(means[:, 0], 0.6)), (float(low), float(high))


def test_the_found_step_gives_the_attribute_to_half_of_unseen_pictures(
    tiny_generator: Generator, usual: tuple[float, tuple[float, float]]
) -> None:
    judge = judging(*usual, "redVariant")
    found = labelled_directions(tiny_generator, judge, **SMALL)
    assert list(found) == ["red"]
    edit = found["red"].edit
    recipes = wspace.recipes(seeds=range(5000, 5200))
    plain = wspace.render(tiny_generator, recipes).pixels.mean(axis=(1, 2))[:, 0]
    edited = wspace.render(tiny_generator, [r.replace(edits=(edit,)) for r in recipes])
    moved = edited.pixels.mean(axis=(1, 2))[:, 0]
    lacked = plain <= usual[0]
    gained = (moved[lacked] > usual[0]).mean()
    assert 0.3 <= gained <= 0.7
    assert "redVariant is there" in found["red"].about


def test_each_of_several_values_has_a_direction(
    tiny_generator: Generator, usual: tuple[float, tuple[float, float]]
) -> None:
    said: list[str] = []
    told: list[tuple[int, int]] = []
    found = labelled_directions(
        tiny_generator, judging(*usual), **SMALL, say=said.append,
        progress=lambda done, of: told.append((done, of)),
    )  # fmt: skip
    names = {"red", "blue-color-dark", "blue-color-middle", "blue-color-bright2"}
    assert set(found) | {line.split(" ")[0] for line in said} == names
    assert {"red", "blue-color-dark"} <= set(found)
    assert told[-1] == (4, 4)


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


def test_a_model_that_shows_nothing_of_it_is_told(tiny_generator: Generator) -> None:
    with pytest.raises(WspaceError, match="no direction to find"):
        labelled_directions(tiny_generator, judging(-1.0, (300.0, 400.0)), **SMALL)


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
