"""Filtering at a higher sampling rate without ever making the maps of that rate.

Each up-th sample of the enlarged maps belongs to one phase, which is as large as the maps that come
in, and a small depthwise convolution of them. Phase by phase, inserted zeros are never multiplied
and dropped samples never computed. The plain form is in `filtered_lrelu`; results differ from it
only by the order of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["filter_by_phases"]


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """How one axis is enlarged by ``up`` and shrunk by ``down``.

    Phase p < up of the enlarged maps holds their samples up * m + p, phase r < up / down of the
    output its samples (up / down) * m + r.
    """

    padding: tuple[int, int]  # of the maps that come in
    up_taps: tuple[slice, ...]  # [p], those of the mirrored up filter
    down_taps: tuple[tuple[slice, ...], ...]  # [r][p], those of the mirrored down filter
    starts: tuple[tuple[int, ...], ...]  # [r][p], in phase p after the down filter
    length: int  # of each output phase
    out: int  # samples of the output

    @classmethod
    def plan(
        cls, size: int, *, up: int, down: int, padding: tuple[int, int], taps: tuple[int, int]
    ) -> Self:
        """Plan for ``size`` samples, the padding at the enlarged size, and (up, down) taps."""
        up_taps, down_taps = taps
        ratio = up // down
        out = (size * up + sum(padding) - (up_taps - 1) - down_taps) // down + 1
        length = -(-out // ratio)
        kernels, widths, firsts = [], [], []
        for p in range(up):
            # enlarged sample up * m + p takes every up-th tap, from the first that meets a sample
            first, tap = divmod(p - padding[0] + up_taps - 1, up)
            kernels.append(slice((up_taps - 1 - tap) % up, up_taps - tap, up))
            widths.append(len(range(tap, up_taps, up)))
            firsts.append(first - widths[p] + 1)
        before, end = -min(firsts), 0
        down_kernels, starts = [], []
        for r in range(ratio):
            first_taps = [(p - down * r) % up for p in range(up)]
            down_kernels.append(tuple(slice(tap, None, up) for tap in first_taps))
            row = [(down * r + t) // up + firsts[p] + before for p, t in enumerate(first_taps)]
            starts.append(tuple(row))
            for p, tap in enumerate(first_taps):
                width = len(range(tap, down_taps, up))
                end = max(end, row[p] + length + width + widths[p] - 2)
        return cls(
            padding=(before, end - before - size),
            up_taps=tuple(kernels),
            down_taps=tuple(down_kernels),
            starts=tuple(starts),
            length=length,
            out=out,
        )


def filter_by_phases(
    x: Tensor,
    up_filter: Tensor,
    down_filter: Tensor,
    *,
    up: int,
    down: int,
    padding: tuple[int, int, int, int],
    act: Callable[[Tensor], Tensor],
) -> Tensor:
    """Insert zeros, pad, filter, apply ``act`` to each sample, filter, keep each down-th sample.

    Args:
        x: (N, C, H, W).
        up_filter: (T,) for both axes, T >= up.
        down_filter: (T,) for both axes or (T, T'), T and T' >= up.
        up: factor of enlargement, a multiple of ``down``.
        down: factor of shrinking.
        padding: zeros (left, right, top, bottom) at the enlarged size; negative numbers crop.
        act: from a tensor to one of the same shape.

    Returns:
        (N, C, H', W'), see `filtered_lrelu`.
    """
    taps = len(up_filter)
    rows = _Axis.plan(
        x.shape[2], up=up, down=down, padding=padding[2:], taps=(taps, down_filter.shape[0])
    )
    columns = _Axis.plan(
        x.shape[3], up=up, down=down, padding=padding[:2], taps=(taps, down_filter.shape[-1])
    )
    x = F.pad(x, (*columns.padding, *rows.padding))
    lift = up_filter.flip(0).to(x.dtype)
    lower = down_filter.flip(list(range(down_filter.ndim))).to(x.dtype)
    ratio = up // down
    output: dict[tuple[int, int], Tensor] = {}
    for p in range(up):
        lifted = _filter(x, lift[rows.up_taps[p], None])
        sums: dict[int, Tensor] = {}
        for q in range(up):
            phase = act(_filter(lifted, lift[None, columns.up_taps[q]]))
            for c in range(ratio):
                start, across = columns.starts[c][q], columns.down_taps[c][q]
                window = slice(start, start + columns.length)
                if lower.ndim == 1:
                    _add(sums, c, _filter(phase, lower[None, across])[:, :, :, window])
                    continue
                for r in range(ratio):
                    top = rows.starts[r][p]
                    part = _filter(phase, lower[rows.down_taps[r][p], across])
                    _add(output, (r, c), part[:, :, top : top + rows.length, window])
        for c, total in sums.items():
            for r in range(ratio):
                top = rows.starts[r][p]
                part = _filter(total, lower[rows.down_taps[r][p], None])
                _add(output, (r, c), part[:, :, top : top + rows.length])
    if ratio == 1:
        return output[0, 0]
    n, channels = x.shape[:2]
    whole = x.new_empty(n, rows.length, ratio, columns.length, ratio, channels)
    for (r, c), part in output.items():
        whole[:, :, r, :, c] = part.permute(0, 2, 3, 1)
    image = whole.flatten(3, 4).flatten(1, 2)[:, : rows.out, : columns.out]
    return image.permute(0, 3, 1, 2)


def _filter(x: Tensor, kernel: Tensor) -> Tensor:
    """Correlate every map with a (T, T') kernel, without padding."""
    channels = x.shape[1]
    return F.conv2d(x, kernel.expand(channels, 1, *kernel.shape), groups=channels)


def _add(totals: dict[Any, Tensor], key: Any, part: Tensor) -> None:
    if key not in totals:
        totals[key] = part
    elif torch.is_grad_enabled():
        totals[key] = totals[key] + part
    else:
        totals[key].add_(part)
