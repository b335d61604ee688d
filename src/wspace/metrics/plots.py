"""Plots of a measurement: files by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wspace.figures.plots import Series, bars, share_bars, written
from wspace.metrics.features.named import distance_key
from wspace.metrics.mixing import MIXED

__all__ = ["plots_of"]


def plots_of(found: Mapping[str, Any], extractor: str) -> dict[str, bytes]:
    """What can be shown of figures that `table.measure` gave.

    Args:
        found: the figures.
        extractor: the name of the network that saw.

    Returns:
        PNG files: attributes.png and mixing.png, where these were measured.

    Raises:
        WspaceError: matplotlib is missing.
    """
    plots = {}
    if "attributes" in found:
        plots["attributes.png"] = written(share_bars(found["attributes"]))
    keys = [distance_key("fid", extractor), *(f"fd_mixed_{count}" for count in MIXED)]
    mixed = {key: found[key] for key in keys if key in found}
    if len(mixed) > 1:
        series = Series(name="", values=list(mixed.values()))
        names = ["1" if not key.startswith("fd_mixed") else key[-1] for key in mixed]
        figure = bars(
            names,
            [series],
            title="Frechet distance by the sources that a picture is mixed from",
            value=f"FD ({extractor})",
        )
        plots["mixing.png"] = written(figure)
    return plots
