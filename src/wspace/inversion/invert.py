"""Inversion: the w, one for all layers or one a layer, that draws a given picture.

Source: Abdal et al. 2019 (Image2StyleGAN), Sections 3 and 5: W+ and a loss of pixels and features,
descended by Adam; where w may lie is held as Zhu et al. 2020 do, see `steering.white_space`. Noise
maps come after w, see `inversion.noise`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from wspace.errors import WspaceError
from wspace.images import from_uint8, to_uint8
from wspace.inversion.descent import Clock, descend
from wspace.inversion.judge import Judge, Seen
from wspace.inversion.noise import correlation, noise_settings, normalised, start_maps
from wspace.networks.encoder import Encoder
from wspace.networks.generator import Generator
from wspace.networks.noise import Noise
from wspace.plain import About, Choice, Range, check
from wspace.recipe.mixing import assign_recipe
from wspace.recipe.recipe import Recipe, Source
from wspace.steering.directions import sample_w
from wspace.steering.white_space import WhiteSpace

__all__ = ["InversionConfig", "Inverted", "Watch", "invert", "psnr"]

CANDIDATES = 256  # random w, the nearest of which a picture starts from
TOGETHER = 32  # of them drawn at once
NOISE_RATE = 0.1  # Adam's, for maps of variance 1

# Steps done; pixels (N, H, W, C) where asked for. True ends it, as if the time were over.
Watch = Callable[[int, Tensor | None], bool | None]


@dataclass(frozen=True, kw_only=True)
class InversionConfig:
    """How pictures are inverted."""

    space: Annotated[
        Literal["w", "w+"], Choice("w", "w+"), About("one w for all layers, or one a layer")
    ] = "w+"
    steps: Annotated[int, Range(0, 100_000), About("of the optimiser", "steps")] = 300
    seconds: Annotated[
        float | None,
        Range(low=0),
        About("it ends after that time, if it is sooner; 0: the start alone", "seconds"),
    ] = None
    rate: Annotated[
        float, Range(above=0, high=10), About("Adam's, in deviations of w; falls to 0")
    ] = 0.2
    prior_weight: Annotated[
        float, Range(low=0, high=1e6), About("of how unusual the w are, beside the difference")
    ] = 0.001
    noise: Annotated[bool, About("noise maps of their own, after as many steps again")] = False
    noise_weight: Annotated[
        float,
        Range(low=0, high=1e6),
        About("of how much those are no noise, beside the difference"),
    ] = 1.0

    def __post_init__(self) -> None:
        check(self, "inversion: ")

    @property
    def all_steps(self) -> int:
        """Of the optimiser, for w and for noise."""
        return self.steps * (2 if self.noise else 1)


@dataclass(frozen=True, kw_only=True)
class Inverted:
    """A picture that was inverted.

    Attributes:
        recipe: draws it.
        start: the recipe that the optimiser began with: the encoder's, or the nearest of random
            ones.
        psnr: of the picture that ``recipe`` draws, in dB.
        start_psnr: of the one that ``start`` draws.
        steps: that were taken.
    """

    recipe: Recipe
    start: Recipe
    psnr: float
    start_psnr: float
    steps: int


def invert(
    generator: Generator,
    pixels: Tensor,
    config: InversionConfig = InversionConfig(),
    *,
    class_index: int | None = None,
    encoder: Encoder | None = None,
    seed: int = 0,
    watch: Watch | None = None,
    show_every: int | None = None,
    pause: Callable[[], None] = lambda: None,
) -> tuple[Inverted, ...]:
    """Find the w that draw pictures.

    Args:
        generator: the model; its own noise maps are added, as recipes do where they say nothing,
            until those of the pictures are found.
        pixels: (N, H, W, C), uint8, N >= 1, of the model's size and channels.
        config: see `InversionConfig`.
        class_index: only start from random w of this class, where the model has classes.
        encoder: of the model; says where to start from, unless a class does.
        seed: of the random w.
        watch: called before the first step and after each one; see `Watch`.
        show_every: of so many steps one hands its pictures to ``watch``, and the last; None: none.
        pause: called between pieces of the work before the first step.

    Returns:
        One a picture, in order.

    Raises:
        WspaceError: pictures of another size, a class that does not fit, or noise for a model
            without noise inputs.
    """
    size, channels = generator.size, generator.image_channels
    if pixels.dtype != torch.uint8 or tuple(pixels.shape[1:]) != (*size, channels):
        raise WspaceError(
            f"the pictures are {tuple(pixels.shape[1:])}, this model draws "
            f"{(*size, channels)}: fit them first."
        )
    if config.noise and not generator.const_noise:
        raise WspaceError("this model has no noise inputs (StyleGAN3 has none): leave noise out.")
    clock = Clock(config.seconds)
    target = from_uint8(pixels.to(generator.w_avg.device).permute(0, 3, 1, 2))
    seen = Seen(Judge(channels, target.device), target)
    space = start = None
    if encoder is None or class_index is not None:
        w = sample_w(generator, seed=seed, class_index=class_index).clone()
        space, start = WhiteSpace.of(w), w[_nearest(generator, seen, w[:CANDIDATES], pause)]
    else:
        with torch.no_grad():
            start = encoder(target)  # (N, w_dim)
    search = _Search(generator, seen, config, clock, pixels, watch, show_every)
    return search.run(start, space, seed)


def psnr(pixels: Tensor, other: Tensor) -> float:
    """Peak signal to noise ratio of two pictures of one shape, uint8, in dB; inf where equal."""
    error = float((pixels.double() - other.double()).square().mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


class _Search:
    """A search under way: the ws and noise maps that have been found so far."""

    def __init__(
        self,
        generator: Generator,
        seen: Seen,
        config: InversionConfig,
        clock: Clock,
        pixels: Tensor,
        watch: Watch | None,
        show_every: int | None,
    ) -> None:
        self.generator, self.seen, self.config, self.clock = generator, seen, config, clock
        self.pixels, self.watch, self.show_every = pixels.cpu(), watch, show_every
        self.synthesis = _frozen(generator.synthesis)
        self.ws = torch.empty(0)  # (N, num_ws, w_dim)
        self.noise: Noise = "const"

    def run(self, start: Tensor, space: WhiteSpace | None, seed: int) -> tuple[Inverted, ...]:
        """From w, (N, w_dim); ``space`` is worked out where it is needed and not given."""
        config, generator = self.config, self.generator
        self.ws = start[:, None].expand(-1, generator.num_ws, -1)
        starts, first = _recipes(generator, self.ws), self._quality()
        self._tell(0, shown=True)
        done = 0
        half = 0.5 if config.noise else 1.0
        if config.steps and self.clock.passed < half:
            done = self._find_ws(
                start, space or WhiteSpace.of(sample_w(generator, seed=seed)), half
            )
        recipes = _recipes(generator, self.ws)
        if config.noise and config.steps and self.clock.passed < 1:
            maps = start_maps(generator, len(start))
            done = self._find_noise(maps, done)
            settings = noise_settings(generator, maps)
            recipes = [one.replace(noise=own) for one, own in zip(recipes, settings, strict=True)]
        self._tell(done, shown=True)
        last = self._quality()
        return tuple(
            Inverted(recipe=recipe, start=begin, psnr=now, start_psnr=then, steps=done)
            for recipe, begin, now, then in zip(recipes, starts, last, first, strict=True)
        )

    def _find_ws(self, start: Tensor, space: WhiteSpace, end: float) -> int:
        """Go on from w, (N, w_dim), until that share of the time is over."""
        config, num_ws = self.config, self.generator.num_ws
        layers = num_ws if config.space == "w+" else 1
        u = space.u_of(start)[:, None].expand(-1, layers, -1).clone().requires_grad_()

        def loss(_: int) -> Tensor:
            self.ws = space.w_of(u).expand(-1, num_ws, -1)
            difference = self.seen.difference(self.synthesis(self.ws))  # (N,)
            unusual = u.square().mean(dim=(1, 2))
            return (difference + config.prior_weight * unusual).sum()

        def after(done: int) -> None:
            self.ws = space.w_of(u.detach()).expand(-1, num_ws, -1)
            self._step_done(done)

        return descend(
            [u],
            loss,
            rate=config.rate,
            steps=config.steps,
            clock=self.clock,
            share=(0.0, end),
            after=after,
        )

    def _find_noise(self, maps: list[Tensor], before: int) -> int:
        """Change maps, (N, 1, H, W) a noise layer, in place, while the ws stay."""
        ws = self.ws.detach()
        self.noise = maps

        def loss(_: int) -> Tensor:
            difference = self.seen.difference(self.synthesis(ws, maps)).sum()
            alike = torch.stack([correlation(one).sum() for one in maps]).sum()
            return difference + self.config.noise_weight * alike

        def after(done: int) -> None:
            with torch.no_grad():
                for one in maps:
                    one.copy_(normalised(one))
            self._step_done(before + done)

        for one in maps:
            one.requires_grad_()
        steps = self.config.steps
        begin = min(self.clock.passed, 0.5)
        taken = descend(
            maps,
            loss,
            rate=NOISE_RATE,
            steps=steps,
            clock=self.clock,
            share=(begin, 1.0),
            after=after,
        )
        return before + taken

    def _step_done(self, done: int) -> None:
        shown = done % (self.show_every or 1) == 0 and done < self.config.all_steps
        self._tell(done, shown=shown)

    def _tell(self, step: int, *, shown: bool) -> None:
        if self.watch is not None:
            shown = shown and self.show_every is not None
            if self.watch(step, self._drawn() if shown else None):
                self.clock.end()

    def _quality(self) -> list[float]:
        return [psnr(one, other) for one, other in zip(self._drawn(), self.pixels, strict=True)]

    @torch.no_grad()
    def _drawn(self) -> Tensor:
        return to_uint8(self.synthesis(self.ws.detach(), self.noise)).cpu()


@torch.inference_mode()
def _nearest(generator: Generator, judge: Seen, w: Tensor, pause: Callable[[], None]) -> Tensor:
    """For each given picture, which of the w draws the nearest one; (N,), int64."""
    found = []
    for some in w.split(TOGETHER):
        pause()
        found.append(
            judge.each(generator.synthesis(some[:, None].expand(-1, generator.num_ws, -1)))
        )
    return torch.cat(found, dim=1).argmin(dim=1)


def _frozen(synthesis: nn.Module) -> nn.Module:
    """A synthesis network through which gradients go, and none stay."""
    return synthesis.eval().requires_grad_(False)


def _recipes(generator: Generator, ws: Tensor) -> list[Recipe]:
    """A recipe for each row of ws, (N, num_ws, w_dim): the sources say the w themselves."""
    made = []
    for rows in ws.detach().cpu().tolist():
        sources = [Source(w=tuple(row)) for row in rows]
        made.append(assign_recipe(Recipe(sources=(sources[0],)), sources))
    return made
