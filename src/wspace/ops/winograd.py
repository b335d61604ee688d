"""3x3 convolutions with fewer products, for float32 on a CPU.

F(4x4, 3x3): a tile of 4x4 results takes 36 products for each pair of channels instead of 144. The
tiles become 36 matrix products; what surrounds them costs passes over the maps, so that it pays
from some number of channels on. With the points below results are as exact as a plain
convolution's.

Source: Winograd 1980; Lavin and Gray 2016, Sections 3 and 4; points as Barabasz et al. 2020 advise.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "correlate",
    "transform_weight",
    "weight_gradient",
]

POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity


def transform_weight(weight: Tensor) -> Tensor:
    """(O, I, 3, 3) to (36, I, O), for `correlate`."""
    return _spread(weight).transpose(1, 2)


def correlate(x: Tensor, weight: Tensor, transformed: Tensor | None = None) -> Tensor:
    """Correlate with a 3x3 kernel, zero padding, same size.

    Args:
        x: (N, I, H, W), H and W multiples of 4.
        weight: (O, I, 3, 3).
        transformed: ``transform_weight(weight)`` where that is at hand.

    Returns:
        (N, O, H, W), channels-last; `convolution.convolve` has the gradients.
    """
    transformed = transform_weight(weight) if transformed is None else transformed
    n, _, h, w = x.shape
    o = transformed.shape[2]
    result = torch.empty(n, o, h, w, dtype=x.dtype, memory_format=torch.channels_last)
    y = result.permute(0, 2, 3, 1).view(n, h // 4, 4, w // 4, 4, o)
    for images, rows, inputs in _blocks(x):
        products = torch.bmm(inputs, transformed)  # (36, tiles, O)
        results = torch.mm(_matrices()[2], products.view(36, -1))
        part = y[images, rows]  # (n, rows, 4, columns, 4, O)
        shape = (4, 4, part.shape[0], part.shape[1], part.shape[3], o)
        part.copy_(results.view(shape).permute(2, 3, 0, 4, 1, 5))
    return result


@functools.cache
def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """For both axes at once: inputs (36, 36), weights (36, 9), results (16, 36)."""
    n = len(POINTS) + 1
    points = torch.tensor(POINTS, dtype=torch.float64)
    inputs = torch.zeros(n, n, dtype=torch.float64)
    weights = torch.zeros(n, 3, dtype=torch.float64)
    results = torch.zeros(4, n, dtype=torch.float64)
    for j, point in enumerate(points):
        others = [p for k, p in enumerate(points) if k != j]
        inputs[j, : n - 1] = _polynomial(others)
        scale = torch.stack([point - other for other in others]).prod()
        weights[j] = point ** torch.arange(3) / scale
        results[:, j] = point ** torch.arange(4)
    inputs[n - 1] = _polynomial(list(points))
    weights[n - 1, 2] = 1
    results[3, n - 1] = 1
    both = [torch.kron(matrix, matrix).float() for matrix in (inputs, weights, results)]
    return both[0], both[1], both[2]


def _polynomial(roots: list[Tensor]) -> Tensor:
    """Coefficients of the product of (x - root), the constant first."""
    coefficients = torch.ones(1, dtype=torch.float64)
    for root in roots:
        shifted = torch.cat([coefficients.new_zeros(1), coefficients])
        coefficients = shifted - root * torch.cat([coefficients, coefficients.new_zeros(1)])
    return coefficients


def _spread(weight: Tensor) -> Tensor:
    """(O, I, 3, 3) to (36, O, I)."""
    o, i = weight.shape[:2]
    return (_matrices()[1] @ weight.permute(2, 3, 0, 1).reshape(9, o * i)).view(36, o, i)


def _blocks(x: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Cut maps up so that what a block becomes fits into the cache.

    Yields:
        Which images, which rows of tiles, and their transformed inputs, (36, tiles, C).
    """
    n, c, h, w = x.shape
    rows, columns = h // 4, w // 4
    most = max(c // 2, 16)  # tiles in a block
    images_at_once = max(1, most // (rows * columns))
    rows_at_once = min(rows, max(1, most // columns))
    for first in range(0, n, images_at_once):
        images = slice(first, min(first + images_at_once, n))
        padded = F.pad(x[images].permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        for row in range(0, rows, rows_at_once):
            some = slice(row, min(row + rows_at_once, rows))
            part = padded[:, 4 * some.start : 4 * some.stop + 2]
            image, down, right, _ = part.stride()
            size = (6, 6, len(part), some.stop - some.start, columns, c)
            tiles = part.as_strided(size, (down, right, image, 4 * down, 4 * right, 1))
            yield images, some, torch.mm(_matrices()[0], tiles.reshape(36, -1)).view(36, -1, c)


def weight_gradient(x: Tensor, grad: Tensor) -> Tensor:
    """The gradient of `correlate` by its weight.

    Args:
        x: (N, I, H, W), H and W multiples of 4.
        grad: (N, O, H, W).

    Returns:
        (O, I, 3, 3), channels-last.
    """
    n, i, h, w = x.shape
    o = grad.shape[1]
    tiles = grad.permute(0, 2, 3, 1).reshape(n, h // 4, 4, w // 4, 4, o)
    total = x.new_zeros(36, o, i)
    _, of_weights, of_results = _matrices()
    for images, rows, inputs in _blocks(x):
        part = tiles[images, rows].permute(2, 4, 0, 1, 3, 5).reshape(16, -1)
        spread = torch.mm(of_results.T, part).view(36, -1, o)
        total.baddbmm_(spread.transpose(1, 2), inputs)
    weight = torch.mm(of_weights.T, total.view(36, -1)).view(3, 3, o, i)
    return weight.permute(2, 3, 0, 1).contiguous(memory_format=torch.channels_last)
