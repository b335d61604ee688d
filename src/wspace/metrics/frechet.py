"""The Frechet distance between two sets of features, each seen as a Gaussian."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from wspace.errors import WspaceError

__all__ = [
    "FewSamplesWarning",
    "RunningStatistics",
    "Statistics",
    "distance_of_few",
    "frechet_distance",
    "measure",
    "statistics",
]


class FewSamplesWarning(UserWarning):
    """A covariance was estimated from no more samples than it has dimensions."""


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
        if self.count == 0:
            self.count, self.mean, self.scatter = count, mean, scatter
            return
        total = self.count + count
        shift = mean - self.mean
        self.scatter += scatter + torch.outer(shift, shift) * (self.count * count / total)
        self.mean = self.mean + shift * (count / total)
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


def measure(real: Tensor, fake: Tensor) -> dict[str, float]:
    """``fd_lite``, lower is better, of features (N, D) and (M, D); see `frechet_distance`."""
    return {"fd_lite": frechet_distance(statistics(real), statistics(fake))}


def frechet_distance(a: Statistics, b: Statistics) -> float:
    """Squared Frechet (2-Wasserstein) distance of two Gaussians, as FID takes it.

    ``|mean_a - mean_b|^2 + trace(cov_a + cov_b - 2 (cov_a cov_b)^(1/2))``. The trace of the last
    root is the sum of the singular values of ``cov_a^(1/2) cov_b^(1/2)``, which two symmetric
    eigendecompositions and one SVD give without complex numbers and also for singular covariances.

    Source: Dowson and Landau 1982; Heusel et al. 2017, Eq. 6.

    Returns:
        The distance, >= 0 up to rounding (about 1e-12 of the covariances' trace).

    Raises:
        WspaceError: the two are of different dimensions, or hold values that are not finite.

    Warns:
        FewSamplesWarning: a covariance is rank-deficient for want of samples; the distance is
            then biased upwards a lot.
    """
    if a.mean.shape != b.mean.shape:
        raise WspaceError(
            f"features of {a.mean.shape[0]} and {b.mean.shape[0]} dimensions have no distance: "
            "take both from the same extractor."
        )
    for one in (a, b):
        if not (one.mean.isfinite().all() and one.covariance.isfinite().all()):
            raise WspaceError(
                "the features hold values that are not finite: the pictures or the model are bad."
            )
        dim = one.mean.shape[0]
        if one.count <= dim:
            warnings.warn(
                f"{one.count} pictures are too few for the covariance of {dim} features: the "
                f"distance is biased upwards; measure more than {dim}, better 5000.",
                FewSamplesWarning,
                stacklevel=2,
            )
    root_trace = torch.linalg.svdvals(_square_root(a.covariance) @ _square_root(b.covariance)).sum()
    means = (a.mean - b.mean).square().sum()
    return float(means + a.covariance.trace() + b.covariance.trace() - 2 * root_trace)


def distance_of_few(features: Tensor, reference: Statistics) -> float:
    """`frechet_distance` of a Gaussian fitted to few features: fast where there are fewer than D.

    ``cov_a^(1/2) cov_b^(1/2)`` has the singular values of ``X cov_b^(1/2) / (N - 1)^(1/2)``, X the
    centred features. Those are the roots of the eigenvalues of ``X cov_b X^T / (N - 1)``, which is
    only N by N. So few features bias the distance upwards, alike for models that are as varied:
    compare it with others of as many features only.

    Args:
        features: (N, D), N >= 2.
        reference: of D dimensions.

    Raises:
        WspaceError: N < 2, or values that are not finite.
    """
    if len(features) < 2 or not features.isfinite().all():
        raise WspaceError(
            f"{len(features)} features, of which at least 2 have to be finite, have no distance: "
            "the pictures or the model are bad."
        )
    mean = features.to(torch.float64).mean(dim=0)
    centred = features.to(torch.float64) - mean
    covariance = reference.covariance
    products = centred @ covariance @ centred.T / (len(features) - 1)  # (N, N)
    root_trace = torch.linalg.eigvalsh(products).clamp(min=0).sqrt().sum()
    trace = centred.square().sum() / (len(features) - 1) + covariance.trace()
    return float((reference.mean - mean).square().sum() + trace - 2 * root_trace)


def _square_root(covariance: Tensor) -> Tensor:
    """The symmetric square root of a positive semidefinite matrix (D, D)."""
    eigenvalues, vectors = torch.linalg.eigh(covariance)
    # Rounding leaves the zero eigenvalues of a singular covariance slightly negative.
    root: Tensor = (vectors * eigenvalues.clamp(min=0).sqrt()) @ vectors.T
    return root
