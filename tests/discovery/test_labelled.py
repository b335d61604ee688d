"""Directions from labels, with a judge whose decisions are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from known_judges import judging

import wspace
from wspace.discovery.descent import WSteps
from wspace.discovery.labelled import (
    ENOUGH,
    STRENGTHS,
    Samples,
    Space,
    Trial,
    decisions_on,
    labelled_directions,
    words_of,
)
from wspace.errors import WspaceError
from wspace.networks.generator import Generator

SMALL: dict[str, Any] = {"samples": 300, "tried": 60}


@pytest.fixture(scope="module")
def usual(tiny_generator: Generator) -> tuple[float, tuple[float, float]]:
    """Thresholds that part the model's pictures."""
    pixels = wspace.render(tiny_generator, wspace.recipes(seeds=range(200))).pixels
    means = pixels.mean(axis=(1, 2))
    low, high = np.quantile(means[:, 2], [0.3, 0.7])
    return float(np.quantile(means[:, 0], 0.6)), (float(low), float(high))


@pytest.mark.parametrize(("space", "name"), [("w", "red"), ("style", "style-red")])
def test_the_found_step_gives_the_attribute_to_half_of_unseen_pictures(
    tiny_generator: Generator,
    usual: tuple[float, tuple[float, float]],
    space: Space,
    name: str,
) -> None:
    judge = judging(*usual, "redVariant")
    found = labelled_directions(tiny_generator, judge, space=space, **SMALL)
    assert list(found) == [name]
    edit = found[name].edit
    assert (edit.channels is None) == (space == "w")
    recipes = wspace.recipes(seeds=range(5000, 5200))
    plain = wspace.render(tiny_generator, recipes).pixels.mean(axis=(1, 2))[:, 0]
    edited = wspace.render(tiny_generator, [r.replace(edits=(edit,)) for r in recipes])
    moved = edited.pixels.mean(axis=(1, 2))[:, 0]
    lacked = plain <= usual[0]
    gained = (moved[lacked] > usual[0]).mean()
    assert 0.3 <= gained <= 0.7
    assert "redVariant is there" in found[name].about
    twice = [r.replace(edits=(edit.replace(strength=2.0),)) for r in recipes]
    moved = wspace.render(tiny_generator, twice).pixels.mean(axis=(1, 2))[:, 0]
    assert (moved[lacked] > usual[0]).mean() >= 0.75


def test_a_trial_says_what_a_step_gives_and_what_it_changes_beside(
    tiny_generator: Generator, usual: tuple[float, tuple[float, float]]
) -> None:
    judge = judging(*usual)
    drawn = Samples(tiny_generator, judge, count=200)
    red = next(one for one in drawn.wanted if one.name == "red")
    steps = WSteps(tiny_generator, drawn.w)
    recipes = wspace.recipes(seeds=range(5000, 5060))
    before = decisions_on(tiny_generator, judge, recipes)
    trial = Trial(tiny_generator, judge, red, steps, recipes, before)
    assert trial.of(torch.zeros(8), 1.0) == (0.0, 0.0)
    step = trial.halved(steps.start(drawn.normal(red)))
    assert step is not None
    given, others = trial.of(step, 1.0)
    assert 0.45 <= given <= 0.65
    own = [recipes[i] for i in (before[:, 0] == 0).nonzero()[:, 0].tolist()]
    edit = steps.edit(step)
    after = decisions_on(tiny_generator, judge, [r.replace(edits=(edit,)) for r in own])
    assert given == (after[:, 0] == 1).double().mean()
    assert others == (after[:, 1] != before[before[:, 0] == 0][:, 1]).double().mean()
    assert trial.halved(torch.zeros(8)) is None


def test_the_least_strength_that_gives_it_to_nearly_all_is_told(
    tiny_generator: Generator, usual: tuple[float, tuple[float, float]]
) -> None:
    judge = judging(*usual)
    drawn = Samples(tiny_generator, judge, count=200)
    red = next(one for one in drawn.wanted if one.name == "red")
    steps = WSteps(tiny_generator, drawn.w)
    recipes = wspace.recipes(seeds=range(5000, 5060))
    before = decisions_on(tiny_generator, judge, recipes)
    trial = Trial(tiny_generator, judge, red, steps, recipes, before)
    step = trial.halved(steps.start(drawn.normal(red)))
    assert step is not None
    strength, given, others = trial.enough(step)
    assert (given, others) == trial.of(step, strength)
    less = [one for one in STRENGTHS if one < strength]
    assert all(trial.of(step, one)[0] < ENOUGH for one in less)
    assert given >= ENOUGH or all(trial.of(step, one)[0] <= given for one in STRENGTHS)
    assert trial.enough(8 * step)[0] == 1.0  # the first is enough
    assert trial.enough(torch.zeros(8)) == (1.0, 0.0, 0.0)  # none is
    assert words_of(red, 1.5, 0.962, 0.07) == (
        "labels: redVariant is there; strength 1 gives it to half of the pictures that lack it, "
        "1.5 to 96 %, where 7 % of the other attributes change"
    )


def test_only_the_layers_and_names_that_are_asked_for_are_changed(
    tiny_generator: Generator, usual: tuple[float, tuple[float, float]]
) -> None:
    asked: dict[str, Any] = {"names": ["red"], "layers": (1, 2, 3, 4, 5)} | SMALL
    (in_w,) = labelled_directions(tiny_generator, judging(*usual), **asked).values()
    assert in_w.edit.layers == (1, 2, 3, 4, 5)
    styled = labelled_directions(tiny_generator, judging(*usual), space="style", **asked)
    assert list(styled) == ["style-red"]
    assert 0 not in {style for style, _, _ in styled["style-red"].edit.channels or ()}
    with pytest.raises(WspaceError, match=r"no attribute 'hat'.*give some of red, blue"):
        labelled_directions(tiny_generator, judging(*usual), names=["hat"], **SMALL)


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


def test_a_model_that_shows_nothing_of_it_is_told(tiny_generator: Generator) -> None:
    with pytest.raises(WspaceError, match="no direction to find"):
        labelled_directions(tiny_generator, judging(-1.0, (300.0, 400.0)), **SMALL)
