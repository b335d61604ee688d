"""Growing: from 8² on, each size learns alone, then the next one fades in.

Sizes are told by a level of detail, as in the networks: 0 is the full resolution, 1 half of it, and
between whole numbers two sizes are blended. All of it follows from the images seen, so that a run
goes on exactly wherever it was stopped.

Source: Karras et al. 2018 (ProGAN), Section 2, with the numbers of Karras et al. 2019 (StyleGAN),
Appendix C, and of its release.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor, nn

from wspace.errors import WspaceError
from wspace.images import from_uint8
from wspace.networks.generator import Generator
from wspace.networks.stylegan1.synthesis import AdaINSynthesis
from wspace.ops.resample import downsample_mean, upsample_nearest
from wspace.sizes import Size
from wspace.training.config import GrowingConfig, TrainConfig

__all__ = ["Growth", "check_growing", "real_images"]

FIRST_BLOCK = 1  # of 8² pixels: where growing begins
MOST_IMAGES = 128  # in a step: the release's on one GPU
# From this side on, so much faster does Adam learn.
RATES = {128: 1.5, 256: 2.0, 512: 3.0}
_CHUNK = 16  # pictures that are made smaller at once


class Growth:
    """How far networks have grown, by the images seen.

    Args:
        config: how many images each size takes, and how many a step.
        size: of the full images.
    """

    def __init__(self, config: TrainConfig, size: Size) -> None:
        self.on = config.growing.on
        self._growing: GrowingConfig = config.growing
        self._batch_size, self._size = config.batch_size, size

    def lod(self, seen_images: int) -> float:
        """The level of detail of the next image, >= 0; 0 from the full resolution on."""
        if not self.on:
            return 0.0
        kimg, own = seen_images / 1000, self._growing
        both = own.stable_kimg + own.fade_kimg
        phase = math.floor(kimg / both)
        faded = max(kimg - phase * both - own.stable_kimg, 0.0) / own.fade_kimg
        return max(self._size.doublings - FIRST_BLOCK - phase - faded, 0.0)

    def size(self, lod: float) -> Size:
        """Of images at a level of detail: the larger one of two that are blended."""
        return self._size.halved(math.floor(lod))

    def batch_size(self, lod: float) -> int:
        """Real images in a step: small sides take more, as in the release, where memory allows."""
        if not self.on:
            return self._batch_size
        return max(self._batch_size, min(2048 // self.size(lod).square_side, MOST_IMAGES))

    def rate(self, lod: float) -> float:
        """The learning rate as a multiple of the one at small sides."""
        if not self.on:
            return 1.0
        own = self.size(lod).square_side
        return max((rate for side, rate in RATES.items() if side <= own), default=1.0)

    def phase(self, lod: float) -> tuple[int, int]:
        """Changes where a fade begins, and where it ends: Adam starts anew there."""
        return math.floor(lod), math.ceil(lod)

    def describe(self, lod: float) -> str:
        """What happens at a level of detail, in a line."""
        happens = "fades in" if lod > math.floor(lod) else "learns"
        return f"growing: {self.size(lod)} {happens}, {self.batch_size(lod)} images a step."


def real_images(pixels: Tensor, lod: float) -> Tensor:
    """Real images at a level of detail.

    Smaller ones are means of the full ones, rounded to bytes, as if they had been stored so.

    Args:
        pixels: (N, C, H, W), uint8, of full resolution.
        lod: 0 for these as they are.

    Returns:
        (N, C, H / 2^⌊lod⌋, W / 2^⌊lod⌋), float32, in [-1, 1]: blended with their own means of 2 by
        2 where the level is between two.
    """
    halvings = math.floor(lod)
    if halvings:
        images = torch.cat([_smaller(from_uint8(some), halvings) for some in pixels.split(_CHUNK)])
    else:
        images = from_uint8(pixels)
    if lod > halvings:
        images = images.lerp(upsample_nearest(downsample_mean(images)), lod - halvings)
    return images


def _smaller(images: Tensor, halvings: int) -> Tensor:
    values = ((images + 1) * 127.5).round()  # whole numbers, whose means are exact
    for _ in range(halvings):
        values = downsample_mean(values)
    return values.round() / 127.5 - 1


def check_growing(config: TrainConfig, generator: Generator, discriminator: nn.Module) -> None:
    """Whether these networks can grow, where that was asked for.

    Raises:
        WspaceError: they are none of StyleGAN1's, or as small as where growing begins.
    """
    if not config.growing.on:
        return
    if not isinstance(generator.synthesis, AdaINSynthesis) or (
        cast(Any, discriminator).config.architecture != "adain"
    ):
        raise WspaceError(
            f"growing.fade_kimg={config.growing.fade_kimg:g}: networks of preset {config.preset} "
            "have no layers to colours at each size to fade between; give --preset paper, or leave "
            "it out."
        )
    if generator.size.doublings <= FIRST_BLOCK:
        raise WspaceError(
            f"growing.fade_kimg={config.growing.fade_kimg:g}: growing begins with "
            f"{generator.size}, which the pictures have already: leave it out."
        )
