"""Low-pass filters of StyleGAN3 and the activation between them that adds no aliasing.

Source: Karras et al. 2021 (StyleGAN3), Section 3 and Appendix C.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.ops import choose
from wspace.ops.polyphase_filter import filter_by_phases

__all__ = ["filtered_lrelu", "lowpass_filter", "upsample_axis"]

# Without gradients a layer's enlarged maps are worked out in parts of this size: at 1024 pixels all
# of them take 3 GB.
ENLARGED_BYTES = 2**29


def lowpass_filter(
    num_taps: int, *, cutoff: float, width: float, rate: float, radial: bool = False
) -> Tensor:
    """Design a windowed-sinc low-pass filter, or its rotationally symmetric relative.

    Source: Karras et al. 2021 (StyleGAN3), Appendix C.1; Kaiser's formula for the window.

    Args:
        num_taps: length, >= 2.
        cutoff: frequency that passes at half amplitude, in cycles per unit of length.
        width: of the transition band, in the same unit.
        rate: samples per unit of length.
        radial: with the jinc function of the distance instead of a product of two sincs.

    Returns:
        (num_taps,), to be used on each axis, or (num_taps, num_taps) if radial; float32, sum 1.
    """
    attenuation = 2.285 * (num_taps - 1) * math.pi * (width / (rate / 2)) + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation > 21:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    else:
        beta = 0.0
    window = np.kaiser(num_taps, beta)
    position = (np.arange(num_taps) - (num_taps - 1) / 2) / rate
    if radial:
        distance = torch.from_numpy(np.hypot(position, position[:, None]))
        safe = distance.clamp(min=1e-9)  # an odd filter has its centre at distance 0
        jinc = torch.special.bessel_j1(2 * math.pi * cutoff * safe) / (math.pi * safe)
        taps = jinc.numpy() * np.outer(window, window)
    else:
        taps = np.sinc(2 * cutoff * position) * window
    return torch.from_numpy((taps / taps.sum()).astype(np.float32))


def filtered_lrelu(
    x: Tensor,
    up_filter: Tensor | None,
    down_filter: Tensor | None,
    *,
    up: int,
    down: int,
    padding: tuple[int, int, int, int],
    gain: float = math.sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
) -> Tensor:
    """Enlarge, apply leaky ReLU where its new frequencies still fit, filter them off, shrink.

    Source: Karras et al. 2021 (StyleGAN3), Section 3.2, Figure 2b.

    Args:
        x: (N, C, H, W), with its bias already added.
        up_filter: (T,) for both axes, sum 1; None only where ``up`` is 1.
        down_filter: (T,) for both axes or (T, T'), sum 1; None only where ``down`` is 1.
        up: factor of enlargement, >= 1.
        down: factor of shrinking, >= 1.
        padding: zeros (left, right, top, bottom) at the enlarged size; negative numbers crop.
        gain: factor on the activation.
        slope: of the activation below 0.
        clamp: bound on the absolute value after the gain; None for no bound.

    Returns:
        (N, C, H', W'), H' = (H up + top + bottom - (T_up - 1) - (T_down - 1) - 1) // down + 1.
    """
    act = partial(_activate, slope=slope, clamp=clamp)
    if (groups := _parts(x, up)) > 1:  # channels do not meet here: some at a time
        apply = partial(
            filtered_lrelu,
            up_filter=up_filter,
            down_filter=down_filter,
            up=up,
            down=down,
            padding=padding,
            gain=gain,
            slope=slope,
            clamp=clamp,
        )
        return torch.cat([apply(part) for part in x.chunk(groups, dim=1)], dim=1)
    with choose.without_autocast(x):
        if up_filter is None or down_filter is None:
            return _in_full(x, up_filter, down_filter, up, down, padding, gain, act)
        phases_have_taps = min(len(up_filter), *down_filter.shape) >= up
        if not choose.filters_by_phases(x) or up % down or not phases_have_taps:
            return _in_full(x, up_filter, down_filter, up, down, padding, gain, act)
        line = up_filter * math.sqrt(gain) * up
        return filter_by_phases(x, line, down_filter, up=up, down=down, padding=padding, act=act)


def _parts(x: Tensor, up: int) -> int:
    """In how many parts the maps are enlarged; gradients need all of them at once."""
    if torch.is_grad_enabled():
        return 1
    enlarged = x.numel() * up**2 * x.element_size()
    return min(math.ceil(enlarged / ENLARGED_BYTES), x.shape[1])


def _activate(x: Tensor, *, slope: float, clamp: float | None) -> Tensor:
    in_place = not torch.is_grad_enabled()
    if slope != 1:
        x = F.leaky_relu(x, slope, inplace=in_place)
    if clamp is None:
        return x
    return x.clamp_(-clamp, clamp) if in_place else x.clamp(-clamp, clamp)


def _in_full(
    x: Tensor,
    up_filter: Tensor | None,
    down_filter: Tensor | None,
    up: int,
    down: int,
    padding: tuple[int, int, int, int],
    gain: float,
    act: Callable[[Tensor], Tensor],
) -> Tensor:
    """`filtered_lrelu` step by step, through the maps at their enlarged size."""
    left, right, top, bottom = padding
    if up_filter is None:
        x = F.pad(x, padding) * gain
    else:
        line = up_filter * (up * math.sqrt(gain))  # the gain commutes with the activation
        x = upsample_axis(x, line, up, top, bottom, axis=2)
        x = upsample_axis(x, line, up, left, right, axis=3)
    x = act(x)
    return x if down_filter is None else _downsample(x, down_filter, down)


def upsample_axis(
    x: Tensor, line: Tensor, up: int, before: int, after: int, *, axis: int
) -> Tensor:
    """Insert zeros, pad and convolve truly, on one axis, as a transposed convolution.

    Args:
        x: (N, C, H, W).
        line: (T,), the filter.
        up: factor of enlargement, >= 1.
        before: zeros in front at the enlarged size; a negative number crops.
        after: zeros behind, likewise.
        axis: 2 for rows, 3 for columns.

    Returns:
        (N, C, H', W) on rows, H' = H up + before + after - (T - 1), and so on columns.
    """
    taps, channels = len(line), x.shape[1]
    weight = line.to(x.dtype).expand(channels, 1, taps)
    # of the full convolution, this much lies outside the padded maps
    first, last = taps - 1 - before, taps - up - after
    crop = first if first == last and first >= 0 else 0
    if axis == 2:
        x = F.conv_transpose2d(
            x, weight[:, :, :, None], stride=(up, 1), padding=(crop, 0), groups=channels
        )
        return x if crop else F.pad(x, (0, 0, -first, -last))
    x = F.conv_transpose2d(
        x, weight[:, :, None, :], stride=(1, up), padding=(0, crop), groups=channels
    )
    return x if crop else F.pad(x, (-first, -last))


def _downsample(x: Tensor, kernel: Tensor, down: int) -> Tensor:
    """Convolve truly without padding and keep each ``down``-th pixel."""
    channels = x.shape[1]
    weight = kernel.flip(list(range(kernel.ndim))).to(x.dtype)
    weight = weight.expand(channels, 1, *kernel.shape)
    if kernel.ndim == 2:
        return F.conv2d(x, weight, stride=down, groups=channels)
    x = F.conv2d(x, weight[:, :, :, None], stride=(down, 1), groups=channels)
    return F.conv2d(x, weight[:, :, None, :], stride=(1, down), groups=channels)
