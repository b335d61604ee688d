"""The kernel distance between two sets of features: KID on Inception's, KD on others'."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.metrics.features.named import distance_key

if TYPE_CHECKING:
    from wspace.metrics.comparison import Comparison

__all__ = ["KernelDistance", "kernel_distance", "measure", "unbiased_mmd"]

SUBSETS, SUBSET_SIZE = 100, 1000  # as in the official measure
SEED = 0  # of the subsets


class KernelDistance(NamedTuple):
    """An estimate that is right on average, and may be below 0."""

    mean: float
    error: float  # standard error of the mean over subsets


def measure(comparison: Comparison) -> dict[str, float]:
    """``kid``, or ``kd_NAME`` with an extractor NAME that is not Inception; and its error."""
    found = kernel_distance(comparison.real.features, comparison.fake.features)
    key = distance_key("kid", comparison.extractor.name)
    return {key: found.mean, f"{key}_error": found.error}


def kernel_distance(
    real: Tensor, fake: Tensor, *, subsets: int = SUBSETS, size: int = SUBSET_SIZE
) -> KernelDistance:
    """Squared maximum mean discrepancy under a cubic kernel, the mean over random subsets.

    Unlike the Frechet distance it is not biased by few pictures.

    Source: Binkowski et al. 2018 (KID), Section 4.

    Args:
        real: (N, D), N >= 2.
        fake: (M, D), M >= 2.
        subsets: how many, drawn with a fixed seed; one takes all, where the sets are that small.
        size: pictures of each set in a subset, at most; without repetition.

    Raises:
        WspaceError: a set has fewer than two pictures, or values that are not finite.
    """
    size = min(size, len(real), len(fake))
    if size < 2 or not (real.isfinite().all() and fake.isfinite().all()):
        raise WspaceError(
            f"{len(real)} real and {len(fake)} generated pictures have no kernel distance: it "
            "takes two of each, with features that are finite."
        )
    if size == len(real) == len(fake):
        subsets = 1
    random = torch.Generator().manual_seed(SEED)
    values = torch.empty(subsets, dtype=torch.float64)
    for k in range(subsets):
        chosen = [
            features[torch.randperm(len(features), generator=random)[:size].to(features.device)]
            for features in (real, fake)
        ]
        values[k] = unbiased_mmd(*chosen)
    error = float(values.std() / subsets**0.5) if subsets > 1 else float("nan")
    return KernelDistance(float(values.mean()), error)


def unbiased_mmd(x: Tensor, y: Tensor) -> float:
    """Squared maximum mean discrepancy under the kernel ``(a b / D + 1)^3``, without bias.

    Source: Gretton et al. 2012, Lemma 6; the kernel of Binkowski et al. 2018.

    Args:
        x: (N, D), N >= 2.
        y: (M, D), M >= 2.
    """
    x, y = x.to(torch.float64), y.to(torch.float64)
    within = [_mean_of_others(_kernel(features, features)) for features in (x, y)]
    return float(sum(within) - 2 * _kernel(x, y).mean())


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def _mean_of_others(kernel: Tensor) -> Tensor:
    """The mean of a square matrix without its diagonal."""
    count = len(kernel)
    mean: Tensor = (kernel.sum() - kernel.diagonal().sum()) / (count * (count - 1))
    return mean
