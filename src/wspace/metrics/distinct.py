"""Distinct pictures: whether the generator repeats itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.metrics.distances import nearest

if TYPE_CHECKING:
    from wspace.metrics.comparison import Comparison

__all__ = ["distinct_share", "measure"]


def measure(comparison: Comparison) -> dict[str, float]:
    """``distinct``, the share of generated pictures without a near copy."""
    return {"distinct": distinct_share(comparison.real.features, comparison.fake.features)}


def distinct_share(real: Tensor, fake: Tensor) -> float:
    """The share of fake features that lie apart from all other fake ones, as real ones do.

    Apart means: farther from the nearest other one than the closest hundredth of real features, as
    many of these as of those. It is 0.99 for real pictures and 0 for one picture again and again.

    Args:
        real: (N, D), N >= 2.
        fake: (M, D), M >= 2.

    Raises:
        WspaceError: fewer than two pictures.
    """
    count = min(len(real), len(fake))
    if count < 2:
        raise WspaceError(f"{count} pictures have no nearest other one: measure more of them.")
    near = _apart(_some(real, count)).quantile(0.01)
    return float((_apart(_some(fake, count)) > near).double().mean())


def _some(features: Tensor, count: int) -> Tensor:
    """``count`` of them, from everywhere: data is often sorted."""
    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))
    return features[order[:count].to(features.device)]


def _apart(features: Tensor) -> Tensor:
    """(N,): the distance of each to its nearest other one."""
    distances, _ = nearest(features, features, k=2)
    return distances[:, 1]  # the nearest is it itself, or a copy of it
