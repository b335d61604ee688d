"""The Frechet distance between two sets of features, each seen as a Gaussian."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from wspace.errors import WspaceError, WspaceWarning
from wspace.metrics.features.named import distance_key
from wspace.metrics.gaussian import Statistics

if TYPE_CHECKING:
    from wspace.metrics.comparison import Comparison

__all__ = ["FewSamplesWarning", "distance_of_few", "frechet_distance", "measure"]


class FewSamplesWarning(WspaceWarning):
    """A covariance was estimated from no more samples than it has dimensions."""


def measure(comparison: Comparison) -> dict[str, float]:
    """``fid``, or ``fd_NAME`` with an extractor NAME that is not Inception; lower is better."""
    distance = frechet_distance(comparison.real.statistics, comparison.fake.statistics)
    return {distance_key("fid", comparison.extractor.name): distance}


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
                f"{one.count} pictures are too few for the covariance of {dim} features: what the "
                "samples happen not to vary in counts as a difference, so the Frechet distance is "
                f"biased upwards; measure more than {dim}, better {max(5000, 4 * dim)}.",
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
