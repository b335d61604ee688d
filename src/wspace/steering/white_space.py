"""Coordinates of W in which its w are spread alike in all directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

__all__ = ["WhiteSpace"]

LEAST_SPREAD = 1e-2  # of the mean deviation: directions that w never differ in stay open, barely


@dataclass(frozen=True, kw_only=True)
class WhiteSpace:
    """w = mean + scales · u: where u are of unit variance, w are as likely as the model's own.

    A step of one length means as much in every direction, and the distance from 0 says how unusual
    a w is.

    Source: Zhu et al. 2020 (Improved StyleGAN Embedding: Where are the Good Latents?), Section 3.3.

    Attributes:
        mean: (w_dim,).
        axes: (w_dim, w_dim), orthonormal rows.
        deviations: (w_dim,), > 0, of w along each axis.
    """

    mean: Tensor
    axes: Tensor
    deviations: Tensor

    @classmethod
    def of(cls, w: Tensor) -> Self:
        """The space of samples (N, w_dim), N >= 2."""
        samples = w.double()
        mean = samples.mean(dim=0)
        covariance = (samples - mean).T @ (samples - mean) / (len(samples) - 1)
        variances, columns = torch.linalg.eigh(covariance)
        deviations = variances.clamp(min=0).sqrt()
        deviations = deviations.clamp(min=LEAST_SPREAD * float(deviations.mean()) + 1e-12)
        return cls(mean=mean.float(), axes=columns.T.float(), deviations=deviations.float())

    def w_of(self, u: Tensor) -> Tensor:
        """(..., w_dim) to the same shape."""
        return self.mean + self.step_of(u)

    def step_of(self, u: Tensor) -> Tensor:
        """What w changes by where u changes so, (..., w_dim)."""
        return (u * self.deviations) @ self.axes

    def u_of(self, w: Tensor) -> Tensor:
        """The inverse of `w_of`."""
        return ((w - self.mean) @ self.axes.T) / self.deviations
