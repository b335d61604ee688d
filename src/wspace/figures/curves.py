"""Curves as SVG for a page: small, in the page's own colours, readable at a phone's width."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["CURVE_STYLE", "Curve", "chart"]

Point = tuple[float, float]

# For the page's style sheet: a colour a curve, for light and for dark pages.
CURVE_STYLE = """
:root { --c0: #0b62b8; --c1: #b4410e; --c2: #0b7a4b; --c3: #7a3fb0; --grid: #d8d8d8; }
@media (prefers-color-scheme: dark) {
  :root { --c0: #6cb2ff; --c1: #ff9d6b; --c2: #5fd39a; --c3: #c79bff; --grid: #3c3c42; }
}
svg.chart { width: 100%; height: auto; display: block; }
svg.chart text { fill: currentColor; font: 11px system-ui, sans-serif; }
svg.chart .grid { stroke: var(--grid); stroke-width: 1; }
svg.chart polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.c0 { stroke: var(--c0); fill: var(--c0); } .c1 { stroke: var(--c1); fill: var(--c1); }
.c2 { stroke: var(--c2); fill: var(--c2); } .c3 { stroke: var(--c3); fill: var(--c3); }
"""
_DASHES = ("", "6 3", "2 3", "8 3 2 3")
MAX_CURVES = len(_DASHES)

_WIDTH, _HEIGHT = 360, 216
_LEFT, _RIGHT, _TOP, _BOTTOM = 42, 12, 10, 38
_MOST_POINTS = 180  # a curve is averaged down to these
_SPIKES = 0.01  # this share of values, the largest ones, does not stretch the axis


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A named line through points (x, y), x ascending; with dots where each point is a measure."""

    name: str
    points: Sequence[Point]
    dots: bool = False

    def averaged(self) -> Curve:
        """The curve with `_MOST_POINTS` points at most, means of those that lie together."""
        count = math.ceil(len(self.points) / _MOST_POINTS)
        if count == 1:
            return self
        groups = [self.points[i : i + count] for i in range(0, len(self.points), count)]
        means = [tuple(sum(values) / len(group) for values in zip(*group, strict=True))
                 for group in groups]  # fmt: skip
        return Curve(name=self.name, points=[(x, y) for x, y in means], dots=self.dots)


def chart(
    curves: Sequence[Curve],
    *,
    about: str,
    end: float,
    below: Callable[[float], str],
    high: float | None = None,
    y_text: Callable[[float], str] = "{:g}".format,
) -> str:
    """Draw curves over one x axis, which begins at 0.

    Args:
        curves: 1 to 4, each with at least one point.
        about: what is shown, for those who cannot see it; first and last values are added.
        end: of the x axis, > 0.
        below: a second line under each mark of the x axis.
        high: the upper end of the y axis; None: what the values ask for.
        y_text: a mark of the y axis as text.

    Returns:
        An ``<svg>`` that needs `CURVE_STYLE`, and under it a line that names the curves.
    """
    shown = [curve.averaged() for curve in curves]
    values = sorted(y for curve in shown for _, y in curve.points)
    low = min(0.0, values[0])
    top = values[math.ceil((1 - _SPIKES) * len(values)) - 1] if high is None else high
    top = top if top > low else low + 1

    def place(point: Point) -> Point:
        x = _LEFT + point[0] / end * (_WIDTH - _LEFT - _RIGHT)
        share = min(max((point[1] - low) / (top - low), 0.0), 1.0)
        return x, _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for y in _marks(low, top, 4):
        _, at = place((0.0, y))
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        )
        parts.append(_text(y_text(y), _LEFT - 5, at + 4, "end"))
    for x in _marks(0.0, end, 4):
        at, _ = place((x, low))
        anchor = "end" if at > _WIDTH - _RIGHT - 20 else "middle"
        parts.append(_text(f"{x:g}", at, _HEIGHT - _BOTTOM + 15, anchor))
        parts.append(_text(below(x), at, _HEIGHT - _BOTTOM + 29, anchor))
    for number, curve in enumerate(shown):
        parts.append(_line(number, [place(point) for point in curve.points], curve.dots))
    label = f"{about}: " + "; ".join(_in_words(curve, y_text) for curve in curves)
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'aria-label="{html.escape(label)}">{"".join(parts)}</svg>' + _legend(curves, y_text)
    )


def _line(number: int, points: list[Point], dots: bool) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    line = (
        f'<polyline class="c{number}" style="fill:none" stroke-dasharray="{_DASHES[number]}" '
        f'points="{joined}"/>'
    )
    if dots or len(points) == 1:
        line += "".join(
            f'<circle class="c{number}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in points
        )
    return line


def _legend(curves: Sequence[Curve], y_text: Callable[[float], str]) -> str:
    entries = "".join(
        f'<span><svg width="26" height="8" aria-hidden="true"><line class="c{number}" x1="0" '
        f'x2="26" y1="4" y2="4" stroke-width="2" stroke-dasharray="{_DASHES[number]}"/></svg> '
        f"{html.escape(curve.name)} <b>{html.escape(y_text(_last(curve)))}</b></span>"
        for number, curve in enumerate(curves)
    )
    return f'<p class="legend">{entries}</p>'


def _in_words(curve: Curve, y_text: Callable[[float], str]) -> str:
    first = y_text(_rounded(curve.points[0][1]))
    return f"{curve.name} from {first} to {y_text(_last(curve))}"


def _last(curve: Curve) -> float:
    """The mean of the last twentieth of a curve; of measures, the last one."""
    count = 1 if curve.dots else max(len(curve.points) // 20, 1)
    return _rounded(sum(y for _, y in curve.points[-count:]) / count)


def _rounded(value: float) -> float:
    """To three digits, as it is written."""
    return float(f"{value:.3g}")


def _marks(low: float, high: float, about: int) -> list[float]:
    """Round numbers from low to high, about so many."""
    rough = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * k for k in (1, 2, 2.5, 5, 10) if unit * k >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [
        float(f"{k * step:.6g}")
        for k in range(first, math.floor(high / step + 1e-9) + 1)
    ]  # fmt: skip


def _text(text: str, x: float, y: float, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'
