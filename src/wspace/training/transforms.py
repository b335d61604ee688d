"""What augmentation does to pictures: drawn for each by chance, then done to all at once.

Source: Karras et al. 2020 (StyleGAN2-ADA), Appendix B and its release.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wspace.group import ALONE, Group
from wspace.ops import choose
from wspace.ops.bands import BANDS, amplify_bands
from wspace.ops.warp import scaling, translation, warp
from wspace.training.config import AUGMENT_SETS

__all__ = ["Transforms", "draw_transforms", "louder_band", "transform"]

# How far transforms go, as in the release.
SHIFT, SCALE, SLIDE = 0.125, 0.2, 0.125  # shares of a side; log2 of a factor; shares of a side
BRIGHTNESS, CONTRAST, SATURATION = 0.2, 0.5, 1.0  # in units of pixels; log2 of factors
BAND, NOISE, HOLE = 1.0, 0.1, 0.5  # log2 of a factor; in units of pixels; share of a side
# Bands by their share in the power of pictures.
BAND_POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)


@dataclass(frozen=True, kw_only=True)
class Transforms:
    """What is done to each picture of a batch, in this order; None: not to any.

    Attributes:
        flip: (N,), -1: left to right, or 1.
        quarter_turns: (N,), whole numbers, against the clock.
        shift: (N, 2), whole pixels to the right and down.
        scale: (N,), factors.
        turn: (N,), radians, against the clock.
        stretch: (N,), factors of the width; heights are divided by them.
        second_turn: (N,), radians, after it.
        slide: (N, 2), pixels to the right and down, of any fraction.
        brightness: (N,), added to colours.
        contrast: (N,), factors of colours.
        luma_flip: (N,), 1: dark for bright, the hue kept, or 0.
        hue: (N,), radians about the grey axis; not for grey pictures.
        saturation: (N,), factors of the distance from that axis; likewise.
        bands: (N, 4), gains of bands of frequencies.
        noise: (N, C, H, W), added.
        hole: (N, 3), the place of its middle (x, y) and its size, in shares of the sides.
    """

    flip: Tensor | None = None
    quarter_turns: Tensor | None = None
    shift: Tensor | None = None
    scale: Tensor | None = None
    turn: Tensor | None = None
    stretch: Tensor | None = None
    second_turn: Tensor | None = None
    slide: Tensor | None = None
    brightness: Tensor | None = None
    contrast: Tensor | None = None
    luma_flip: Tensor | None = None
    hue: Tensor | None = None
    saturation: Tensor | None = None
    bands: Tensor | None = None
    noise: Tensor | None = None
    hole: Tensor | None = None


def transform(images: Tensor, transforms: Transforms) -> Tensor:
    """Do it, differentiably any number of times; what is not finite stays so.

    Args:
        images: (N, C, H, W), float32, in [-1, 1]. The first three channels, or the first of one or
            two, are colours; further ones, such as alpha, keep their values where they move.
        transforms: of this batch.

    Returns:
        (N, C, H, W), float32.
    """
    with choose.without_autocast(images):
        inverse = _inverse_map(images, transforms)
    moved = (inverse != torch.eye(3, device=images.device)).flatten(1).any(dim=1).nonzero()[:, 0]
    if len(moved) == len(images):
        images = warp(images, inverse)
    elif len(moved):  # doubling and halving again would leave the others as they are
        images = images.index_copy(0, moved, warp(images[moved], inverse[moved]))
    with choose.without_autocast(images):
        images = _recolour(images, transforms)
    if transforms.bands is not None:
        images = amplify_bands(images, transforms.bands)
    if transforms.noise is not None:
        images = images + transforms.noise
    if transforms.hole is not None:
        images = images.masked_fill(_inside(transforms.hole, images), 0.0)
    return images


def _inverse_map(images: Tensor, transforms: Transforms) -> Tensor:
    """(N, 3, 3): from places in the results to places in the pictures, see `warp`."""
    t, like = transforms, images
    steps = (
        None if t.flip is None else scaling(t.flip, 1, like),
        None if t.quarter_turns is None else _rotation(t.quarter_turns * (math.pi / 2), like),
        None if t.shift is None else _moved(-t.shift, like),
        None if t.scale is None else scaling(1 / t.scale, 1 / t.scale, like),
        None if t.turn is None else _rotation(t.turn, like),
        None if t.stretch is None else scaling(1 / t.stretch, t.stretch, like),
        None if t.second_turn is None else _rotation(t.second_turn, like),
        None if t.slide is None else _moved(-t.slide, like),
    )
    inverse = torch.eye(3, device=images.device).expand(len(images), 3, 3)
    for step in steps:
        inverse = inverse if step is None else inverse @ step
    return inverse


def _moved(by: Tensor, like: Tensor) -> Tensor:
    """(N, 2), pixels to the right and down, to (N, 3, 3)."""
    return translation(by[:, 0], by[:, 1], like)


def _rotation(angle: Tensor, like: Tensor) -> Tensor:
    """(N,), radians, to (N, 3, 3)."""
    sine, cosine = angle.sin(), angle.cos()
    result = torch.eye(3, dtype=like.dtype, device=like.device).repeat(len(angle), 1, 1)
    result[:, 0, 0], result[:, 0, 1], result[:, 1, 0], result[:, 1, 1] = cosine, -sine, sine, cosine
    return result


def _recolour(images: Tensor, t: Transforms) -> Tensor:
    """Brightness, contrast, luma flip, hue and saturation, as one product for each pixel."""
    if all(v is None for v in (t.brightness, t.contrast, t.luma_flip, t.hue, t.saturation)):
        return images
    grey = images.shape[1] < 3
    one = torch.eye(3, device=images.device)
    axis = one.new_full((3, 1), 3**-0.5)  # from black to white
    along = axis @ axis.T
    matrix = torch.eye(3, 4, device=images.device).repeat(len(images), 1, 1)
    if t.brightness is not None:
        matrix[:, :, 3] += t.brightness[:, None]
    if t.contrast is not None:
        matrix = matrix * t.contrast[:, None, None]
    if t.luma_flip is not None:
        matrix = (one - 2 * along * t.luma_flip[:, None, None]) @ matrix
    if t.hue is not None and not grey:
        about = torch.linalg.cross(one, axis.T.expand(3, 3)).T  # cross product with the axis
        sine, cosine = t.hue.sin()[:, None, None], t.hue.cos()[:, None, None]
        matrix = (one * cosine - about * sine + along * (1 - cosine)) @ matrix
    if t.saturation is not None and not grey:
        matrix = (along + (one - along) * t.saturation[:, None, None]) @ matrix
    if grey:
        matrix = matrix.mean(dim=1, keepdim=True)  # (N, 1, 4)
        matrix = torch.cat([matrix[:, :, :3].sum(dim=2, keepdim=True), matrix[:, :, 3:]], dim=2)
    colours = matrix.shape[1]
    pixels = images[:, :colours].flatten(2)  # (N, 1 or 3, H * W)
    found = torch.baddbmm(matrix[:, :, colours:], matrix[:, :, :colours], pixels)
    found = found.view(len(images), colours, *images.shape[2:])
    return found if images.shape[1] == colours else torch.cat([found, images[:, colours:]], dim=1)


def louder_band(gains: Tensor, band: int, factor: Tensor) -> Tensor:
    """Make one band louder or quieter, and all of them quieter or louder: the power stays.

    Args:
        gains: (N, 4).
        band: its number.
        factor: (N, 1).

    Returns:
        (N, 4).
    """
    factors = torch.ones_like(gains)
    factors[:, band] = factor[:, 0]
    power = factors.square() @ gains.new_tensor(BAND_POWER)
    return gains * factors / power.sqrt()[:, None]


def _inside(hole: Tensor, images: Tensor) -> Tensor:
    """Which pixels are cut out, (N, 1, H, W), bool."""
    height, width = images.shape[2:]
    x = (torch.arange(width, device=images.device) + 0.5) / width
    y = (torch.arange(height, device=images.device) + 0.5) / height
    half = hole[:, 2, None] / 2
    in_x, in_y = (x - hole[:, :1]).abs() < half, (y - hole[:, 1:2]).abs() < half
    return (in_x[:, None, :] & in_y[:, :, None])[:, None]


def draw_transforms(
    images: Tensor,
    strength: float,
    chosen: str,
    random: torch.Generator,
    group: Group = ALONE,
) -> Transforms:
    """Draw what is done to pictures: each transform happens to each with the same probability.

    Args:
        images: (N, C, H, W); only their shape and device count.
        strength: the probability, >= 0; of 1 and more all happens.
        chosen: one of `AUGMENT_SETS`.
        random: on the device of ``images``.
        group: has its own part of a batch in each process; what is drawn is drawn for all of it.
    """
    height, width = images.shape[2:]
    count = len(images) * group.world_size
    sides = images.new_tensor([width, height])
    # two turns together happen with the probability of one
    turning = 1 - math.sqrt(1 - min(strength, 1.0))

    def uniform(limit: float, columns: int = 1) -> Tensor:
        drawn = torch.rand(count, columns, generator=random, device=images.device)
        return (2 * drawn - 1) * limit

    def normal(deviation: float, columns: int = 1) -> Tensor:
        drawn = torch.randn(count, columns, generator=random, device=images.device)
        return drawn * deviation

    def one_of(options: int) -> Tensor:
        drawn = torch.rand(count, 1, generator=random, device=images.device)
        return (drawn * options).floor()

    def maybe(value: Tensor, otherwise: float, probability: float = strength) -> Tensor:
        happens = torch.rand(count, 1, generator=random, device=images.device) < probability
        return torch.where(happens, value, otherwise)

    found: dict[str, Tensor] = {}
    if "b" in chosen:
        found["flip"] = 1 - 2 * maybe(one_of(2), 0.0)[:, 0]
        found["quarter_turns"] = maybe(one_of(4), 0.0)[:, 0]
        found["shift"] = (maybe(uniform(SHIFT, 2), 0.0) * sides).round()
    if "g" in chosen:
        found["scale"] = maybe(normal(SCALE).exp2(), 1.0)[:, 0]
        found["turn"] = maybe(uniform(math.pi), 0.0, turning)[:, 0]
        found["stretch"] = maybe(normal(SCALE).exp2(), 1.0)[:, 0]
        found["second_turn"] = maybe(uniform(math.pi), 0.0, turning)[:, 0]
        found["slide"] = maybe(normal(SLIDE, 2), 0.0) * sides
    if "bgc" in chosen:
        found["brightness"] = maybe(normal(BRIGHTNESS), 0.0)[:, 0]
        found["contrast"] = maybe(normal(CONTRAST).exp2(), 1.0)[:, 0]
        found["luma_flip"] = maybe(one_of(2), 0.0)[:, 0]
        found["hue"] = maybe(uniform(math.pi), 0.0)[:, 0]
        found["saturation"] = maybe(normal(SATURATION).exp2(), 1.0)[:, 0]
    if "f" in chosen:
        found["bands"] = torch.ones(count, BANDS, device=images.device)
        for band in range(BANDS):
            found["bands"] = louder_band(found["bands"], band, maybe(normal(BAND).exp2(), 1.0))
    if "n" in chosen:
        size = maybe(normal(NOISE).abs(), 0.0)[:, :, None, None]
        noise = torch.randn((count, *images.shape[1:]), generator=random, device=images.device)
        found["noise"] = noise * size
    if chosen == AUGMENT_SETS[-1]:
        size = maybe(images.new_full((count, 1), HOLE), 0.0)
        found["hole"] = torch.cat([0.5 + uniform(0.5, 2), size], dim=1)
    return Transforms(**{name: group.own(value) for name, value in found.items()})
