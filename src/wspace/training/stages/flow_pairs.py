"""The mapping network learns from a flow to draw w as real images' w are distributed.

Comparing samples of two distributions shows their spread, but not that pictures are of one kind or
another and never in between. A flow sees that: it learns to carry each point of noise along a path
of its own to the w of an image. Following a path takes many steps, too many for a generator. But
the end of each path says where its z belongs, and the mapping network learns that by plain
regression.

Source: Lipman et al. 2023 (Flow Matching), Section 4; Liu et al. 2023 (Rectified Flow), Section
3.2, for learning from the ends of a flow's paths.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.group import ALONE, Group
from wspace.networks.config import GeneratorConfig
from wspace.networks.flow import VelocityField
from wspace.networks.mapping import MappingNetwork
from wspace.networks.styles import pixel_norm
from wspace.training.ema import update_ema

__all__ = ["FlowPairs"]

PAIRS = 16384  # z and their w that are kept
NEW_PAIRS = 256  # made in every step, in place of the oldest
STEPS = 8  # along a path, by Heun's method
AVERAGED = 0.999  # share of the field's running average that a step keeps, after the first steps
RAMP = 10  # step n keeps at most n / (n + RAMP)


class FlowPairs(nn.Module):
    """A flow from noise to w, and the pairs of z and w that it has made.

    Attributes:
        field: learns.
        average: its running average, which makes the pairs.
    """

    mean: Tensor  # (w_dim,), of the first w seen
    spread: Tensor  # (w_dim,), their standard deviations; 0 where none were seen yet
    pairs: Tensor  # (PAIRS, z_dim + w_dim + num_classes)
    made: Tensor  # pairs made so far, in all
    learned: Tensor  # steps so far

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

    def flow_loss(
        self, w: Tensor, c: Tensor | None, random: torch.Generator, group: Group = ALONE
    ) -> Tensor:
        """Squared distance of the field from the straight paths between noise and w.

        Source: Lipman et al. 2023, Section 4.1, Eq. 23 with no noise left at the end; times as
        Esser et al. 2024 (Scaling Rectified Flow), Section 3.1, draw them.

        Args:
            w: (N, w_dim), of real images, N >= 2; the first ones set the scale for good.
            c: (N, num_classes), their one-hot classes.
            random: draws noise and times.
            group: has the same w in each process, and each learns from a part of them.

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
        c = None if c is None else group.part(c)
        start, end, t = group.part(start), group.part(end), group.part(t)
        x = torch.lerp(start, end, t[:, None])
        loss: Tensor = (self.field(x, t, c) - (end - start)).square().mean()
        return loss

    def forget(self) -> None:
        """Drop pairs and scale, since w will move; the field keeps what it has learned."""
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
            c: (N, num_classes), one-hot classes to draw, N <= PAIRS; None: `NEW_PAIRS` pairs,
                without classes.
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

    def mapping_loss(
        self,
        mapping: MappingNetwork,
        count: int,
        random: torch.Generator,
        group: Group = ALONE,
    ) -> Tensor:
        """Squared distance between where mapping and where the flow take the same z.

        Args:
            mapping: of the pairs' z and classes.
            count: pairs to compare.
            random: chooses pairs.
            group: has the same pairs in each process, and each learns from a part of those chosen.

        Returns:
            A scalar, each component of w relative to its variance: 0 is perfect, and the mean w for
            every z would give about 1.
        """
        filled = min(int(self.made), PAIRS)
        device = self.pairs.device
        chosen = torch.randint(filled, (count,), generator=random, device=device)
        z, w, c = self.pairs[group.part(chosen)].split(self.sizes, dim=1)
        own = mapping.w(z, c if self.sizes[2] else None)
        loss: Tensor = ((own - w) / self.spread).square().mean()
        return loss

    def _start(self, z: Tensor) -> Tensor:
        """(N, z_dim) to (N, w_dim): z as the mapping network sees it, cut or filled with zeros."""
        z = pixel_norm(z) if self.normalize_z else z
        return F.pad(z, (0, self.sizes[1] - self.sizes[0]))
