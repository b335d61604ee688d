"""Plots of what was measured, by matplotlib (``pip install 'wspace[plots]'``)."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from wspace.errors import WspaceError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Series", "bars", "curves", "matrix", "require_plots", "share_bars", "written"]

COLOURS = ("#0b62b8", "#d1661f", "#0b7a4b", "#7a3fb0")  # told apart by colour-blind people, too
MOST_VALUES = 14  # of an attribute, that get a bar; the rest are added up
REST = "all others"


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values of one name, with what they may be off by.

    Attributes:
        name: in the legend.
        values: as many as there are places on the axis.
        low: lower ends of intervals around them, or None.
        high: upper ends.
    """

    name: str
    values: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None


def require_plots() -> None:
    """Raise a WspaceError where matplotlib is missing, before work is done for it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise WspaceError(
            "plots need the package matplotlib, which is not installed: pip install "
            "'wspace[plots]'."
        ) from None


def share_bars(attributes: Mapping[str, Mapping[str, Any]]) -> Figure:
    """How often each value occurs, real beside generated: a small plot an attribute.

    Args:
        attributes: by name, ``real`` and ``generated``: the share of each value, by name; and
            ``off`` and ``chance``; see `attributes.measure`.
    """
    kept = {name: _largest(one) for name, one in attributes.items()}
    columns = 2 if len(kept) > 1 else 1
    rows = -(-len(kept) // columns)
    pairs = list(kept.items())
    most = [
        max(len(own[0]) for _, own in pairs[row * columns : (row + 1) * columns])
        for row in range(rows)
    ]
    figure = _figure(5.2 * columns, sum(0.3 * count + 1.1 for count in most))
    grid = figure.add_gridspec(rows, columns, height_ratios=[count + 3 for count in most])
    for number, (name, (values, sides)) in enumerate(pairs):
        axes = figure.add_subplot(grid[number // columns, number % columns])
        places = np.arange(len(values))[::-1]
        for k, side in enumerate(("real", "generated")):
            axes.barh(places + 0.2 - 0.4 * k, sides[side], 0.38, color=COLOURS[k], label=side)
        axes.set_yticks(places, values)
        axes.set_title(
            f"{name}: off by {attributes[name]['off']:.3f}, by chance "
            f"{attributes[name]['chance']:.3f}",
            loc="left",
            fontsize=10,
        )
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        if number == 0:
            axes.legend(frameon=False, fontsize=9)
        _plain(axes, grid="x")
    return figure


def bars(
    names: Sequence[str],
    series: Sequence[Series],
    *,
    title: str,
    value: str,
    reference: float | None = None,
) -> Figure:
    """Bars side by side, with intervals where they are known.

    Args:
        names: under the bars.
        series: one colour each, at most four.
        title: above the plot.
        value: what is measured, beside the axis.
        reference: a dashed line across.
    """
    figure = _figure(min(max(4.5, 1.6 + 0.3 * len(names) * len(series)), 9.0), 3.6)
    axes = figure.add_subplot()
    places = np.arange(len(names))
    width = 0.8 / len(series)
    for k, one in enumerate(series):
        offset = (k - (len(series) - 1) / 2) * width
        axes.bar(
            places + offset,
            one.values,
            width * 0.95,
            color=COLOURS[k],
            label=one.name,
            yerr=_errors(one),
            ecolor="#444",
            capsize=2,
        )
    if reference is not None:
        axes.axhline(reference, color="#666", linewidth=1, linestyle="--")
    axes.set_xticks(places, names, rotation=30 if max(map(len, names)) > 6 else 0, ha="right")
    if max(map(len, names)) <= 6:
        axes.set_xticks(places, names, ha="center")
    _label(axes, title, None, value)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=9)
    return figure


def matrix(
    rows: Sequence[str],
    columns: Sequence[str],
    values: npt.NDArray[np.float64],
    *,
    title: str,
    across: str,
) -> Figure:
    """Shares as shades, each with its number.

    Args:
        rows: names beside them.
        columns: names under them.
        values: (rows, columns), 0 to 1.
        title: above the plot.
        across: what the columns are.
    """
    figure = _figure(2.6 + 0.6 * len(columns), 1.4 + 0.34 * len(rows))
    axes = figure.add_subplot()
    axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if value > 0.6 else "black"
        axes.text(column, row, f"{value:.0%}", ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel(across)
    axes.set_title(title, loc="left", fontsize=10)
    return figure


def curves(
    x: Sequence[float],
    series: Sequence[Series],
    *,
    title: str,
    across: str,
    value: str,
    scale: Literal["linear", "log"] = "linear",
) -> Figure:
    """Lines through points, with bands where intervals are known.

    Args:
        x: where the points are.
        series: at most four.
        title: above the plot.
        across: what x is.
        value: what is measured.
        scale: of the values.
    """
    figure = _figure(5.2, 3.2)
    axes = figure.add_subplot()
    for k, one in enumerate(series):
        axes.plot(x, one.values, color=COLOURS[k], marker="o", markersize=3, label=one.name)
        if one.low is not None and one.high is not None:
            axes.fill_between(x, one.low, one.high, color=COLOURS[k], alpha=0.15, linewidth=0)
    axes.set_yscale(scale)
    _label(axes, title, across, value)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=9)
    return figure


def written(figure: Figure, kind: Literal["png", "svg"] = "png") -> bytes:
    """A figure as a file's content; the same figure gives the same bytes."""
    import matplotlib

    buffer = io.BytesIO()
    # Neither the time nor random names of SVG's parts.
    with matplotlib.rc_context({"svg.hashsalt": "wspace"}):
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(buffer, format=kind, dpi=110, metadata=metadata)
    return buffer.getvalue()


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _largest(one: Mapping[str, Any]) -> tuple[list[str], dict[str, list[float]]]:
    """The commonest values of an attribute by name, and their shares on both sides."""
    sides = {side: dict(one[side]) for side in ("real", "generated")}
    order = sorted(
        sides["real"], key=lambda name: -max(side.get(name, 0) for side in sides.values())
    )
    kept = order if len(order) <= MOST_VALUES else order[: MOST_VALUES - 1]
    shares = {side: [own.get(name, 0.0) for name in kept] for side, own in sides.items()}
    if len(kept) < len(order):
        for side, own in sides.items():
            shares[side].append(sum(own[name] for name in order[len(kept) :]))
        kept = [*kept, REST]
    return kept, shares


def _errors(one: Series) -> npt.NDArray[np.float64] | None:
    if one.low is None or one.high is None:
        return None
    values = np.asarray(one.values)
    return np.stack([values - one.low, np.asarray(one.high) - values]).clip(min=0)


def _label(axes: Any, title: str, across: str | None, value: str) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_ylabel(value)
    if across is not None:
        axes.set_xlabel(across)
    _plain(axes, grid="y")


def _plain(axes: Any, grid: Literal["x", "y"]) -> None:
    axes.grid(axis=grid, color="#ddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
