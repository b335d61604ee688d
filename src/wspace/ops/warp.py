"""Pictures through affine maps without aliasing, differentiable any number of times.

A picture is doubled in size by a wavelet's low-pass filter, looked up where the map says, and
halved by the same filter. Both filters and the mirrored border are one small matrix for each axis:
products of matrices are what a CPU does fastest.

Source: Karras et al. 2020 (StyleGAN2-ADA), Appendix B, "Pixel blitting, geometric transformations".
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.ops import choose

__all__ = ["mirrored", "scaling", "translation", "warp"]

# Low-pass filter of the symlet with six vanishing moments (Daubechies 1992, Table 8.1), sum √2. Its
# products with itself moved by even numbers of taps are 0: doubling and halving change nothing.
SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
# Pixels that what is looked up reaches beyond the result, on each side.
MARGIN = len(SYM6) // 4


def warp(images: Tensor, inverse: Tensor) -> Tensor:
    """Move the pixels of each picture by its own affine map; what comes from beyond is mirrored.

    Args:
        images: (N, C, H, W).
        inverse: (N, 3, 3), from places in the result to places in the picture: columns (x, y, 1)
            in pixels, x to the right, y down, (0, 0) in the middle. Gets no gradient.

    Returns:
        (N, C, H, W).
    """
    height, width = images.shape[2:]
    with choose.without_autocast(images), torch.no_grad():
        left, top, right, bottom = _borders(inverse, height, width)
        moved = translation((left - right) / 2, (top - bottom) / 2, inverse) @ inverse
        # twice as many pixels, whose middle lies half of one beside
        moved = scaling(2, 2, inverse) @ moved @ scaling(0.5, 0.5, inverse)
        moved = translation(-0.5, -0.5, inverse) @ moved @ translation(0.5, 0.5, inverse)
        sides = 2 * (height + top + bottom), 2 * (width + left + right)
        looked_up = 2 * (height + 2 * MARGIN), 2 * (width + 2 * MARGIN)
        moved = scaling(2 / sides[1], 2 / sides[0], inverse) @ moved
        moved = moved @ scaling(looked_up[1] / 2, looked_up[0] / 2, inverse)
        shape = [*images.shape[:2], *looked_up]
        grid = F.affine_grid(moved[:, :2], shape, align_corners=False).to(images.dtype)
        enlarge = _doubling(height, top, bottom, images), _doubling(width, left, right, images)
        reduce = _halving(height, images), _halving(width, images)
    with choose.without_autocast(images):
        enlarged = enlarge[0] @ (images.contiguous() @ enlarge[1].T)
        found: Tensor = _LookUp.apply(enlarged, grid)  # type: ignore[no-untyped-call]
        return reduce[0] @ (found @ reduce[1].T)


def translation(x: float | Tensor, y: float | Tensor, like: Tensor) -> Tensor:
    """Maps of x pixels to the right and y pixels down, numbers or (N,), to (N, 3, 3).

    One map where both are numbers; of the type and device of ``like``.
    """
    return _matrix([[1, 0, x], [0, 1, y], [0, 0, 1]], like)


def scaling(x: float | Tensor, y: float | Tensor, like: Tensor) -> Tensor:
    """Maps of x times the width and y times the height, numbers or (N,), to (N, 3, 3).

    One map where both are numbers; of the type and device of ``like``.
    """
    return _matrix([[x, 0, 0], [0, y, 0], [0, 0, 1]], like)


def _matrix(rows: list[list[float | Tensor]], like: Tensor) -> Tensor:
    """(1 or N, 3, 3), of numbers or tensors (N,)."""
    count = max((len(v) for row in rows for v in row if isinstance(v, Tensor)), default=1)
    result = like.new_zeros(count, len(rows), len(rows))
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            result[:, i, j] = value
    return result


def mirrored(side: int, before: int, after: int, device: torch.device) -> Tensor:
    """Which pixel of a row stands in each place of it, mirrored at its ends as often as needed.

    Args:
        side: pixels of the row.
        before: places before it, >= 0.
        after: places after it, >= 0.
        device: of the result.

    Returns:
        (before + side + after,), int64, in [0, side - 1].
    """
    places = torch.arange(-before, side + after, device=device)
    period = max(2 * (side - 1), 1)
    places = places.remainder(period)
    return torch.minimum(places, period - places) if side > 1 else torch.zeros_like(places)


def _borders(inverse: Tensor, height: int, width: int) -> tuple[int, int, int, int]:
    """Mirrored pixels that the maps reach, left, top, right and bottom."""
    x, y = (width - 1) / 2, (height - 1) / 2
    corners = inverse.new_tensor([[-x, x, -x, x], [-y, -y, y, y], [1, 1, 1, 1]])
    places = inverse @ corners  # (N, 3, 4)
    most, least = places.amax(dim=(0, 2)).tolist(), places.amin(dim=(0, 2)).tolist()
    reach = (-least[0] - x, -least[1] - y, most[0] - x, most[1] - y)
    limits = (width - 1, height - 1) * 2
    found = []
    for over, limit in zip(reach, limits, strict=True):
        wanted = over + 2 * MARGIN
        found.append(math.ceil(min(max(wanted, 0.0), limit)) if math.isfinite(wanted) else limit)
    left, top, right, bottom = found
    return left, top, right, bottom


def _doubling(side: int, before: int, after: int, like: Tensor) -> Tensor:
    """Mirrored ends, then twice as many pixels: (2 (before + side + after), side)."""
    whole = before + side + after
    rows = torch.arange(2 * whole, device=like.device)[:, None]
    pixels = torch.arange(whole, device=like.device)
    # zeros stand between the pixels, len(SYM6) // 2 before them
    matrix = 2 * _tap(rows - 2 * pixels + len(SYM6) // 2 - 1, like)
    result = like.new_zeros(2 * whole, side)
    return result.index_add_(1, mirrored(side, before, after, like.device), matrix)


def _halving(side: int, like: Tensor) -> Tensor:
    """Half as many pixels, without those of the margin: (side, 2 (side + 2 MARGIN))."""
    rows = torch.arange(side, device=like.device)[:, None]
    pixels = torch.arange(2 * (side + 2 * MARGIN), device=like.device)
    return _tap(pixels - 2 * rows - 2 * MARGIN + len(SYM6) // 2 - 1, like)


def _tap(number: Tensor, like: Tensor) -> Tensor:
    """The filter's taps by their numbers, normalised to sum 1; 0 beyond its ends."""
    taps = torch.tensor(SYM6, dtype=torch.float64)
    taps = (taps / taps.sum()).to(like)
    inside = (number >= 0) & (number < len(SYM6))
    return torch.where(inside, taps[number.clamp(0, len(SYM6) - 1)], 0)


class _LookUp(torch.autograd.Function):
    """Bilinear interpolation, zeros beyond: (N, C, H, W), (N, H', W', 2) to (N, C, H', W').

    torch's own has no second gradient, which R1 needs. It is linear in the pictures, so that each
    of the two functions here is the other's gradient.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = images.shape
        return F.grid_sample(images, grid, align_corners=False)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _PutBack.apply(grad, grid, ctx.shape), None  # type: ignore[no-untyped-call]


class _PutBack(torch.autograd.Function):
    """What `_LookUp` does to gradients: (N, C, H', W'), (N, H', W', 2) to (N, C, H, W)."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        images = grad.new_empty(1).expand(shape)  # nothing of it is read but its shape
        gradients = torch.ops.aten.grid_sampler_2d_backward(
            grad.contiguous(), images, grid, 0, 0, False, [True, False]
        )
        result: Tensor = gradients[0]
        return result

    @staticmethod
    def backward(ctx: Any, second: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return _LookUp.apply(second, grid), None, None  # type: ignore[no-untyped-call]
