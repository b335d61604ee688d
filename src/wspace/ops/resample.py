"""FIR filters, up- and downsampling, and the convolutions that resample on their way."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.ops import choose
from wspace.ops.convolution import convolve
from wspace.ops.polyphase_convolution import (
    conv_transpose_phases,
    conv_upsample_phases,
    phase_kernels,
    sum_of_shifts,
    upsample_phase_kernel,
)

__all__ = [
    "blur",
    "conv_downsample",
    "conv_downsample_fir",
    "conv_upsample",
    "conv_upsample_fir",
    "downsample_mean",
    "fir",
    "fir_downsample",
    "fir_filter",
    "fir_kernel",
    "fir_upsample",
    "upsample_fir_kernels",
    "upsample_kernel",
    "upsample_nearest",
]

# From this many taps on a filter is kept as one line for both axes, as in StyleGAN2's release.
SEPARABLE_TAPS = 8


def fir_filter(taps: Sequence[float] | Tensor) -> Tensor:
    """Normalise a 1-D list of taps to the 2-D filter that sums to one.

    Args:
        taps: (T,) taps, their outer product is taken; or a (T, T) filter.

    Returns:
        (T, T), float32, sum 1.
    """
    # known without any data, so real also where weights are built on the meta device
    kernel = torch.as_tensor(taps, dtype=torch.float32, device="cpu")
    if kernel.ndim == 1:
        kernel = torch.outer(kernel, kernel)
    return kernel / kernel.sum()


def blur(x: Tensor, kernel: Tensor, bias: Tensor | None = None) -> Tensor:
    """Filter every map with one FIR kernel, zero padding, same size.

    Source: Karras et al. 2019 (StyleGAN), Section 2.1 (Zhang 2019).

    Args:
        x: (N, C, H, W).
        kernel: (T, T), correlated with the maps; an even one reaches one pixel further down and
            to the right.
        bias: (C,), added in the end; or None.

    Returns:
        (N, C, H, W).
    """
    channels, taps = x.shape[1], kernel.shape[0]
    weight = kernel.to(x.dtype).expand(channels, 1, taps, taps)
    if taps % 2 == 0:
        x = F.pad(x, (0, 1, 0, 1))
    return convolve(x, weight, bias, padding=(taps - 1) // 2, groups=channels)


def upsample_nearest(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, 2H, 2W), every pixel doubled."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def downsample_mean(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, H / 2, W / 2), means of 2 by 2 pixels."""
    return F.avg_pool2d(x, 2)


def upsample_kernel(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """What `conv_upsample` convolves maps of this type with.

    Args:
        weight: (O, I, 3, 3).
        dtype: of the maps.

    Returns:
        (I, O, 4, 4), to be transposed; or as `upsample_phase_kernel` has it.
    """
    if choose.upsamples_by_phases(weight.device, dtype):
        return upsample_phase_kernel(weight).to(dtype)
    return sum_of_shifts(weight.flip(2, 3)).transpose(0, 1).to(dtype)


def upsample_fir_kernels(weight: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """What `conv_upsample_fir` convolves maps of this type with before it filters them.

    Args:
        weight: (O, I, 3, 3).
        dtype: of the maps.

    Returns:
        One of (I, O, 3, 3), to be transposed; or four as `phase_kernels` has them.
    """
    weight = weight.to(dtype)
    return (
        phase_kernels(weight)
        if choose.upsamples_by_phases(weight.device, dtype)
        else (weight.transpose(0, 1),)
    )


def conv_upsample(x: Tensor, weight: Tensor, kernel: Tensor | None = None) -> Tensor:
    """Nearest upsampling by two and a 3x3 convolution in one, zero padding.

    Doubled pixels meet one kernel tap or two, so each of the four output phases is a 2x2
    convolution of the small map: 4 products an output instead of 9.

    Source: Karras et al. 2019's release, "fused" upsampling, in the orientation of the plain form.

    Args:
        x: (N, I, H, W).
        weight: (O, I, 3, 3).
        kernel: ``upsample_kernel(weight, x.dtype)`` where that is at hand.

    Returns:
        (N, O, 2H, 2W).
    """
    kernel = upsample_kernel(weight, x.dtype) if kernel is None else kernel
    if choose.upsamples_by_phases(x.device, x.dtype):
        return conv_upsample_phases(x, kernel)
    return F.conv_transpose2d(x, kernel, stride=2, padding=1)


def conv_downsample(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 3x3 convolution with zero padding and means of 2 by 2 pixels in one.

    Source: Karras et al. 2019's release, "fused" downsampling; equal to the plain form.

    Args:
        x: (N, I, H, W), H and W even.
        weight: (O, I, 3, 3).
        bias: (O,), added in the end; or None.

    Returns:
        (N, O, H / 2, W / 2).
    """
    kernel = sum_of_shifts(weight * 0.25)
    return convolve(x, kernel, bias, stride=2, padding=1)


def fir_kernel(taps: Sequence[float] | Tensor | None) -> Tensor:
    """Prepare a low-pass filter for `fir` and what builds on it.

    Source: Karras et al. 2020 (StyleGAN2), Appendix B, and its release.

    Args:
        taps: (T,) taps or a (T, T) filter, as in a true convolution; None for no filter.

    Returns:
        (T, T), or (T,) from `SEPARABLE_TAPS` taps on; float32, sum 1, mirrored: correlating with
        it is the true convolution.
    """
    taps = [1.0] if taps is None else taps
    kernel = torch.as_tensor(taps, dtype=torch.float32, device="cpu")  # as in `fir_filter`
    if kernel.ndim == 1 and len(kernel) < SEPARABLE_TAPS:
        kernel = torch.outer(kernel, kernel)
    return (kernel / kernel.sum()).flip(list(range(kernel.ndim)))


def fir(
    x: Tensor,
    kernel: Tensor,
    padding: tuple[int, int],
    *,
    stride: int = 1,
    gain: float = 1.0,
    bias: Tensor | None = None,
    onto: Tensor | None = None,
) -> Tensor:
    """Filter every map and keep each ``stride``-th pixel.

    Args:
        x: (N, C, H, W).
        kernel: from `fir_kernel`.
        padding: zeros before and after, on both axes; negative numbers crop.
        stride: 1 keeps all.
        gain: factor on the result.
        bias: (C,), added to it; or None.
        onto: see `convolve`.

    Returns:
        (N, C, H', W'), H' = (H + padding - T) // stride + 1, W' likewise.
    """
    channels, taps = x.shape[1], kernel.shape[0]
    zeros = padding[0] if padding[0] == padding[1] and padding[0] > 0 else 0
    if zeros == 0:
        x = F.pad(x, (*padding, *padding))
    with choose.without_autocast(x):  # pictures stay float32
        if kernel.ndim == 1:
            line = (kernel * gain**0.5).to(x.dtype)
            weight = line.expand(channels, 1, taps)
            column, row = weight[:, :, :, None], weight[:, :, None, :]
            x = convolve(x, column, stride=(stride, 1), padding=(zeros, 0), groups=channels)
            along, sides = (1, stride), (0, zeros)
            return convolve(x, row, bias, stride=along, padding=sides, groups=channels, onto=onto)
        weight = (kernel * gain).to(x.dtype).expand(channels, 1, taps, taps)
        return convolve(x, weight, bias, stride=stride, padding=zeros, groups=channels, onto=onto)


def fir_downsample(x: Tensor, kernel: Tensor) -> Tensor:
    """Filter and halve: (N, C, H, W) to (N, C, H / 2, W / 2); kernel from `fir_kernel`."""
    taps = kernel.shape[0]
    return fir(x, kernel, ((taps - 1) // 2, (taps - 2) // 2), stride=2)


def fir_upsample(x: Tensor, kernel: Tensor) -> Tensor:
    """Double with zeros between the pixels, then filter, keeping the brightness.

    Args:
        x: (N, C, H, W).
        kernel: from `fir_kernel`.

    Returns:
        (N, C, 2H, 2W).
    """
    channels, taps = x.shape[1], kernel.shape[0]
    with choose.without_autocast(x):
        kernel = kernel.flip(list(range(kernel.ndim))).to(x.dtype)
        if kernel.ndim == 1:
            weight = (2 * kernel).expand(channels, 1, taps)
            x = F.conv_transpose2d(x, weight[:, :, :, None], stride=(2, 1), groups=channels)
            x = F.conv_transpose2d(x, weight[:, :, None, :], stride=(1, 2), groups=channels)
        else:
            weight = (4 * kernel).expand(channels, 1, taps, taps)
            x = F.conv_transpose2d(x, weight, stride=2, groups=channels)
    # of the full convolution, (T + 1) // 2 zeros before the picture count, not T - 1
    before, after = (taps + 1) // 2 - (taps - 1), (taps - 2) // 2 - (taps - 2)
    return F.pad(x, (before, after, before, after))


def conv_upsample_fir(
    x: Tensor,
    weight: Tensor,
    taps: Tensor,
    kernels: tuple[Tensor, ...] | None = None,
    bias: Tensor | None = None,
    onto: Tensor | None = None,
) -> Tensor:
    """Double with zeros between the pixels, then filter and convolve, as a true convolution.

    The transposed convolution works on the small maps; the filter follows it.

    Source: Karras et al. 2020 (StyleGAN2), Figure 2 and its release.

    Args:
        x: (N, I, H, W).
        weight: (O, I, 3, 3).
        taps: from `fir_kernel`.
        kernels: ``upsample_fir_kernels(weight, x.dtype)`` where that is at hand.
        bias: (O,), added in the end; or None.
        onto: see `convolve`.

    Returns:
        (N, O, 2H, 2W).
    """
    kernels = upsample_fir_kernels(weight, x.dtype) if kernels is None else kernels
    if choose.upsamples_by_phases(x.device, x.dtype):
        x = conv_transpose_phases(x, kernels)
    else:
        x = F.conv_transpose2d(x, kernels[0], stride=2)  # (N, O, 2H + 1, 2W + 1)
    count = taps.shape[0]
    sides = ((count + 1) // 2 - 1, (count - 2) // 2)
    return fir(x, taps, sides, gain=4.0, bias=bias, onto=onto)


def conv_downsample_fir(
    x: Tensor, weight: Tensor, kernel: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Filter, then convolve and halve, as a plain correlation.

    Source: Karras et al. 2020 (StyleGAN2)'s release.

    Args:
        x: (N, I, H, W), H and W even.
        weight: (O, I, k, k), k odd.
        kernel: from `fir_kernel`.
        bias: (O,), added in the end; or None.

    Returns:
        (N, O, H / 2, W / 2).
    """
    taps, pad = kernel.shape[0], weight.shape[2] // 2
    if pad == 0:
        return convolve(fir_downsample(x, kernel), weight, bias)
    x = fir(x, kernel, (pad + (taps - 1) // 2, pad + (taps - 2) // 2))
    return convolve(x, weight, bias, stride=2)
