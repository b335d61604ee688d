"""Convolutions that double the side, computed phase by phase.

A phase is every other row and every other column of the enlarged maps. All of its pixels meet the
same few taps of the kernel, so that each phase is a small plain convolution of the maps that come
in. Their plain form is a transposed convolution (`resample`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from wspace.ops import choose
from wspace.ops.convolution import convolve

__all__ = [
    "conv_transpose_phases",
    "conv_upsample_phases",
    "phase_kernels",
    "sum_of_shifts",
    "upsample_phase_kernel",
]

# Along one line, a kernel of three taps and itself shifted by one, added up: rows are four taps.
_SUMS_OF_SHIFTS = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]])


def phase_kernels(weight: Tensor, *, mirrored: bool = False) -> tuple[Tensor, ...]:
    """What `conv_transpose_phases` convolves with: each tap lies in the kernel of one phase.

    Args:
        weight: (O, I, 3, 3).
        mirrored: takes it as if it was flipped along both axes.

    Returns:
        (O, I, 2, 2), (O, I, 2, 1), (O, I, 1, 2), (O, I, 1, 1): of even rows and even columns, of
        even rows and odd columns, and so on.
    """
    o, i = weight.shape[:2]
    taps = weight.permute(0, 2, 3, 1).reshape(o, 9, i).unbind(dim=1)  # row by row
    # even rows 2m meet x[m - 1] by tap 2 and x[m] by tap 0, odd ones x[m] by tap 1 alone
    lines = ((0, 2) if mirrored else (2, 0), (1,))
    kernels = []
    for rows in lines:
        for columns in lines:
            met = torch.stack([taps[3 * r + c] for r in rows for c in columns], dim=1)
            kernels.append(met.view(o, len(rows), len(columns), i).permute(0, 3, 1, 2))
    return tuple(kernels)


def conv_transpose_phases(
    x: Tensor, kernels: Sequence[Tensor], *, bordered: bool = False
) -> Tensor:
    """A transposed convolution with stride 2 and without padding.

    Args:
        x: (N, I, H, W).
        kernels: see `phase_kernels`.
        bordered: puts the negative of the outermost rows and columns around the result, so that
            sums of two neighbours are zero there.

    Returns:
        (N, O, 2H + 1, 2W + 1), each side two more with a border.
    """
    ee, eo, oe, oo = (convolve(x, k, padding=(k.shape[2] - 1, k.shape[3] - 1)) for k in kernels)
    weave = _weave if choose.calls_registered_operators() else _woven
    whole: Tensor = weave(ee, eo, oe, oo, bordered)
    return whole


def _woven(ee: Tensor, eo: Tensor, oe: Tensor, oo: Tensor, bordered: bool) -> Tensor:
    """Phases put in their places: "eo" are the maps' even rows and odd columns."""
    whole = _room_for(ee, oo, bordered)
    inside = whole[:, :, 1:-1, 1:-1] if bordered else whole
    for k, part in enumerate((ee, eo, oe, oo)):
        inside[:, :, k // 2 :: 2, k % 2 :: 2] = part
    if bordered:
        for outer, inner in ((0, 1), (-1, -2)):
            whole[:, :, 1:-1, outer] = -whole[:, :, 1:-1, inner]
        for outer, inner in ((0, 1), (-1, -2)):
            whole[:, :, outer] = -whole[:, :, inner]
    return whole


def _unwoven(whole: Tensor, bordered: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The adjoint of `_woven`."""
    inside = whole[:, :, 1:-1, 1:-1] if bordered else whole
    ee, eo, oe, oo = (
        inside[:, :, p::2, q::2].clone(memory_format=torch.channels_last)
        for p in (0, 1)
        for q in (0, 1)
    )
    if bordered:  # outermost rows and columns are even ones
        for edge in (0, -1):
            row, column = whole[:, :, edge, 1:-1], whole[:, :, 1:-1, edge]
            ee[:, :, edge] -= row[:, :, 0::2]
            eo[:, :, edge] -= row[:, :, 1::2]
            ee[:, :, :, edge] -= column[:, :, 0::2]
            oe[:, :, :, edge] -= column[:, :, 1::2]
            for other in (0, -1):
                ee[:, :, edge, other] += whole[:, :, edge, other]
    return ee, eo, oe, oo


def _room_for(ee: Tensor, oo: Tensor, bordered: bool) -> Tensor:
    """Empty maps as large as `_woven` makes them, channels-last."""
    n, channels, height, width = ee.shape
    margin = 2 if bordered else 0
    sides = height + oo.shape[2] + margin, width + oo.shape[3] + margin
    return ee.new_empty(n, *sides, channels).permute(0, 3, 1, 2)


def _shape_of_phases(whole: Tensor, bordered: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    margin = 2 if bordered else 0
    n, channels, height, width = whole.shape
    height, width = height - margin, width - margin
    parts = (
        whole.new_empty(n, (height + 1 - p) // 2, (width + 1 - q) // 2, channels)
        for p in (0, 1)
        for q in (0, 1)
    )
    ee, eo, oe, oo = (part.permute(0, 3, 1, 2) for part in parts)
    return ee, eo, oe, oo


def _keep_border(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.bordered = inputs[-1]


# Operators with gradients of their own: autograd's make a map of zeros for every phase. A compiler
# leaves them whole: its own loops over so many slices are slow on a CPU.
_weave = torch.library.custom_op(
    "wspace::weave",
    _woven,
    mutates_args=(),
    schema="(Tensor ee, Tensor eo, Tensor oe, Tensor oo, bool bordered) -> Tensor",
)
_unweave = torch.library.custom_op(
    "wspace::unweave",
    _unwoven,
    mutates_args=(),
    schema="(Tensor whole, bool bordered) -> (Tensor, Tensor, Tensor, Tensor)",
)
_weave.register_fake(lambda ee, eo, oe, oo, bordered: _room_for(ee, oo, bordered))
_weave.register_autograd(
    lambda ctx, grad: (*_unweave(grad, ctx.bordered), None), setup_context=_keep_border
)
_unweave.register_fake(_shape_of_phases)
_unweave.register_autograd(
    lambda ctx, *grads: (_weave(*grads, ctx.bordered), None), setup_context=_keep_border
)


def upsample_phase_kernel(weight: Tensor) -> Tensor:
    """What `conv_upsample_phases` convolves with.

    Args:
        weight: (O, I, 3, 3).

    Returns:
        (4 O, I, 2, 2), the kernels of the four phases.
    """
    # output row 2i + p meets rows p and p + 2 of the kernel summed over shifts
    lines = torch.stack([_SUMS_OF_SHIFTS[0::2], _SUMS_OF_SHIFTS[1::2]])
    kernels = _combine_taps(weight, lines)  # (O, 2, 2, 4, I)
    return kernels.permute(1, 2, 0, 3, 4).reshape(4 * len(weight), 2, 2, -1).permute(0, 3, 1, 2)


def conv_upsample_phases(x: Tensor, kernel: Tensor) -> Tensor:
    """Nearest upsampling and a 3x3 convolution, with the four phases as output channels.

    Args:
        x: (N, I, H, W).
        kernel: see `upsample_phase_kernel`.

    Returns:
        (N, O, 2H, 2W).
    """
    y = convolve(x, kernel, padding=1)  # (N, 4 O, H + 1, W + 1)
    if not choose.has_own_gradient(y):
        return _interleaved(y)
    image: Tensor = _Interleave.apply(y)  # type: ignore[no-untyped-call]
    return image


def _interleaved(y: Tensor) -> Tensor:
    """(N, 4 O, H + 1, W + 1), phase (p, q) from row p and column q on, to (N, O, 2H, 2W)."""
    n, channels, height, width = y.shape
    h, w, o = height - 1, width - 1, channels // 4
    y = y.permute(0, 2, 3, 1)
    rows = []
    for p in (0, 1):
        cells = [y[:, p : p + h, q : q + w, (2 * p + q) * o : (2 * p + q + 1) * o] for q in (0, 1)]
        rows.append(torch.stack(cells, dim=3))  # (N, H, W, 2, O)
    image = torch.stack(rows, dim=2)  # (N, H, 2, W, 2, O)
    return image.reshape(n, 2 * h, 2 * w, o).permute(0, 3, 1, 2)


def _taken_apart(image: Tensor) -> Tensor:
    """The adjoint of `_interleaved`: (N, O, 2H, 2W) to (N, 4 O, H + 1, W + 1)."""
    n, o, height, width = image.shape
    h, w = height // 2, width // 2
    y = image.new_empty(n, h + 1, w + 1, 4 * o)
    cells = image.permute(0, 2, 3, 1).reshape(n, h, 2, w, 2, o)
    for p in (0, 1):
        for q in (0, 1):
            phase = y[..., (2 * p + q) * o : (2 * p + q + 1) * o]
            phase[:, p : p + h, q : q + w] = cells[:, :, p, :, q]
            phase[:, (1 - p) * h] = 0  # the row and the column that this phase leaves out
            phase[:, :, (1 - q) * w] = 0
    return y.permute(0, 3, 1, 2)


class _Interleave(torch.autograd.Function):
    """`_interleaved` with its own gradient: autograd's takes a map of zeros for every slice."""

    @staticmethod
    def forward(ctx: Any, y: Tensor) -> Tensor:
        return _interleaved(y)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        result: Tensor = _TakeApart.apply(grad)  # type: ignore[no-untyped-call]
        return result


class _TakeApart(torch.autograd.Function):
    """`_taken_apart`, so that gradients of gradients flow, too."""

    @staticmethod
    def forward(ctx: Any, image: Tensor) -> Tensor:
        return _taken_apart(image)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        result: Tensor = _Interleave.apply(grad)  # type: ignore[no-untyped-call]
        return result


def sum_of_shifts(weight: Tensor) -> Tensor:
    """(O, I, 3, 3) to (O, I, 4, 4): the kernel convolved with a 2x2 box of ones."""
    kernels = _combine_taps(weight, _SUMS_OF_SHIFTS[None])
    return kernels.reshape(len(weight), 4, 4, -1).permute(0, 3, 1, 2)


def _combine_taps(weight: Tensor, lines: Tensor) -> Tensor:
    """Sums of a kernel's taps, the same ones along columns as along rows.

    One product with a small matrix: slices and their gradients take ten times as long.

    Args:
        weight: (O, I, 3, 3), in channels-last layout.
        lines: (P, T, 3), how much of each tap counts in each of T sums of P kinds.

    Returns:
        (O, P, P, T * T, I): by kinds of rows and of columns.
    """
    lines = lines.to(weight)
    matrix = torch.einsum("psa,qtb->pqstab", lines, lines)
    kinds, sums = lines.shape[:2]
    taps = weight.permute(0, 2, 3, 1).reshape(len(weight), 9, -1)
    with choose.without_autocast(weight):
        combined = matrix.reshape(-1, 9) @ taps
    return combined.reshape(len(weight), kinds, kinds, sums**2, -1)
