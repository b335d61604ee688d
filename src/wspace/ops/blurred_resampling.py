"""StyleGAN1's convolutions that double or halve the side, each with the blur beside it.

Their plain form is three steps: double the pixels, convolve, blur; or blur, convolve, take means of
2x2 pixels. Doubling and averaging are a 2x2 box, which `resample` sums into the 3x3 kernel: 4x4
taps, 16 products instead of 9 for each pair of channels. The fast form sums the box into the blur
instead, a filter of each channel by itself, where products are cheap; the convolution keeps its 9.

The order of steps matters at the edges, where each step pads with zeros. The fast form puts a
border around the maps that makes the plain form's zeros: the results are the same.

Source: Karras et al. 2019 (StyleGAN), Section 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.ops import choose
from wspace.ops.convolution import convolve
from wspace.ops.polyphase_convolution import conv_transpose_phases, phase_kernels
from wspace.ops.resample import (
    blur,
    conv_downsample,
    conv_upsample,
    fir_filter,
    upsample_kernel,
)

__all__ = ["BlurredResampling"]


class BlurredResampling(nn.Module):
    """A convolution that doubles or halves the side, and the low-pass filter beside it.

    Args:
        taps: (T,), of the filter, on both axes; None for no filter.

    Attributes:
        upsampling: what `upsample` convolves with, once `prepare` was called; for drawing.
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
        self.upsampling: tuple[Tensor, ...] | None = None

    def upsample(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Nearest upsampling by two, a 3x3 convolution with zero padding, the blur.

        Args:
            x: (N, I, H, W).
            weight: (O, I, 3, 3).
            bias: (O,), added in the end.

        Returns:
            (N, O, 2H, 2W).
        """
        kernels = self.upsampling or self.upsample_kernels(weight, x.dtype)
        if len(kernels) > 1:
            assert self.boxed is not None
            enlarged = conv_transpose_phases(x, kernels, bordered=True)
            return _filter_each(enlarged, self.boxed * 4, bias)
        x = conv_upsample(x, weight, kernels[0])
        if self.kernel is not None:
            return blur(x, self.kernel, bias)
        return x + bias[:, None, None].to(x.dtype)

    def downsample(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The blur, a 3x3 convolution with zero padding, means of 2 by 2 pixels.

        Args:
            x: (N, I, H, W), H and W even.
            weight: (O, I, 3, 3).
            bias: (O,), added in the end; or None.

        Returns:
            (N, O, H / 2, W / 2).
        """
        if self._blur_takes_box(x.device, x.dtype):
            assert self.boxed is not None
            return convolve(_filter_each(_border(x), self.boxed), weight, bias, stride=2)
        if self.kernel is not None:
            x = blur(x, self.kernel)
        return conv_downsample(x, weight, bias)

    def prepare(self, weight: Tensor, dtype: torch.dtype) -> None:
        """Work out what `upsample` makes of a weight, for drawing; it must not change any more."""
        kernels = self.upsample_kernels(weight, dtype)
        layout = torch.channels_last  # what convolutions want
        self.upsampling = tuple(kernel.contiguous(memory_format=layout) for kernel in kernels)

    def upsample_kernels(self, weight: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """What `upsample` convolves maps of this type with.

        Args:
            weight: (O, I, 3, 3).
            dtype: of the maps.

        Returns:
            Four as `phase_kernels` has them where the blur takes the box; or one as
            `upsample_kernel` has it.
        """
        if self._blur_takes_box(weight.device, dtype):
            return phase_kernels(weight.to(dtype), mirrored=True)
        return (upsample_kernel(weight, dtype),)

    def _blur_takes_box(self, device: torch.device, dtype: torch.dtype) -> bool:
        return self.boxed is not None and choose.blur_takes_box(device, dtype)


def _filter_each(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Each map by one kernel (T, T), without padding."""
    channels = x.shape[1]
    return convolve(x, kernel.to(x.dtype).expand(channels, 1, -1, -1), bias, groups=channels)


def _border(x: Tensor) -> Tensor:
    """Maps with a border that makes a symmetric blur of three taps zero right outside of them.

    Next to each outermost row come a row of zeros and the negative of that row; so for columns.

    Args:
        x: (N, C, H, W).

    Returns:
        (N, C, H + 4, W + 4).
    """
    put = _put_border if choose.calls_registered_operators() else _bordered
    whole: Tensor = put(x)
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


# Registered for the same reasons as in `polyphase_convolution`.
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
