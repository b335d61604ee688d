"""How a w restyles feature maps: adaptive instance normalisation, and weight demodulation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from wspace.networks.layers import EqualizedLinear

__all__ = ["AdaIN", "demodulation", "instance_norm", "modulate", "pixel_norm", "weight_energy"]

# In bfloat16 torch's own normalisation of groups is several times as fast as what is written out
# here for maps of at least so many pixels, and several times slower for smaller ones
# (benchmarks/RESULTS.md). It takes variances as differences of squares: float32 maps, which may be
# nearly flat far from zero, keep the exact way.
_GROUP_NORM_PIXELS = 1024


def instance_norm(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Bring each map of each image to mean 0 and deviation 1 over its pixels.

    Args:
        x: (N, C, H, W), H * W > 1.
        eps: added to the variance.

    Returns:
        (N, C, H, W).
    """
    if x.requires_grad and torch.is_grad_enabled() and not torch.compiler.is_compiling():
        normalized: Tensor = _InstanceNorm.apply(x, eps)[0]  # type: ignore[no-untyped-call]
        return normalized
    return _normalize(x, eps)[0]


def _normalize(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Maps at mean 0 and deviation 1, and one over each deviation, (N, C, 1, 1), float32."""
    n, channels, height, width = x.shape
    pixels = height * width
    large = pixels >= _GROUP_NORM_PIXELS and x.dtype == torch.bfloat16
    if large and x.device.type == "cpu" and not torch.compiler.is_compiling():
        ones = torch.ones(channels)  # of float32 whatever the maps are, or statistics would not be
        normalized, _, rstd = torch.native_group_norm(
            x, ones, torch.zeros(channels), n, channels, pixels, channels, eps
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


def pixel_norm(x: Tensor, eps: float = 1e-8) -> Tensor:
    """Bring the vector at each pixel, or each row of (N, C), to mean square 1.

    Source: Karras et al. 2018 (ProGAN), Section 4.2.
    """
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + eps)


class AdaIN(nn.Module):
    """Adaptive instance normalisation: each map takes the scale and bias its style asks for.

    Source: Karras et al. 2019 (StyleGAN), Section 2, Eq. 1.
    """

    def __init__(self, channels: int, w_dim: int, *, normalize: bool = True) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, 2 * channels)
        self.normalize = normalize

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Normalise each map of ``x`` over its pixels, then restyle it.

        Args:
            x: (N, C, H, W), activations, H * W > 1.
            w: (N, w_dim), this layer's slice of ws.

        Returns:
            (N, C, H, W).
        """
        styles = self.affine(w.to(self.affine.weight.dtype))
        scale, bias = styles[:, :, None, None].chunk(2, dim=1)  # each (N, C, 1, 1)
        if self.normalize:
            x = instance_norm(x)
        # 1 + scale: Appendix C starts the bias of y_s at one and every other bias at zero.
        return torch.addcmul(bias.to(x.dtype), x, (1 + scale).to(x.dtype))


def modulate(x: Tensor, styles: Tensor) -> Tensor:
    """Scale each map of ``x`` (N, C, H, W) by its style (N, C)."""
    return x * styles[:, :, None, None].to(x.dtype)


def weight_energy(weight: Tensor) -> Tensor:
    """(O, I, k, k) to (O, I), float32: sums of squares over each kernel."""
    return weight.float().square().sum(dim=(2, 3))


def demodulation(
    weight: Tensor, styles: Tensor, energy: Tensor | None = None, eps: float = 1e-8
) -> Tensor:
    """Factors that bring maps convolved with a modulated kernel back to unit deviation.

    Scaling inputs by styles and outputs by this, around one convolution that all pictures share,
    equals convolving each picture with weights of its own.

    Source: Karras et al. 2020 (StyleGAN2), Section 2.2, Eq. 3.

    Args:
        weight: (O, I, k, k).
        styles: (N, I).
        energy: ``weight_energy(weight)`` where that is at hand.
        eps: added to the sum of squares.

    Returns:
        (N, O), float32.
    """
    with torch.autocast(weight.device.type, enabled=False):
        energy = weight_energy(weight) if energy is None else energy
        return torch.rsqrt(styles.float().square() @ energy.T + eps)
