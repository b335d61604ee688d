"""The metrics by name, and what each reports."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from wspace.errors import WspaceError
from wspace.metrics.frechet import frechet_distance, statistics
from wspace.metrics.precision_recall import precision_recall

__all__ = ["METRICS", "compare", "parse_metrics"]

METRICS = ("fd", "pr")


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


def compare(real: Tensor, fake: Tensor, metrics: Sequence[str] = METRICS) -> dict[str, float]:
    """Measure generated features against real ones.

    Args:
        real: (N, D), features of real pictures.
        fake: (M, D), features of generated ones.
        metrics: some of `METRICS`.

    Returns:
        ``fd``: "fd_lite", lower is better. ``pr``: "precision" and "recall", in [0, 1].

    Raises:
        WspaceError: too few pictures, or features that are not finite.

    Warns:
        FewSamplesWarning: see `frechet.frechet_distance`.
    """
    found: dict[str, float] = {}
    if "fd" in metrics:
        found["fd_lite"] = frechet_distance(statistics(real), statistics(fake))
    if "pr" in metrics:
        found["precision"], found["recall"] = precision_recall(real, fake)
    return found
