"""The Gaussian fitted to features: their mean and covariance, also of features that stream by."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wspace.errors import WspaceError

__all__ = ["RunningStatistics", "Statistics", "statistics"]


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """A Gaussian fitted to features."""

    mean: Tensor  # (D,), float64
    covariance: Tensor  # (D, D), float64, unbiased (divided by count - 1)
    count: int  # samples it was fitted to, >= 2


class RunningStatistics:
    """Mean and covariance of features that arrive in batches, in float64, each batch seen once.

    Source: Chan et al. 1979, pairwise merging of sums of squared deviations.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self.scatter = torch.zeros(())  # sum of outer products of deviations from the mean

    def update(self, features: Tensor) -> None:
        """Take in ``features`` (N, D), N >= 1."""
        features = features.to(torch.float64)
        count = features.shape[0]
        mean = features.mean(dim=0)
        deviations = features - mean
        scatter = deviations.T @ deviations
        batch = RunningStatistics()
        batch.count, batch.mean, batch.scatter = count, mean, scatter
        self.merge(batch)

    def merge(self, other: RunningStatistics) -> None:
        """Take in all that another one has seen."""
        if self.count == 0 or other.count == 0:
            if other.count:
                self.count, self.mean, self.scatter = other.count, other.mean, other.scatter
            return
        total = self.count + other.count
        shift = other.mean - self.mean
        between = torch.outer(shift, shift) * (self.count * other.count / total)
        self.scatter = self.scatter + (other.scatter + between)
        self.mean = self.mean + shift * (other.count / total)
        self.count = total

    def result(self) -> Statistics:
        """The statistics of all features so far.

        Raises:
            WspaceError: fewer than two samples, which have no covariance.
        """
        if self.count < 2:
            raise WspaceError(
                f"a covariance needs at least 2 samples, got {self.count}: measure more pictures."
            )
        covariance = self.scatter / (self.count - 1)
        return Statistics(mean=self.mean, covariance=covariance, count=self.count)


def statistics(features: Tensor, block: int = 4096) -> Statistics:
    """Mean and unbiased covariance of ``features`` (N, D) in float64, ``block`` rows at a time.

    Raises:
        WspaceError: N < 2.
    """
    running = RunningStatistics()
    for rows in torch.split(features, block):
        running.update(rows)
    return running.result()
