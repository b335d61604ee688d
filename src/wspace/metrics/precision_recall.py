"""Improved precision and recall: do generated pictures look real, are all real ones covered?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.metrics.distances import distance_blocks

if TYPE_CHECKING:
    from wspace.metrics.comparison import Comparison

__all__ = [
    "PrecisionRecall",
    "measure",
    "memberships",
    "neighbour_radii",
    "precision_recall",
    "require_neighbours",
]


class PrecisionRecall(NamedTuple):
    """Both in [0, 1]; precision is quality, recall is variety."""

    precision: float
    recall: float


def measure(comparison: Comparison) -> dict[str, float]:
    """``precision`` and ``recall``, in [0, 1]."""
    return precision_recall(comparison.real.features, comparison.fake.features)._asdict()


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """Share of fake features within the real manifold, and of real ones within the fake one.

    A manifold is the union of balls around a set's points, each reaching to the point's k-th
    nearest neighbour in the set. Exact, by blocks of distances.

    Source: Kynkaanniemi et al. 2019, Section 2, Eq. 1 and 2.

    Args:
        real: (N, D), N > k.
        fake: (M, D), M > k.
        k: the neighbour that a ball reaches to, >= 1.

    Raises:
        WspaceError: a set has too few points for ``k``.
    """
    in_real, in_fake = memberships(real, fake, k)
    return PrecisionRecall(float(in_real.double().mean()), float(in_fake.double().mean()))


def memberships(real: Tensor, fake: Tensor, k: int = 3) -> tuple[Tensor, Tensor]:
    """Which fake features lie within the real manifold, (M,), and which real ones do the reverse.

    Args and errors are those of `precision_recall`, which is the mean of each.

    Returns:
        (M,) and (N,), bool.
    """
    for name, features in (("real", real), ("generated", fake)):
        require_neighbours(name, features, k)
    real_radii = neighbour_radii(real, k)
    fake_radii = neighbour_radii(fake, k)
    in_real = torch.zeros(len(fake), dtype=torch.bool, device=fake.device)
    in_fake = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for rows, distances in distance_blocks(real, fake):
        in_real |= (distances <= real_radii[rows, None]).any(dim=0)
        in_fake[rows] = (distances <= fake_radii).any(dim=1)
    return in_real, in_fake


def require_neighbours(name: str, features: Tensor, k: int) -> None:
    """Raise a WspaceError where ``features`` (N, D) have no k-th nearest others."""
    if not 1 <= k < len(features):
        raise WspaceError(
            f"{len(features)} {name} pictures have no {k}-th nearest neighbours: "
            f"measure more than {k}, and take k >= 1."
        )


def neighbour_radii(features: Tensor, k: int) -> Tensor:
    """Distance of each of ``features`` (N, D) to its k-th nearest among the others: (N,)."""
    radii = torch.empty(len(features), dtype=torch.float64, device=features.device)
    for rows, distances in distance_blocks(features, features):
        # A point is not its own neighbour.
        distances.diagonal(offset=rows.start).fill_(torch.inf)
        radii[rows] = distances.kthvalue(k, dim=1).values
    return radii
