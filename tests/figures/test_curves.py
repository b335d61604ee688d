"""Curves as SVG: where points lie, what the axes say, and what is said to those who cannot see."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from wspace.figures.curves import MAX_CURVES, Curve, chart


def drawn(*curves: Curve, **changes: Any) -> ElementTree.Element:
    """The chart as a tree, with its legend."""
    options = {"about": "losses", "end": 10.0, "below": "{:g} min".format} | changes
    return ElementTree.fromstring(f"<div>{chart(curves, **options)}</div>")


def points(tree: ElementTree.Element) -> list[list[tuple[float, float]]]:
    lines = [line.get("points") or "" for line in tree.iter("polyline")]
    return [[tuple(map(float, pair.split(","))) for pair in line.split()] for line in lines]  # type: ignore[misc]


def test_points_lie_between_the_axes_in_proportion() -> None:
    ((first, middle, last),) = points(drawn(Curve(name="d", points=[(0, 0), (5, 1), (10, 2)])))
    assert middle[0] == pytest.approx((first[0] + last[0]) / 2, abs=0.1)
    assert middle[1] == pytest.approx((first[1] + last[1]) / 2, abs=0.1)
    assert first[1] > last[1]  # larger values lie higher


def test_the_marks_are_round_and_say_what_lies_below() -> None:
    tree = drawn(Curve(name="d", points=[(0, 0.0), (10, 97.0)]))
    texts = [text.text for text in tree.iter("text")]
    assert texts[:5] == ["0", "25", "50", "75", "0"]
    assert texts[4:] == ["0", "0 min", "2.5", "2.5 min", "5", "5 min", "7.5", "7.5 min",
                         "10", "10 min"]  # fmt: skip


def test_it_says_first_and_last_values_in_words() -> None:
    tree = drawn(Curve(name="D", points=[(0, 3.0), (10, 1.25)]), about="a <loss>")
    (svg, *_) = tree.iter("svg")
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == "a <loss>: D from 3 to 1.25"


def test_long_curves_are_averaged_and_spikes_do_not_flatten_them() -> None:
    values = [(float(i), 1000.0 if i == 500 else 1.0) for i in range(2000)]
    tree = drawn(Curve(name="D", points=values), end=2000.0)
    ((*found,),) = points(tree)
    assert len(found) <= 180
    texts = [text.text for text in tree.iter("text")]
    assert texts[:5] == ["0", "0.25", "0.5", "0.75", "1"]


def test_one_point_is_a_dot_and_measures_are_dots() -> None:
    assert len(list(drawn(Curve(name="D", points=[(1, 1)])).iter("circle"))) == 1
    measured = Curve(name="FD", points=[(1, 1), (2, 2)], dots=True)
    assert len(list(drawn(measured).iter("circle"))) == 2


def test_curves_differ_in_more_than_their_colour() -> None:
    curves = [Curve(name=str(i), points=[(0, i), (1, i)]) for i in range(MAX_CURVES)]
    dashes = [line.get("stroke-dasharray") for line in drawn(*curves).iter("polyline")]
    assert len(set(dashes)) == MAX_CURVES


@pytest.mark.parametrize("value", [0.0, -2.0, 1e-9, 1e9])
def test_any_values_can_be_drawn(value: float) -> None:
    tree = drawn(Curve(name="D", points=[(0, value), (0.004, value)]), end=0.004)
    numbers = re.findall(r"nan|inf", ElementTree.tostring(tree, encoding="unicode"))
    assert numbers == []
