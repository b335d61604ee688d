"""Convolutions whose kernels a style modulates, and demodulates.

Scaling a picture's maps before a convolution that all pictures share, and its results after it,
equals convolving each picture with kernels of its own. Gradients and batches want the first form;
a picture that is drawn by itself is faster in the second one where its maps are large.

Source: Karras et al. 2020 (StyleGAN2), Section 2.2, Eq. 1 and 3.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from wspace.ops import choose
from wspace.ops.convolution import convolve
from wspace.ops.resample import conv_upsample_fir, upsample_fir_kernels
from wspace.ops.winograd import transform_weight

__all__ = [
    "ModulatedConvolution",
    "PreparedKernel",
    "demodulation",
    "kernel_energy",
    "modulate",
    "modulated_pixelwise",
]


class PreparedKernel(NamedTuple):
    """What follows from a weight alone, worked out once before drawing.

    Attributes:
        energy: (O, I), see `kernel_energy`.
        transformed: see `convolve`.
        upsampling: see `upsample_fir_kernels`.
    """

    energy: Tensor
    transformed: Tensor | None = None
    upsampling: tuple[Tensor, ...] | None = None


class ModulatedConvolution(nn.Module):
    """Modulate, convolve, demodulate, add noise and bias.

    Args:
        up_filter: from `fir_kernel`, of a convolution that doubles the side first; None for one
            that keeps it.

    Attributes:
        prepared: what follows from the weight, once `prepare` was called; for drawing.
    """

    up_filter: Tensor | None

    def __init__(self, up_filter: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("up_filter", up_filter, persistent=False)
        self.prepared: PreparedKernel | None = None

    def forward(
        self,
        x: Tensor,
        weight: Tensor,
        styles: Tensor,
        *,
        bias: Tensor,
        noise: Tensor | None = None,
        gain: float = 1.0,
    ) -> Tensor:
        """Run the operator.

        Args:
            x: (N, I, H, W).
            weight: (O, I, 3, 3).
            styles: (N, I).
            bias: (O,).
            noise: (N or 1, 1, H', W'), or None to add none.
            gain: factor on what is convolved and demodulated.

        Returns:
            (N, O, H', W'), H' = 2H and W' = 2W where the side is doubled, H and W otherwise.
        """
        energy = None if self.prepared is None else self.prepared.energy
        scale = demodulation(weight, styles, energy) * gain
        bias = bias.to(x.dtype)
        noise = None if noise is None else noise.to(x.dtype)
        if x.shape[0] == 1 and self.modulates_kernels(x, weight):
            return self._with_own_kernels(x, weight, styles, scale, bias, noise)
        x = self._convolve_all(modulate(x, styles), weight)
        scale, bias = scale[:, :, None, None].to(x.dtype), bias[:, None, None]
        if noise is None:
            return torch.addcmul(bias, x, scale)
        return torch.addcmul(noise, x, scale).add_(bias)

    def modulates_kernels(self, x: Tensor, weight: Tensor) -> bool:
        """Whether each of these pictures' maps (N, I, H, W) is better convolved by itself."""
        if self.prepared is None:
            return False
        return choose.modulates_kernels(x, weight, upsample=self.up_filter is not None)

    def prepare(self, weight: Tensor) -> None:
        """Work out what follows from the weight, for drawing; it must not change any more."""
        transformed = upsampling = None
        if self.up_filter is not None:
            upsampling = upsample_fir_kernels(weight, weight.dtype)
            layout = torch.channels_last  # what convolutions want
            upsampling = tuple(k.contiguous(memory_format=layout) for k in upsampling)
        elif choose.winograd_takes_weight(weight):
            transformed = transform_weight(weight)
        self.prepared = PreparedKernel(kernel_energy(weight), transformed, upsampling)

    def _convolve_all(self, x: Tensor, weight: Tensor) -> Tensor:
        """All pictures with the same kernels."""
        prepared = self.prepared
        if self.up_filter is not None:
            kernels = None if prepared is None else prepared.upsampling
            return conv_upsample_fir(x, weight, self.up_filter, kernels)
        transformed = None if prepared is None else prepared.transformed
        return convolve(x, weight, padding=1, transformed=transformed)

    def _with_own_kernels(
        self,
        x: Tensor,
        weight: Tensor,
        styles: Tensor,
        scale: Tensor,
        bias: Tensor,
        noise: Tensor | None,
    ) -> Tensor:
        """One picture with kernels of its own; the convolution is added to the noise."""
        # products in float32, as the factors are, rounded once
        weight = weight * styles.float()[0, :, None, None] * scale[0, :, None, None, None]
        weight = weight.to(x.dtype, memory_format=torch.channels_last)
        onto = None
        if noise is not None:
            size = 1, len(weight), *noise.shape[2:]
            onto = torch.empty(
                size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last
            ).copy_(noise)
        if self.up_filter is not None:
            return conv_upsample_fir(x, weight, self.up_filter, bias=bias, onto=onto)
        return convolve(x, weight, bias, padding=1, onto=onto)


def modulate(x: Tensor, styles: Tensor) -> Tensor:
    """Scale each map of each picture by its style: (N, C, H, W) and (N, C) to (N, C, H, W)."""
    return x * styles[:, :, None, None].to(x.dtype)


def kernel_energy(weight: Tensor) -> Tensor:
    """Sums of squares over each kernel, float32: (O, I, k, k) to (O, I)."""
    return weight.float().square().sum(dim=(2, 3))


def demodulation(
    weight: Tensor, styles: Tensor, energy: Tensor | None = None, eps: float = 1e-8
) -> Tensor:
    """Factors that bring maps convolved with a modulated kernel back to unit deviation.

    Source: Karras et al. 2020 (StyleGAN2), Section 2.2, Eq. 3.

    Args:
        weight: (O, I, k, k).
        styles: (N, I).
        energy: ``kernel_energy(weight)`` where that is at hand.
        eps: added to the sum of squares.

    Returns:
        (N, O), float32.
    """
    with choose.without_autocast(weight):
        energy = kernel_energy(weight) if energy is None else energy
        return torch.rsqrt(styles.float().square() @ energy.T + eps)


def modulated_pixelwise(x: Tensor, weight: Tensor, styles: Tensor, bias: Tensor) -> Tensor:
    """A 1x1 convolution whose kernels a style modulates, not demodulated: maps are read once.

    Args:
        x: (N, I, H, W).
        weight: (O, I, 1, 1).
        styles: (N, I).
        bias: (O,).

    Returns:
        (N, O, H, W).
    """
    weights = styles[:, None].float() * weight.flatten(start_dim=1)  # (N, O, I)
    n, channels, height, width = x.shape
    if n == 1:
        return convolve(x, weights[0, :, :, None, None], bias)
    dtype = choose.working_dtype(x)
    pixels = x.to(dtype).permute(0, 2, 3, 1).reshape(n, height * width, channels)
    with choose.without_autocast(x):
        y = torch.baddbmm(bias.to(dtype), pixels, weights.to(dtype).transpose(1, 2))
    return y.reshape(n, height, width, -1).permute(0, 3, 1, 2)
