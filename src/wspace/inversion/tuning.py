"""Pivotal tuning: a generator learns to draw given pictures at the w that were found for them.

Source: Roich et al. 2021 (Pivotal Tuning for Latent-based Editing of Real Images), Sections 3.2 and
3.3: the synthesis network alone learns, while near the pivots it should draw what it drew before.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.formats.difference import MAX_RANK, difference, packed, with_changes
from wspace.images import from_uint8
from wspace.inversion.descent import Clock, descend
from wspace.inversion.invert import psnr
from wspace.inversion.judge import Judge, Seen
from wspace.networks.generator import Generator
from wspace.plain import About, Range, check
from wspace.recipe.recipe import Recipe
from wspace.rendering.render import render
from wspace.steering.directions import sample_w
from wspace.steering.latents import w_of_sources
from wspace.steering.noise import NoiseInputs

__all__ = ["TuningConfig", "smallest_changes", "tune"]

TOGETHER = 8  # pictures a step
MOST_LOST = 0.3  # dB, by storing changes in few numbers
RANKS = (4, 8, 16, MAX_RANK)  # that are tried
SAMPLES = 1024  # w that are drawn from, and that a distance is measured on


@dataclass(frozen=True, kw_only=True)
class TuningConfig:
    """How a generator is tuned."""

    steps: Annotated[int, Range(0, 100_000), About("of the optimiser", "steps")] = 300
    seconds: Annotated[
        float | None, Range(low=0), About("it ends after that time, if it is sooner", "seconds")
    ] = None
    rate: Annotated[float, Range(above=0, high=1), About("Adam's; falls to 0")] = 0.002
    square_weight: Annotated[
        float, Range(low=0, high=1e6), About("of squared differences, beside absolute ones")
    ] = 10.0
    locality_weight: Annotated[
        float, Range(low=0, high=1e6), About("of what changes elsewhere, beside the difference")
    ] = 0.1
    locality_radius: Annotated[
        float,
        Range(above=0, high=10),
        About("how far from a pivot that is looked at, in mean distances of two random w"),
    ] = 0.5

    def __post_init__(self) -> None:
        check(self, "tuning: ")


def tune(
    generator: Generator,
    pixels: Tensor,
    pivots: Sequence[Recipe],
    config: TuningConfig = TuningConfig(),
    *,
    seed: int = 0,
    after: Callable[[int, Generator], None] = lambda *_: None,
) -> Generator:
    """A copy of a generator that draws pictures nearly as given.

    Args:
        generator: the model; it stays as it is.
        pixels: (N, H, W, C), uint8, N >= 1, of the model's size and channels.
        pivots: a recipe a picture, with one w or one a layer, and nothing else that steers w: such
            as `invert` finds.
        config: see `TuningConfig`.
        seed: of what is looked at elsewhere.
        after: called after each step with the steps done and the copy as it is.

    Returns:
        The copy, in eval mode, without gradients; its mapping network and its own noise maps are
        those of the model.

    Raises:
        WspaceError: pictures and pivots that do not fit.
    """
    shape = (*generator.size, generator.image_channels)
    if len(pixels) != len(pivots) or tuple(pixels.shape[1:]) != shape:
        raise WspaceError(
            f"{len(pivots)} pivots for pictures {tuple(pixels.shape)}: give one each, of {shape}."
        )
    device = generator.w_avg.device
    target = from_uint8(pixels.to(device).permute(0, 3, 1, 2))
    judge = Judge(generator.image_channels, device)
    groups = [range(i, min(i + TOGETHER, len(target))) for i in range(0, len(target), TOGETHER)]
    seen = [Seen(judge, target[list(group)]) for group in groups]
    ws = torch.stack([_ws_of(generator, pivot) for pivot in pivots])  # (N, num_ws, w_dim)
    noise = NoiseInputs(generator)
    maps = [noise.of([pivots[i].noise for i in group], torch.float32) for group in groups]
    elsewhere = _Elsewhere(generator, judge, ws, config, seed)
    tuned = copy.deepcopy(generator)
    tuned.synthesis.requires_grad_(True)
    weights = list(tuned.synthesis.parameters())

    def loss(step: int) -> Tensor:
        which = step % len(groups)
        images = tuned.synthesis(ws[list(groups[which])], maps[which])
        squares = (images - seen[which].target).square().mean()
        difference: Tensor = seen[which].difference(images).mean() + config.square_weight * squares
        if not config.locality_weight:
            return difference
        return difference + config.locality_weight * elsewhere.change(tuned)

    try:
        descend(
            weights,
            loss,
            rate=config.rate,
            steps=config.steps,
            clock=Clock(config.seconds),
            after=lambda done: after(done, tuned),
        )
    finally:
        tuned.requires_grad_(False)
    return tuned.eval()


def smallest_changes(
    base: Generator, tuned: Generator, pixels: Tensor, pivots: Sequence[Recipe]
) -> dict[str, Tensor]:
    """What was tuned, in the fewest numbers with which every picture stays as near as it is.

    Args:
        base: the whole model.
        tuned: what `tune` made of it, or of one that was tuned from it before.
        pixels: as `tune` takes them.
        pivots: likewise.

    Returns:
        As `difference.packed`: float16 of low rank, if no picture loses more than `MOST_LOST` by
        it, else whole.
    """

    def quality(stored: dict[str, Tensor]) -> list[float]:
        drawn = torch.from_numpy(render(with_changes(base, stored), pivots).pixels)
        return [psnr(one, other) for one, other in zip(drawn, pixels.cpu(), strict=True)]

    changes = difference(base, tuned)
    whole = packed(changes, None)
    least = [value - MOST_LOST for value in quality(whole)]
    for rank in RANKS:
        stored = packed(changes, rank)
        if all(now >= low for now, low in zip(quality(stored), least, strict=True)):
            return stored
    return whole


class _Elsewhere:
    """What a generator drew before, at w near the pivots: Roich et al. 2021, Section 3.3."""

    def __init__(
        self,
        generator: Generator,
        judge: Judge,
        ws: Tensor,
        config: TuningConfig,
        seed: int,
    ) -> None:
        self.generator, self.judge, self.ws, self.config = generator, judge, ws, config
        self.w = sample_w(generator, SAMPLES, seed=seed).clone()
        half = SAMPLES // 2
        distance = (self.w[:half] - self.w[half:]).norm(dim=1).mean()
        self.radius = distance * config.locality_radius
        self.random = torch.Generator().manual_seed(seed)

    def change(self, tuned: Generator) -> Tensor:
        """How much the tuned generator changed a picture near one of the pivots; a scalar."""
        pivot = self.ws[int(torch.randint(len(self.ws), (), generator=self.random))]
        towards = self.w[int(torch.randint(len(self.w), (), generator=self.random))]
        way = towards - pivot  # (num_ws, w_dim)
        ws = (pivot + self.radius * way / (way.norm(dim=1, keepdim=True) + 1e-8))[None]
        with torch.no_grad():
            before = self.generator.synthesis(ws).clamp(-1, 1)
        images = tuned.synthesis(ws)
        squares = (images - before).square().mean()
        change = Seen(self.judge, before).difference(images).mean()
        total: Tensor = change + self.config.square_weight * squares
        return total


def _ws_of(generator: Generator, recipe: Recipe) -> Tensor:
    """The w of each layer, (num_ws, w_dim)."""
    if recipe.psi != 1 or recipe.edits:
        raise WspaceError("a pivot is a w alone: take truncation and edits out of the recipe.")
    w = w_of_sources(generator, recipe.sources).clone()
    return w[list(recipe.layer_sources or (0,) * generator.num_ws)]
