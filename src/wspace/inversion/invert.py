"""Inversion: the w, one for all layers or one a layer, that draws a given picture.

Source: Abdal et al. 2019 (Image2StyleGAN), Sections 3 and 5: W+ and a loss of pixels and features,
descended by Adam; where w may lie is held as Zhu et al. 2020 do, see `steering.white_space`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.errors import WspaceError
from wspace.images import from_uint8, rgb_of, to_uint8
from wspace.networks.generator import Generator
from wspace.networks.pretrained.efficientnet import EfficientNetLite
from wspace.plain import About, Choice, Range, check
from wspace.recipe.mixing import assign_recipe
from wspace.recipe.recipe import Recipe, Source
from wspace.steering.directions import sample_w
from wspace.steering.white_space import WhiteSpace

__all__ = ["InversionConfig", "Inverted", "Watch", "invert", "psnr"]

CANDIDATES = 256  # random w, the nearest of which a picture starts from
TOGETHER = 32  # of them drawn at once
PERCEPTUAL_WEIGHT = 0.1  # beside pixels, as in training
LEAST_SIDE = 32  # of what the pretrained network is shown
OUTSIDE = 0.01  # how much of what lies outside [-1, 1] counts
BETAS = (0.9, 0.99)

Watch = Callable[[int, Tensor | None], None]  # steps done; pixels (N, H, W, C) where asked for


@dataclass(frozen=True, kw_only=True)
class InversionConfig:
    """How pictures are inverted."""

    space: Annotated[
        Literal["w", "w+"], Choice("w", "w+"), About("one w for all layers, or one a layer")
    ] = "w+"
    steps: Annotated[int, Range(0, 100_000), About("of the optimiser", "steps")] = 300
    seconds: Annotated[
        float | None, Range(above=0), About("it ends after that time, if it is sooner", "seconds")
    ] = None
    rate: Annotated[
        float, Range(above=0, high=10), About("Adam's, in deviations of w; falls to 0")
    ] = 0.2
    prior_weight: Annotated[
        float, Range(low=0, high=1e6), About("of how unusual the w are, beside the difference")
    ] = 0.001

    def __post_init__(self) -> None:
        check(self, "inversion: ")


@dataclass(frozen=True, kw_only=True)
class Inverted:
    """A picture that was inverted.

    Attributes:
        recipe: draws it.
        start: the recipe that the optimiser began with, the nearest of random ones.
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
    seed: int = 0,
    watch: Watch | None = None,
    show_every: int | None = None,
) -> tuple[Inverted, ...]:
    """Find the w that draw pictures.

    Args:
        generator: the model; its own noise maps are added, as recipes do where they say nothing.
        pixels: (N, H, W, C), uint8, N >= 1, of the model's size and channels.
        config: see `InversionConfig`.
        class_index: only start from w of this class, where the model has classes.
        seed: of the random w.
        watch: called before the first step and after each one.
        show_every: of so many steps one hands its pictures to ``watch``, and the last; None: none.

    Returns:
        One a picture, in order.

    Raises:
        WspaceError: pictures of another size, or a class that does not fit.
    """
    size, channels = generator.size, generator.image_channels
    if pixels.dtype != torch.uint8 or tuple(pixels.shape[1:]) != (*size, channels):
        raise WspaceError(
            f"the pictures are {tuple(pixels.shape[1:])}, this model draws "
            f"{(*size, channels)}: fit them first."
        )
    device = generator.w_avg.device
    target = from_uint8(pixels.to(device).permute(0, 3, 1, 2))
    judge = _Judge(target)
    w = sample_w(generator, seed=seed, class_index=class_index).clone()
    space = WhiteSpace.of(w)
    started = time.monotonic()
    start = w[_nearest(generator, judge, w[:CANDIDATES])]  # (N, w_dim)
    layers = generator.num_ws if config.space == "w+" else 1
    u = space.u_of(start)[:, None].expand(-1, layers, -1).clone().requires_grad_()
    begun = u.detach().clone()
    optimizer = torch.optim.Adam([u], lr=config.rate, betas=BETAS)

    def ws_of(u: Tensor) -> Tensor:
        return space.w_of(u).expand(-1, generator.num_ws, -1)

    @torch.inference_mode()
    def drawn() -> Tensor:
        return to_uint8(generator.synthesis(ws_of(u))).cpu()

    def tell(step: int, *, shown: bool) -> None:
        if watch is not None:
            watch(step, drawn() if shown and show_every is not None else None)

    def quality() -> list[float]:
        return [psnr(one, other) for one, other in zip(drawn(), pixels.cpu(), strict=True)]

    first = quality()
    tell(0, shown=True)
    done = 0
    synthesis = _frozen(generator.synthesis)
    while done < config.steps:
        passed = 0.0
        if config.seconds is not None:
            passed = (time.monotonic() - started) / config.seconds
            if passed >= 1:
                break
        left = 1 - max(done / config.steps, passed)
        optimizer.param_groups[0]["lr"] = config.rate * math.sin(math.pi / 2 * left)
        with torch.enable_grad():
            images = synthesis(ws_of(u))
            difference = judge(images)  # (N,)
            unusual = u.square().mean(dim=(1, 2))
            loss = (difference + config.prior_weight * unusual).sum()
            (u.grad,) = torch.autograd.grad(loss, [u])
        optimizer.step()
        done += 1
        tell(done, shown=done % (show_every or 1) == 0 and done < config.steps)
    tell(done, shown=True)
    last = quality()
    recipes, starts = _recipes(generator, ws_of(u)), _recipes(generator, ws_of(begun))
    return tuple(
        Inverted(recipe=recipe, start=begin, psnr=now, start_psnr=then, steps=done)
        for recipe, begin, now, then in zip(recipes, starts, last, first, strict=True)
    )


def psnr(pixels: Tensor, other: Tensor) -> float:
    """Peak signal to noise ratio of two pictures of one shape, uint8, in dB; inf where equal."""
    error = float((pixels.double() - other.double()).square().mean())
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


class _Judge(nn.Module):
    """How much images differ from the given ones, in pixels and in what a network sees."""

    def __init__(self, target: Tensor) -> None:
        super().__init__()
        self.target = target
        self.network = EfficientNetLite("lite1").to(target.device)
        with torch.no_grad():
            self.seen = [
                [maps.float() for maps in self._maps(target, ground)] for ground in self._grounds
            ]
        # all maps and grounds count alike
        count = len(self.seen)
        self.sizes = [[maps.abs().mean() * count for maps in seen] for seen in self.seen]

    @property
    def _grounds(self) -> tuple[float, ...]:
        return (0.0, 1.0) if self.target.shape[1] == 4 else (1.0,)

    def _maps(self, images: Tensor, ground: float) -> list[Tensor]:
        rgb = rgb_of(images, ground)
        sides = [max(LEAST_SIDE, -(-side // LEAST_SIDE) * LEAST_SIDE) for side in rgb.shape[2:]]
        if tuple(sides) != tuple(rgb.shape[2:]):
            rgb = F.interpolate(rgb, size=sides, mode="bilinear", align_corners=False)
        return self.network.pyramid(rgb)

    def forward(self, images: Tensor) -> Tensor:
        """The difference of each image, (N, C, H, W), from the given one in its place; (N,)."""
        own = slice(None)
        seen = _as_bytes_have_it(images)
        return self._difference(seen, [self._maps(seen, g) for g in self._grounds], own)

    def each(self, images: Tensor) -> Tensor:
        """The difference of every image, (M, C, H, W), from every given one; (N, M)."""
        images = _as_bytes_have_it(images)
        maps = [self._maps(images, ground) for ground in self._grounds]
        rows = [self._difference(images, maps, slice(n, n + 1)) for n in range(len(self.target))]
        return torch.stack(rows)

    def _difference(self, images: Tensor, maps: list[list[Tensor]], rows: slice) -> Tensor:
        difference = (images - self.target[rows]).abs().mean(dim=(1, 2, 3))
        for drawn, given, sizes in zip(maps, self.seen, self.sizes, strict=True):
            for theirs, own, size in zip(drawn, given, sizes, strict=True):
                change = (theirs.float() - own[rows]).abs().mean(dim=(1, 2, 3)) / size
                difference = difference + PERCEPTUAL_WEIGHT * change
        return difference


def _as_bytes_have_it(images: Tensor) -> Tensor:
    """Values outside [-1, 1] brought to its ends, as bytes are; they still feel a way back."""
    within = images.float().clamp(-1, 1)
    return within + OUTSIDE * (images.float() - within)


@torch.inference_mode()
def _nearest(generator: Generator, judge: _Judge, w: Tensor) -> Tensor:
    """For each given picture, which of the w draws the nearest one; (N,), int64."""
    found = [
        judge.each(generator.synthesis(some[:, None].expand(-1, generator.num_ws, -1)))
        for some in w.split(TOGETHER)
    ]
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
