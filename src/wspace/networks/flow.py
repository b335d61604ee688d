"""A flow: the velocities that carry points of noise to points of W. For training only.

Source: Lipman et al. 2023 (Flow Matching), Section 4; Liu et al. 2023 (Rectified Flow), Section 2.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.networks.config import GeneratorConfig

__all__ = ["VelocityField"]

_WIDTH, _LEAST_WIDTH = 512, 256  # twice that of w, between these
_BLOCKS = 4
_FREQUENCIES = 32
_HIGHEST = 200.0  # frequency, in radians from t = 0 to t = 1


class VelocityField(nn.Module):
    """Points on their way to W, times and classes to velocities, by residual blocks."""

    frequencies: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        frequencies = torch.exp(torch.linspace(0, math.log(_HIGHEST), _FREQUENCIES))
        self.register_buffer("frequencies", frequencies)
        width = min(max(2 * config.w_dim, _LEAST_WIDTH), _WIDTH)
        self.enter = nn.Linear(config.w_dim, width)
        conditions = 2 * _FREQUENCIES + config.num_classes
        self.blocks = nn.ModuleList(_Block(conditions, width) for _ in range(_BLOCKS))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.w_dim))

    def forward(self, x: Tensor, t: Tensor, c: Tensor | None = None) -> Tensor:
        """Velocities at points.

        Args:
            x: (N, w_dim), points.
            t: (N,), in [0, 1]: 0 is noise, 1 is W.
            c: (N, num_classes), one-hot classes; needed exactly where there are classes.

        Returns:
            (N, w_dim), change of the points per unit of time.
        """
        angles = t[:, None] * self.frequencies
        parts = [angles.sin(), angles.cos()]
        conditions = torch.cat(parts if c is None else [*parts, c], dim=1)
        x = self.enter(x)
        for block in self.blocks:
            x = block(x, conditions)
        velocity: Tensor = self.leave(x)
        return velocity


class _Block(nn.Module):
    def __init__(self, conditions: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.condition = nn.Linear(conditions, width)
        self.second = nn.Linear(width, width)

    def forward(self, x: Tensor, conditions: Tensor) -> Tensor:
        inner = F.silu(self.first(self.norm(x)) + self.condition(conditions))
        y: Tensor = x + self.second(inner)
        return y
