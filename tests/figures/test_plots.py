"""Plots: what they show, and that the same figures make the same file."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
from PIL import Image

from wspace.errors import WspaceError
from wspace.figures.plots import (
    MOST_VALUES,
    Series,
    bars,
    curves,
    matrix,
    require_plots,
    share_bars,
    written,
)


def test_shares_stand_side_by_side_and_rare_values_are_added_up() -> None:
    many = {f"v{k}": 1 / 40 for k in range(40)}
    attributes = {
        "hat": {"real": {"none": 0.7, "tall": 0.3}, "generated": {"none": 0.9, "tall": 0.1}},
        "top": {"real": many, "generated": many},
    }
    for one in attributes.values():
        one |= {"off": 0.2, "chance": 0.01}  # type: ignore[dict-item]
    figure = share_bars(attributes)
    hat, top = figure.axes
    assert [text.get_text() for text in hat.get_yticklabels()] == ["none", "tall"]
    widths = [bar.get_width() for bar in hat.patches]
    assert widths == [0.7, 0.3, 0.9, 0.1]
    names = [text.get_text() for text in top.get_yticklabels()]
    assert (len(names), names[-1]) == (MOST_VALUES, "all others")
    assert top.patches[MOST_VALUES - 1].get_width() == pytest.approx(27 / 40)


def test_bars_carry_their_intervals() -> None:
    series = [
        Series(name="z", values=[2.0, 3.0], low=[1.5, 2.5], high=[2.5, 4.0]),
        Series(name="w", values=[1.0, 1.0]),
    ]
    figure = bars(["a", "much longer"], series, title="t", value="bits", reference=1.0)
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [2, 3, 1, 1]
    (segments,) = [c.get_segments() for c in axes.collections]
    assert segments[1][:, 1].tolist() == [2.5, 4.0]


def test_a_matrix_says_its_shares() -> None:
    figure = matrix(["hat"], ["0", "1"], np.array([[0.25, 1.0]]), title="t", across="layer")
    assert [text.get_text() for text in figure.axes[0].texts] == ["25%", "100%"]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_same_figure_is_the_same_file(kind: str) -> None:
    def draw() -> bytes:
        series = Series(name="fd", values=[3, 1, 2], low=[2, 0, 1], high=[4, 2, 3])
        drawn = curves([0, 0.5, 1], [series], title="t", across="psi", value="FD")
        return written(drawn, kind)  # type: ignore[arg-type]

    first = draw()
    assert first == draw()
    if kind == "png":
        with Image.open(io.BytesIO(first)) as image:
            assert image.width > 400


def test_missing_matplotlib_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(WspaceError, match=r"pip install 'wspace\[plots\]'"):
        require_plots()
