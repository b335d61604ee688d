"""A claim and its verdict: a number, how sure it is, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = [
    "Claim",
    "Interval",
    "Picture",
    "Verdict",
    "bootstrap",
    "both",
    "decide",
    "mean_of",
    "untold",
]

Verdict = Literal["holds", "does not hold", "cannot tell"]
Rows = npt.NDArray[np.int64]

RESAMPLES = 1000
COVERED = 0.95  # of the resamples, by an interval


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure of a report: a PNG with its caption, and in words what is to be seen."""

    png: bytes
    caption: str
    alt: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One section of a report.

    Attributes:
        name: short, for files and links.
        title: what is claimed.
        article: what the article says, with its figures, which are of other data.
        measured: what the number is.
        rule: when the claim holds.
        verdict: what follows from the number.
        number: the number, or None where it cannot be had; ``remarks`` say why.
        numbers: everything else that was measured, as plain data.
        pictures: figures.
        remarks: what to keep in mind.
    """

    name: str
    title: str
    article: str
    measured: str
    rule: str
    verdict: Verdict
    number: Interval | None = None
    numbers: dict[str, Any] = field(default_factory=dict)
    pictures: Sequence[Picture] = ()
    remarks: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain data, without the pictures."""
        number = self.number
        return {
            "name": self.name,
            "title": self.title,
            "verdict": self.verdict,
            "measured": self.measured,
            "rule": self.rule,
            "value": None if number is None else number.value,
            "low": None if number is None else number.low,
            "high": None if number is None else number.high,
            "numbers": self.numbers,
            "remarks": list(self.remarks),
        }


def bootstrap(
    statistic: Callable[[Rows], float], count: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """A statistic of rows, and the interval that resampling the rows gives.

    It reaches as far to either side as the percentiles of the resamples do from their mean: where
    resampling alone moves a statistic (entropies fall where rows repeat), that is no part of it.

    Source: Efron and Tibshirani 1993, Chapters 10 (bias) and 13 (percentiles).

    Args:
        statistic: of row numbers, some of them more than once.
        count: of rows, >= 1.
        resamples: how often they are drawn anew.
        seed: of the draws.
    """
    random = np.random.RandomState(seed)
    values = [statistic(random.randint(0, count, count)) for _ in range(resamples)]
    tail = (1 - COVERED) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    value = statistic(np.arange(count))
    bias = float(np.mean(values)) - value
    return Interval(value=value, low=float(low) - bias, high=float(high) - bias)


def mean_of(values: npt.ArrayLike) -> Callable[[Rows], float]:
    """The mean of ``values`` (N, ...) over rows, for `bootstrap`."""
    array = np.asarray(values, dtype=np.float64)
    return lambda rows: float(array[rows].mean())


def decide(interval: Interval, threshold: float, *, above: bool = True) -> Verdict:
    """Whether a number lies beyond a threshold, as far as its interval can tell.

    Args:
        interval: the number.
        threshold: where the claim begins to hold.
        above: whether it holds above or below.
    """
    if above:
        beyond, short = interval.low > threshold, interval.high < threshold
    else:
        beyond, short = interval.high < threshold, interval.low > threshold
    return "holds" if beyond else "does not hold" if short else "cannot tell"


def both(*verdicts: Verdict) -> Verdict:
    """Of a claim that holds where all its parts do."""
    if "does not hold" in verdicts:
        return "does not hold"
    return "cannot tell" if "cannot tell" in verdicts else "holds"


def untold(claim: Claim, why: str) -> Claim:
    """The same claim where this model or data cannot answer it."""
    return replace(claim, verdict="cannot tell", number=None, remarks=(*claim.remarks, why))
