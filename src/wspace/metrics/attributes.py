"""Attributes: how often each value occurs in generated pictures, beside real ones."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from wspace.metrics.frechet import FewSamplesWarning, frechet_distance
from wspace.metrics.gaussian import statistics

if TYPE_CHECKING:
    from wspace.metrics.comparison import Comparison

__all__ = ["chance_variation", "judge_distance", "measure", "shares", "total_variation"]

SCALE = 100.0  # the variances of real features add up to this, so that judges are of one scale


def measure(comparison: Comparison) -> dict[str, Any]:
    """What a judge says of both sides.

    Returns:
        judge: id, its accuracy and the share of the commonest value on real pictures that it did
            not learn from, by kind; ``unclear``, the kinds that it does not see.
        attributes: by kind that it sees: ``real`` and ``generated``, the share of each value;
            ``off``, their total variation; ``chance``, what that is on average for pictures of one
            distribution; ``sure_real`` and ``sure_generated``, the mean probability of its
            decisions.
        attributes_off: the mean of ``off`` over kinds.
        fd_judge: Frechet distance of its features, real ones' variances adding up to 100.
    """
    judging, fake = comparison.judging, comparison.judged
    assert judging is not None
    assert fake is not None
    found: dict[str, Any] = {}
    for kind in judging.clear:
        names = judging.judge.values[kind]
        sides = [judging.decisions(side, kind) for side in (judging.real, fake)]
        real, generated = (shares(decided, len(names)) for decided in sides)
        found[kind] = {
            "real": _named(names, real),
            "generated": _named(names, generated),
            "off": total_variation(real, generated),
            "chance": chance_variation(real, len(sides[0]), len(sides[1])),
            "sure_real": float(judging.sureness(judging.real, kind).mean()),
            "sure_generated": float(judging.sureness(fake, kind).mean()),
        }
    return {
        "judge": {
            "id": judging.judge.id,
            "pictures": len(judging.indices),
            "accuracy": dict(judging.accuracy),
            "commonest": dict(judging.commonest),
            "unclear": [kind for kind in judging.judge.values if kind not in judging.clear],
        },
        "attributes": found,
        "attributes_off": sum(one["off"] for one in found.values()) / len(found),
        "fd_judge": judge_distance(judging.real.features, fake.features),
    }


def shares(decisions: Tensor, num_values: int) -> Tensor:
    """The share of each value, (num_values,), among ``decisions`` (N,), int64, N >= 1."""
    return torch.bincount(decisions, minlength=num_values) / len(decisions)


def total_variation(a: Tensor, b: Tensor) -> float:
    """Half the sum of differences between the shares of values, (C,) each: 0 = the same, to 1."""
    return float((a - b).abs().sum() / 2)


def chance_variation(expected: Tensor, num: int, other_num: int) -> float:
    """`total_variation` of the shares in two samples of one distribution, on average.

    A difference of shares is about normal, of variance ``p (1 - p) (1 / num + 1 / other_num)``.

    Args:
        expected: (C,), the distribution.
        num: pictures in one sample.
        other_num: pictures in the other.
    """
    variances = expected * (1 - expected) * (1 / num + 1 / other_num)
    return float(math.sqrt(2 / math.pi) * variances.sqrt().sum() / 2)


def judge_distance(real: Tensor, fake: Tensor) -> float:
    """Frechet distance of a judge's features (N, D) and (M, D), in units of `SCALE`."""
    scale = (real.var(dim=0).sum() / SCALE).sqrt()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewSamplesWarning)
        return frechet_distance(statistics(real / scale), statistics(fake / scale))


def _named(names: tuple[str, ...], values: Tensor) -> dict[str, float]:
    return {name: round(value, 4) for name, value in zip(names, values.tolist(), strict=True)}
