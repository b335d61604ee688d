"""Density and coverage: as precision and recall, but an outlier cannot carry them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from wspace.metrics.distances import distance_blocks
from wspace.metrics.precision_recall import neighbour_radii, require_neighbours

if TYPE_CHECKING:
    from wspace.metrics.comparison import Comparison

__all__ = ["DensityCoverage", "density_coverage", "measure"]


class DensityCoverage(NamedTuple):
    """Density is quality, >= 0, about 1 for real pictures; coverage is variety, in [0, 1]."""

    density: float
    coverage: float


def measure(comparison: Comparison) -> dict[str, float]:
    """``density`` and ``coverage``."""
    return density_coverage(comparison.real.features, comparison.fake.features)._asdict()


def density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> DensityCoverage:
    """How often fake features lie in balls around real ones, and how many of those balls have any.

    A ball around a real point reaches to its k-th nearest real neighbour. Density is the mean
    number of balls that a fake point lies in, over ``k``; coverage the share of balls that hold a
    fake point. Exact, by blocks of distances.

    Source: Naeem et al. 2020, Section 3.2, with 5 neighbours as they choose.

    Args:
        real: (N, D), N > k.
        fake: (M, D), M >= 1.
        k: the neighbour that a ball reaches to, >= 1.

    Raises:
        WspaceError: too few real pictures for ``k``.
    """
    require_neighbours("real", real, k)
    radii = neighbour_radii(real, k)
    inside = torch.zeros(len(fake), dtype=torch.float64, device=fake.device)
    covered = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for rows, distances in distance_blocks(real, fake):
        within = distances <= radii[rows, None]
        inside += within.sum(dim=0)
        covered[rows] = within.any(dim=1)
    return DensityCoverage(float(inside.mean() / k), float(covered.double().mean()))
