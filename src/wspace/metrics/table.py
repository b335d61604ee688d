"""The metrics: one table, a row each. A new metric is a file beside this one and a row here."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wspace.errors import WspaceError
from wspace.metrics.features.named import distance_key

if TYPE_CHECKING:
    from wspace.metrics.comparison import Comparison

__all__ = ["METRICS", "Metric", "check_metrics", "measure", "parse_metrics", "titles"]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A row of the table.

    Attributes:
        module: of `wspace.metrics`, imported when it is needed. Its ``measure(comparison)`` returns
            the metric's values by key.
        about: what it measures, in a few words.
        titles: of the numbers among its values, as they are printed, by key. "fid" and "kid" are
            renamed by `named.distance_key`.
        statistics: whether statistics of features are all that it needs.
        model: whether it needs a model, not only pictures.
        judge: whether it needs a judge, and so labelled data.
    """

    module: str
    about: str
    titles: Mapping[str, str]
    statistics: bool = False
    model: bool = False
    judge: bool = False


METRICS: Mapping[str, Metric] = {
    "fd": Metric(
        module="frechet",
        about="Frechet distance",
        titles={"fid": "FID"},
        statistics=True,
    ),
    "kid": Metric(
        module="kernel",
        about="kernel distance",
        titles={"kid": "KID"},
    ),
    "pr": Metric(
        module="precision_recall",
        about="precision and recall",
        titles={"precision": "precision", "recall": "recall"},
    ),
    "dc": Metric(
        module="density_coverage",
        about="density and coverage",
        titles={"density": "density", "coverage": "coverage"},
    ),
    "distinct": Metric(
        module="distinct",
        about="share of pictures without a near copy",
        titles={"distinct": "distinct"},
    ),
    "ppl": Metric(
        module="path_length",
        about="perceptual path length in z and w",
        titles={
            f"ppl_{space}_{where}": f"ppl (lite) {space} {where}"
            for where in ("full", "end")
            for space in ("z", "w")
        },
        statistics=True,
        model=True,
    ),
    "separability": Metric(
        module="separability",
        about="linear separability of attributes in z and w",
        titles={
            "separability_z": "separability z (judge)",
            "separability_w": "separability w (judge)",
        },
        statistics=True,
        model=True,
        judge=True,
    ),
    "mixing": Metric(
        module="mixing",
        about="Frechet distance of pictures mixed from 2, 3 and 4 sources",
        titles={f"fd_mixed_{count}": f"FD mixed from {count}" for count in (2, 3, 4)},
        statistics=True,
        model=True,
    ),
    "attributes": Metric(
        module="attributes",
        about="how often attributes or classes occur, by a judge",
        titles={"attributes_off": "attributes off (judge)", "fd_judge": "FD (judge)"},
        statistics=True,
        judge=True,
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


def check_metrics(names: Iterable[str], *, has_model: bool, subject: str) -> None:
    """Raise a WspaceError for metrics that pictures alone do not have.

    Args:
        names: keys of `METRICS`.
        has_model: whether there is a model.
        subject: what is measured, for the message.
    """
    for name in names:
        if METRICS[name].model and not has_model:
            raise WspaceError(
                f"metric {name!r} needs a model: {subject} holds pictures; leave it out."
            )


def titles(names: Iterable[str], extractor: str) -> dict[str, str]:
    """How the numbers of metrics are printed, by their keys, each with its extractor.

    Args:
        names: keys of `METRICS`.
        extractor: the name of the network that sees.
    """
    found = {}
    for name in names:
        for key, title in METRICS[name].titles.items():
            if key not in ("fid", "kid"):
                found[key] = title if "(" in title else f"{title} ({extractor})"
            elif extractor == "inception":
                found[key] = title
            else:
                found[distance_key(key, extractor)] = f"{title.replace('I', '')} ({extractor})"
    return found


def measure(comparison: Comparison, names: Iterable[str]) -> dict[str, Any]:
    """Measure one set of pictures against another.

    Args:
        comparison: both.
        names: of the metrics, keys of `METRICS`.

    Returns:
        The values of all of them by key, in the table's order.

    Raises:
        WspaceError: too few pictures, or features that are not finite.

    Warns:
        FewSamplesWarning: see `frechet.frechet_distance`.
    """
    wanted = set(names)
    found: dict[str, Any] = {}
    for name, metric in METRICS.items():
        if name in wanted:
            module = importlib.import_module(f"wspace.metrics.{metric.module}")
            found |= module.measure(comparison)
    return found
