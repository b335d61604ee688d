"""StyleGAN3's filtered activation computed the long way: every sample of the high rate is made."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def literal_filtered_lrelu(
    x: Tensor, up_filter: Tensor, down_filter: Tensor, up: int, down: int, padding: tuple[int, ...]
) -> Tensor:
    """Zeros inserted, every sample filtered, most of them dropped."""
    n, c, h, w = x.shape
    grid = x.new_zeros(n, c, h, up, w, up)
    grid[:, :, :, 0, :, 0] = x * up**2
    grid = F.pad(grid.reshape(n, c, h * up, w * up), padding)
    square = torch.outer(up_filter, up_filter).flip(0, 1)
    grid = F.conv2d(grid, square.expand(c, 1, *square.shape), groups=c)
    grid = torch.where(grid > 0, grid, 0.2 * grid) * math.sqrt(2)
    if down_filter.ndim == 1:
        down_filter = torch.outer(down_filter, down_filter)
    square = down_filter.flip(0, 1)
    grid = F.conv2d(grid, square.expand(c, 1, *square.shape), groups=c)
    return grid[:, :, ::down, ::down]
