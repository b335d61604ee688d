"""Instance normalisation: each map of each picture brought to mean 0 and deviation 1.

Source: Ulyanov et al. 2016 (Instance Normalization), Eq. 4; in AdaIN, Karras et al. 2019
(StyleGAN), Eq. 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from wspace.ops import choose

__all__ = ["instance_norm"]


def instance_norm(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Bring each map of each image to mean 0 and deviation 1 over its pixels.

    Args:
        x: (N, C, H, W), H * W > 1.
        eps: added to the variance.

    Returns:
        (N, C, H, W).
    """
    if choose.has_own_gradient(x):
        normalized: Tensor = _InstanceNorm.apply(x, eps)[0]  # type: ignore[no-untyped-call]
        return normalized
    return _normalize(x, eps)[0]


def _normalize(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Maps at mean 0 and deviation 1, and one over each deviation, (N, C, 1, 1), float32."""
    if choose.normalizes_by_groups(x):
        n, channels, height, width = x.shape
        ones = torch.ones(channels)  # of float32 whatever the maps are, or statistics would not be
        normalized, _, rstd = torch.native_group_norm(
            x, ones, torch.zeros(channels), n, channels, height * width, channels, eps
        )
        return normalized, rstd[:, :, None, None]
    statistics = x.float()
    centred = statistics - statistics.mean(dim=(2, 3), keepdim=True)
    rstd = torch.rsqrt(centred.square().mean(dim=(2, 3), keepdim=True) + eps)
    # autograd, which only a compiler asks here, wants to keep what is multiplied
    normalized = centred * rstd if torch.is_grad_enabled() else centred.mul_(rstd)
    return normalized.to(x.dtype), rstd


class _InstanceNorm(torch.autograd.Function):
    """`instance_norm`, and one over each deviation, with a backward pass in the maps' layout.

    What autograd derives by itself spreads the gradients of means out in another layout and takes
    several times as long. Both results are saved as results, so that second derivatives (path
    length) hold.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
        normalized, rstd = _normalize(x, eps)
        ctx.save_for_backward(normalized, rstd)
        return normalized, rstd

    @staticmethod
    def backward(ctx: Any, grad: Tensor, grad_rstd: Tensor) -> tuple[Tensor, None]:
        normalized, rstd = ctx.saved_tensors
        pixels = grad.shape[2] * grad.shape[3]
        # summed in float32 whatever the type; asked for float32 sums, torch copies the maps first
        mean = grad.sum(dim=(2, 3), keepdim=True).float() / pixels
        slope = (grad * normalized).sum(dim=(2, 3), keepdim=True).float() / pixels
        # d rstd / dx = -rstd² · normalized / pixels
        slope = slope + grad_rstd * rstd / pixels
        dtype = grad.dtype
        flat = torch.addcmul((-rstd * mean).to(dtype), grad, rstd.to(dtype))
        return torch.addcmul(flat, normalized, (-rstd * slope).to(dtype)), None
