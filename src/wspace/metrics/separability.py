"""Linear separability: whether attributes lie on either side of hyperplanes in latent space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from wspace.steering.latents import latents, map_latents

if TYPE_CHECKING:
    from wspace.metrics.comparison import Comparison
    from wspace.metrics.features.generators import Drawing

__all__ = [
    "conditional_entropy",
    "entropy",
    "fit_linear",
    "linear_decisions",
    "measure",
    "most_confident",
    "points_of",
]

PENALTY = 1.0  # C of the support vector machine, as official
FOLDS_SEED = 0


def measure(comparison: Comparison) -> dict[str, Any]:
    """Separability of a judge's decisions in z and in w.

    Returns:
        separability: by attribute: ``entropy`` of the decisions, and what a linear decision in z
            and in w leaves of it, in bits.
        separability_z, separability_w: 2 to the sum of what is left: 1 = all attributes separate.
    """
    judging, fake, drawing = comparison.judging, comparison.judged, comparison.drawing
    assert judging is not None
    assert fake is not None
    assert drawing is not None
    points = points_of(drawing)
    found: dict[str, dict[str, float]] = {}
    with comparison.show("separating", "attributes") as progress:
        for number, kind in enumerate(judging.clear, start=1):
            decided = judging.decisions(fake, kind)
            rows = most_confident(judging.sureness(fake, kind))
            found[kind] = {"entropy": entropy(decided[rows])}
            for space, x in points.items():
                told = linear_decisions(x[rows], decided[rows])
                found[kind][space] = conditional_entropy(told, decided[rows])
            progress(number, len(judging.clear))
    sums = {space: sum(one[space] for one in found.values()) for space in points}
    return {"separability": found, **{f"separability_{k}": 2.0**v for k, v in sums.items()}}


@torch.inference_mode()
def points_of(drawing: Drawing) -> dict[str, Tensor]:
    """The z and the w of a drawing's pictures, (num, z_dim) and (num, w_dim), on the CPU."""
    seeds = range(drawing.first_seed, drawing.first_seed + drawing.num)
    z = latents(drawing.generator, seeds)
    w = map_latents(drawing.generator, z, [k or 0 for k in drawing.classes(seeds)])
    return {"z": z.cpu(), "w": w.cpu()}


def most_confident(sureness: Tensor) -> Tensor:
    """The rows of the half of ``sureness`` (N,) that is surest, ascending; at least two."""
    count = max(2, len(sureness) // 2)
    return sureness.topk(min(count, len(sureness))).indices.sort().values


def linear_decisions(x: Tensor, decided: Tensor) -> Tensor:
    """What linear support vector machines make of points: the value they decide for.

    Each half of the points is decided by the machine that was fitted to the other half: with few
    points in many dimensions, the points that it was fitted to would all be right. The official
    measure takes the same points for both, a hundred thousand of them.

    Source: Karras et al. 2019 (StyleGAN), Section 4.2; of several values, one machine for each
    against the rest, the largest wins.

    Args:
        x: (N, D), N >= 2.
        decided: (N,), int64, the value that each point should have.

    Returns:
        (N,), int64.
    """
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(FOLDS_SEED))
    halves = order.chunk(2)
    told = torch.empty_like(decided)
    for own, other in (halves, halves[::-1]):
        values = decided[own].unique()
        if len(values) == 1:
            told[other] = values[0]
            continue
        weights, bias = fit_linear(x[own], decided[own], values)
        scores = x[other].double() @ weights + bias  # (n, values)
        told[other] = values[scores.argmax(dim=1)]
    return told


def fit_linear(x: Tensor, decided: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Linear support vector machines with a squared hinge, one for each value against the rest.

    They minimise ``|v|^2 / 2 + C sum max(0, 1 - y (v x))^2`` with C = 1, x with a constant 1 at its
    end: what scikit-learn's ``LinearSVC`` does by default.

    Args:
        x: (N, D).
        decided: (N,), int64.
        values: (K,), int64.

    Returns:
        Weights (D, K) and bias (K,), float64.
    """
    ones = torch.ones(len(x), 1, dtype=torch.float64)
    points = torch.cat([x.double(), ones], dim=1)
    signs = torch.where(decided[:, None] == values, 1.0, -1.0).double()  # (N, K)
    v = torch.zeros(points.shape[1], len(values), dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS(
        [v],
        max_iter=200,
        tolerance_grad=1e-6,
        tolerance_change=1e-10,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        search.zero_grad()
        slack = (1 - signs * (points @ v)).clamp(min=0)
        total = v.square().sum() / 2 + PENALTY * slack.square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        search.step(loss)
    fitted = v.detach()
    return fitted[:-1], fitted[-1]


def entropy(values: Tensor) -> float:
    """Of ``values`` (N,), int64 >= 0, in bits."""
    return _entropy_of_counts(torch.bincount(values))


def conditional_entropy(x: Tensor, y: Tensor) -> float:
    """What ``x`` leaves unknown of ``y``, H(Y | X) = H(Y) - I(X; Y), in bits, >= 0.

    Args:
        x: (N,), int64 >= 0.
        y: (N,), int64 >= 0.
    """
    together = x * (int(y.max()) + 1) + y
    return max(0.0, entropy(together) - entropy(x))


def _entropy_of_counts(counts: Tensor) -> float:
    shares = counts[counts > 0].double() / counts.sum()
    return float(-(shares * shares.log2()).sum())
