"""FIR filters, up- and downsampling, and the convolutions that resample on their way."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "blur",
    "conv_downsample",
    "conv_upsample",
    "downsample_mean",
    "fir_filter",
    "upsample_nearest",
]


def fir_filter(taps: Sequence[float] | Tensor) -> Tensor:
    """Normalise a 1-D list of taps to the 2-D filter that sums to one.

    Args:
        taps: (T,) taps, their outer product is taken; or a (T, T) filter.

    Returns:
        (T, T), float32, sum 1.
    """
    kernel = torch.as_tensor(taps, dtype=torch.float32)
    if kernel.ndim == 1:
        kernel = torch.outer(kernel, kernel)
    return kernel / kernel.sum()


def blur(x: Tensor, kernel: Tensor) -> Tensor:
    """Filter every map with one FIR kernel, zero padding, same size.

    Source: Karras et al. 2019 (StyleGAN), Section 2.1 (Zhang 2019).

    Args:
        x: (N, C, H, W).
        kernel: (T, T), correlated with the maps; an even one reaches one pixel further down and
            to the right.

    Returns:
        (N, C, H, W).
    """
    channels, taps = x.shape[1], kernel.shape[0]
    weight = kernel.to(x.dtype).expand(channels, 1, taps, taps)
    if taps % 2 == 0:
        x = F.pad(x, (0, 1, 0, 1))
    return F.conv2d(x, weight, padding=(taps - 1) // 2, groups=channels)


def upsample_nearest(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, 2H, 2W), every pixel doubled."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def downsample_mean(x: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, H / 2, W / 2), means of 2 by 2 pixels."""
    return F.avg_pool2d(x, 2)


def conv_upsample(x: Tensor, weight: Tensor) -> Tensor:
    """Nearest upsampling by two and a 3x3 convolution in one, zero padding.

    Doubled pixels meet one kernel tap or two, so each of the four output phases is a 2x2
    convolution of the small map: 4 products an output instead of 9.

    Source: Karras et al. 2019's release, "fused" upsampling, in the orientation of the plain form.

    Args:
        x: (N, I, H, W).
        weight: (O, I, 3, 3).

    Returns:
        (N, O, 2H, 2W).
    """
    if x.device.type == "cpu" and x.dtype == torch.bfloat16:
        return _conv_upsample_phases(x, weight)
    kernel = _sum_of_shifts(weight.flip(2, 3)).transpose(0, 1)  # (I, O, 4, 4)
    return F.conv_transpose2d(x, kernel.to(x.dtype), stride=2, padding=1)


def conv_downsample(x: Tensor, weight: Tensor) -> Tensor:
    """A 3x3 convolution with zero padding and means of 2 by 2 pixels in one.

    Source: Karras et al. 2019's release, "fused" downsampling; equal to the plain form.

    Args:
        x: (N, I, H, W), H and W even.
        weight: (O, I, 3, 3).

    Returns:
        (N, O, H / 2, W / 2).
    """
    kernel = _sum_of_shifts(weight * 0.25)
    return F.conv2d(x, kernel.to(x.dtype), stride=2, padding=1)


def _sum_of_shifts(weight: Tensor) -> Tensor:
    """(O, I, 3, 3) to (O, I, 4, 4): the kernel convolved with a 2x2 box of ones."""
    padded = F.pad(weight, (1, 1, 1, 1))
    return (
        padded[:, :, 1:, 1:]
        + padded[:, :, :-1, 1:]
        + padded[:, :, 1:, :-1]
        + padded[:, :, :-1, :-1]
    )


def _conv_upsample_phases(x: Tensor, weight: Tensor) -> Tensor:
    """`conv_upsample` as one 2x2 convolution with the four phases as output channels.

    oneDNN's transposed convolution is several times slower than this in bf16 on a CPU.
    """
    n, _, h, w = x.shape
    o = weight.shape[0]
    kernel = _sum_of_shifts(weight)  # output row 2i + p meets its rows p and p + 2
    phases = [kernel[:, :, p::2, q::2] for p in (0, 1) for q in (0, 1)]
    stacked = torch.cat(phases).to(x.dtype)  # (4 O, I, 2, 2)
    y = F.conv2d(x, stacked, padding=1).permute(0, 2, 3, 1)  # (N, H + 1, W + 1, 4 O)
    rows = []
    for p in (0, 1):
        cells = [y[:, p : p + h, q : q + w, (2 * p + q) * o : (2 * p + q + 1) * o] for q in (0, 1)]
        rows.append(torch.stack(cells, dim=3))  # (N, H, W, 2, O)
    image = torch.stack(rows, dim=2)  # (N, H, 2, W, 2, O)
    return image.reshape(n, 2 * h, 2 * w, o).permute(0, 3, 1, 2)
