"""Mapping learns to draw w just as real images' w are distributed, by way of a flow.

Comparing samples of two distributions sees their spread, but not that hair is blond or black and
never in between. A flow sees it: it learns to carry noise to the images' w, one to one, each along
its own path. That takes many steps a path, which a generator has no time for; but where each z ends
is then known, and the mapping network learns that by plain regression.

Source: Lipman et al. 2023 (Flow Matching), Section 4; Liu et al. 2023 (Rectified Flow), Section
3.2, for learning from the ends of a flow's paths.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.networks.config import GeneratorConfig
from wspace.networks.flow import VelocityField
from wspace.networks.mapping import MappingNetwork
from wspace.networks.styles import pixel_norm
from wspace.training.ema import update_ema

__all__ = ["FlowPairs"]

PAIRS = 16384  # z and their w that are kept
NEW_PAIRS = 256  # for the oldest ones, in every step
STEPS = 8  # along a path, by Heun's method
AVERAGED = 0.999  # share of the field's running average that a step leaves, after the first
RAMP = 10  # steps, n of which leave n / (n + RAMP)


class FlowPairs(nn.Module):
    """A flow from noise to w, and the pairs of z and w that it has made.

    Attributes:
        field: learns.
        average: its running average, which makes the pairs.
    """

    mean: Tensor  # (w_dim,), of the first w seen
    spread: Tensor  # (w_dim,), their standard deviations; 0 where none were seen yet
    pairs: Tensor  # (PAIRS, z_dim + w_dim + num_classes)
    made: Tensor  # so many in all
    learned: Tensor  # so many steps

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.field = VelocityField(config)
        self.average = copy.deepcopy(self.field).requires_grad_(False)
        self.sizes = [config.z_dim, config.w_dim, config.num_classes]
        self.normalize_z = config.mapping.normalize_z
        for name, shape in {
            "mean": (config.w_dim,),
            "spread": (config.w_dim,),
            "pairs": (PAIRS, sum(self.sizes)),
        }.items():
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("made", torch.zeros((), dtype=torch.int64))
        self.register_buffer("learned", torch.zeros((), dtype=torch.int64))

    def flow_loss(self, w: Tensor, c: Tensor | None, random: torch.Generator) -> Tensor:
        """How far the field is from the straight ways of noise to w, squared.

        Source: Lipman et al. 2023, Section 4.1, Eq. 23 with no noise left at the end; times as
        Esser et al. 2024 (Scaling Rectified Flow), Section 3.1, draw them.

        Args:
            w: (N, w_dim), of real images, N >= 2; the first ones set the scale for good.
            c: (N, num_classes), their one-hot classes.
            random: draws noise and times.

        Returns:
            A scalar, about 1 at first.
        """
        if not self.spread.any():
            self.mean.copy_(w.mean(dim=0))
            self.spread.copy_(w.std(dim=0) + 1e-6)
        end = (w - self.mean) / self.spread
        z = torch.randn(len(w), self.sizes[0], generator=random, device=w.device)
        start = self._start(z)
        t = torch.randn(len(w), generator=random, device=w.device).sigmoid()
        x = torch.lerp(start, end, t[:, None])
        loss: Tensor = (self.field(x, t, c) - (end - start)).square().mean()
        return loss

    def forget(self) -> None:
        """Drop pairs and scale, as w are about to move; what the field has learned stays."""
        for kept in (self.pairs, self.mean, self.spread, self.made, self.learned):
            kept.zero_()

    def average_field(self) -> None:
        """Move the average a step towards the field."""
        self.learned += 1
        steps = int(self.learned)
        update_ema(self.average, self.field, min(AVERAGED, steps / (steps + RAMP)))

    @torch.no_grad()
    def make_pairs(self, c: Tensor | None, random: torch.Generator) -> None:
        """Follow the flow from some new z to their w, and keep both.

        Args:
            c: (N, num_classes), one-hot classes to draw, N <= PAIRS; None: `NEW_PAIRS` without.
            random: draws z.
        """
        count = NEW_PAIRS if c is None else len(c)
        z = torch.randn(count, self.sizes[0], generator=random, device=self.pairs.device)
        rows = torch.cat([z, self.carry(z, c)] + ([] if c is None else [c]), dim=1)
        places = (self.made + torch.arange(len(rows), device=rows.device)) % PAIRS
        self.pairs[places] = rows
        self.made += len(rows)

    @torch.no_grad()
    def carry(self, z: Tensor, c: Tensor | None) -> Tensor:
        """Where the flow takes z.

        Args:
            z: (N, z_dim), N(0, I).
            c: (N, num_classes), one-hot classes.

        Returns:
            (N, w_dim).
        """
        x = self._start(z)
        for k in range(STEPS):
            now, then = (torch.full((len(x),), (k + i) / STEPS, device=x.device) for i in (0, 1))
            first = self.average(x, now, c)
            second = self.average(x + first / STEPS, then, c)
            x = x + (first + second) / (2 * STEPS)
        return x * self.spread + self.mean

    def mapping_loss(self, mapping: MappingNetwork, count: int, random: torch.Generator) -> Tensor:
        """How far from each other mapping and the flow take the same z, squared.

        Args:
            mapping: of the pairs' z and classes.
            count: so many pairs.
            random: chooses pairs.

        Returns:
            A scalar; of each number of w 1 is its variance, so that 0 is perfect, and about 1
            what the mean w would get.
        """
        filled = min(int(self.made), PAIRS)
        device = self.pairs.device
        chosen = torch.randint(filled, (count,), generator=random, device=device)
        z, w, c = self.pairs[chosen].split(self.sizes, dim=1)
        own = mapping.w(z, c if self.sizes[2] else None)
        loss: Tensor = ((own - w) / self.spread).square().mean()
        return loss

    def _start(self, z: Tensor) -> Tensor:
        """(N, z_dim) to (N, w_dim): z as the mapping network sees it, cut or filled with zeros."""
        z = pixel_norm(z) if self.normalize_z else z
        return F.pad(z, (0, self.sizes[1] - self.sizes[0]))
