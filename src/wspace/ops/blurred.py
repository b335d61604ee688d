"""Convolutions that change the side, with the blur beside them, as StyleGAN1 has them.

Doubling pixels, and taking means of 2 by 2, spreads a kernel of 3x3 taps to 4x4: 16 products where
it had 9. Where products are what takes the time, that box of 2 by 2 goes to the blur instead, which
meets one channel only and becomes 4x4 itself. Rows beyond the picture's edge, which each step takes
for zeros, are made so by the right values around the maps: the result is the same.

Source: Karras et al. 2019 (StyleGAN), Section 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.ops.convolution import convolve, multiplies_in_tiles
from wspace.ops.phases import conv_transpose_phases, phase_kernels
from wspace.ops.resample import (
    blur,
    conv_downsample,
    conv_upsample,
    fir_filter,
    upsample_kernel,
)

__all__ = ["Blur"]


class Blur(nn.Module):
    """A low-pass filter, and the convolutions that it stands beside.

    Args:
        taps: (T,), of both axes; None for no filter.
    """

    kernel: Tensor | None
    boxed: Tensor | None

    def __init__(self, taps: Sequence[float] | None) -> None:
        super().__init__()
        kernel = None if taps is None else fir_filter(taps)
        self.register_buffer("kernel", kernel, persistent=False)
        boxed = None
        if taps is not None and kernel is not None and len(taps) == 3 and taps[0] == taps[2]:
            box = torch.full((1, 1, 2, 2), 0.25, device=kernel.device)
            boxed = F.conv_transpose2d(box, kernel[None, None])[0, 0]  # (4, 4), sum 1
        self.register_buffer("boxed", boxed, persistent=False)
        self.tiles = multiplies_in_tiles()

    def upsample_kernels(self, weight: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """What `conv_upsample` convolves maps of this type with; weight (O, I, 3, 3)."""
        if self._boxes(weight.device, dtype):
            return phase_kernels(weight.to(dtype), mirrored=True)
        return (upsample_kernel(weight, dtype),)

    def conv_upsample(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        kernels: tuple[Tensor, ...] | None = None,
    ) -> Tensor:
        """Nearest upsampling by two, a 3x3 convolution with zero padding, the blur.

        Args:
            x: (N, I, H, W).
            weight: (O, I, 3, 3).
            bias: (O,), added in the end.
            kernels: ``upsample_kernels(weight, x.dtype)`` where they are at hand.

        Returns:
            (N, O, 2H, 2W).
        """
        kernels = self.upsample_kernels(weight, x.dtype) if kernels is None else kernels
        if len(kernels) > 1:
            assert self.boxed is not None
            enlarged = conv_transpose_phases(x, kernels, bordered=True)
            return _filtered(enlarged, self.boxed * 4, bias)
        x = conv_upsample(x, weight, kernels[0])
        if self.kernel is not None:
            return blur(x, self.kernel, bias)
        return x + bias[:, None, None].to(x.dtype)

    def conv_downsample(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The blur, a 3x3 convolution with zero padding, means of 2 by 2 pixels.

        Args:
            x: (N, I, H, W), H and W even.
            weight: (O, I, 3, 3).
            bias: (O,), added in the end; or None.

        Returns:
            (N, O, H / 2, W / 2).
        """
        if self._boxes(x.device, x.dtype):
            assert self.boxed is not None
            return convolve(_filtered(_border(x), self.boxed), weight, bias, stride=2)
        if self.kernel is not None:
            x = blur(x, self.kernel)
        return conv_downsample(x, weight, bias)

    def _boxes(self, device: torch.device, dtype: torch.dtype) -> bool:
        """Whether the blur takes the box over: on a CPU, unless it multiplies matrices in tiles.

        Those make bfloat16 products so cheap that passes over maps count more. In training a
        compiler gets the form that it can fuse, which is then as fast (benchmarks/RESULTS.md).
        """
        if self.boxed is None or device.type != "cpu" or torch.compiler.is_compiling():
            return False
        return dtype != torch.bfloat16 or not self.tiles


def _filtered(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Each map by one kernel (T, T), without padding."""
    channels = x.shape[1]
    return convolve(x, kernel.to(x.dtype).expand(channels, 1, -1, -1), bias, groups=channels)


def _border(x: Tensor) -> Tensor:
    """Maps with what makes a symmetric blur of three taps zero right outside of them.

    Around the outermost rows comes a row of zeros, and their negative; so for columns.

    Args:
        x: (N, C, H, W).

    Returns:
        (N, C, H + 4, W + 4).
    """
    whole: Tensor = _put_border(x) if torch.is_grad_enabled() else _bordered(x)
    return whole


def _bordered(x: Tensor) -> Tensor:
    whole = _room_for(x)
    rows = whole[:, :, 2:-2]
    rows[:, :, :, 2:-2] = x
    for outer, zero, inner in ((0, 1, 2), (-1, -2, -3)):
        rows[:, :, :, zero] = 0
        rows[:, :, :, outer] = -rows[:, :, :, inner]
    for outer, zero, inner in ((0, 1, 2), (-1, -2, -3)):
        whole[:, :, zero] = 0
        whole[:, :, outer] = -whole[:, :, inner]
    return whole


def _unbordered(whole: Tensor) -> Tensor:
    """The adjoint of `_bordered`."""
    x = whole[:, :, 2:-2, 2:-2].clone(memory_format=torch.channels_last)
    for edge in (0, -1):
        x[:, :, edge] -= whole[:, :, edge, 2:-2]
        x[:, :, :, edge] -= whole[:, :, 2:-2, edge]
        for other in (0, -1):
            x[:, :, edge, other] += whole[:, :, edge, other]
    return x


def _room_for(x: Tensor, margin: int = 2) -> Tensor:
    """Empty maps that many pixels larger on each side, channels-last."""
    n, channels, height, width = x.shape
    sides = height + 2 * margin, width + 2 * margin
    return x.new_empty(n, *sides, channels).permute(0, 3, 1, 2)


# operators for the same reasons as in `phases`
_put_border = torch.library.custom_op(
    "wspace::border", _bordered, mutates_args=(), schema="(Tensor x) -> Tensor"
)
_take_border = torch.library.custom_op(
    "wspace::unborder", _unbordered, mutates_args=(), schema="(Tensor whole) -> Tensor"
)
_put_border.register_fake(_room_for)
_put_border.register_autograd(lambda _, grad: _take_border(grad))
_take_border.register_fake(lambda whole: _room_for(whole, -2))
_take_border.register_autograd(lambda _, grad: _put_border(grad))
