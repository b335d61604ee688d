"""The metrics: one table, a row each. A new metric is a file beside this one and a row here."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wspace.errors import WspaceError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["METRICS", "Metric", "measure", "parse_metrics"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A row of the table.

    Attributes:
        module: of `wspace.metrics`, imported when it is needed. Its ``measure(real, fake)`` takes
            features of real pictures (N, D) and of generated ones (M, D) and returns the metric's
            values by key.
        about: what it measures, in a few words.
        titles: of its values, as they are printed, by key.
    """

    module: str
    about: str
    titles: Mapping[str, str]


METRICS: Mapping[str, Metric] = {
    "fd": Metric(
        module="frechet",
        about="Frechet distance",
        titles={"fd_lite": "FD (lite)"},
    ),
    "pr": Metric(
        module="precision_recall",
        about="precision and recall",
        titles={"precision": "precision", "recall": "recall"},
    ),
}


def parse_metrics(text: str) -> tuple[str, ...]:
    """Names of metrics from ``fd,pr``, each once, in the order given.

    Raises:
        WspaceError: an unknown name, or none at all.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names or (text,):
        if name not in METRICS:
            raise WspaceError(f"metric {name!r} is unknown: give some of {','.join(METRICS)}.")
    return names


def measure(real: Tensor, fake: Tensor, names: Iterable[str] = METRICS) -> dict[str, float]:
    """Measure generated features against real ones.

    Args:
        real: (N, D), features of real pictures.
        fake: (M, D), features of generated ones.
        names: of the metrics, keys of `METRICS`.

    Returns:
        The values of all of them by key, in the table's order.

    Raises:
        WspaceError: too few pictures, or features that are not finite.

    Warns:
        FewSamplesWarning: see `frechet.frechet_distance`.
    """
    wanted = set(names)
    found: dict[str, float] = {}
    for name, metric in METRICS.items():
        if name in wanted:
            module = importlib.import_module(f"wspace.metrics.{metric.module}")
            found |= module.measure(real, fake)
    return found
