"""Distances between many features, a block at a time, so that memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["distance_blocks", "nearest"]

BLOCK_BYTES = 256 * 2**20  # one block of distances with its temporaries stays near this


def distance_blocks(rows: Tensor, columns: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield the Euclidean distances of ``rows`` to all ``columns``, some rows at a time.

    They are taken in float64 by matrix products around the columns' mean. What float32 features
    cannot tell from zero is zero, so that copies of a picture lie exactly on each other.

    Args:
        rows: (N, D).
        columns: (M, D).

    Yields:
        The slice of rows, and their distances (rows in the slice, M), float64.
    """
    centre = columns.to(torch.float64).mean(dim=0)
    targets = columns.to(torch.float64) - centre
    target_norms = targets.square().sum(dim=1)  # (M,)
    step = max(1, BLOCK_BYTES // (8 * 3 * max(1, len(columns))))
    for start in range(0, len(rows), step):
        sources = rows[start : start + step].to(torch.float64) - centre
        norms = sources.square().sum(dim=1, keepdim=True) + target_norms
        squares = torch.addmm(norms, sources, targets.T, alpha=-2)
        squares[squares < 1e-12 * norms] = 0
        yield slice(start, start + len(sources)), squares.sqrt_()


def nearest(queries: Tensor, references: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """The ``k`` nearest ``references`` of each query, nearest first.

    Args:
        queries: (N, D).
        references: (M, D), M >= k.

    Returns:
        Distances (N, k), float64, and indices into the references (N, k), int64.
    """
    found = [
        torch.topk(distances, k, dim=1, largest=False)
        for _, distances in distance_blocks(queries, references)
    ]
    return torch.cat([one.values for one in found]), torch.cat([one.indices for one in found])
