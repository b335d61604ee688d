"""Features of pictures with alpha, by networks that know red, green and blue alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wspace.images import BACKGROUNDS, from_uint8, rgb_of, to_uint8
from wspace.metrics.features.extractor import Extractor

__all__ = ["TransparentExtractor", "for_channels"]


class TransparentExtractor(Extractor):
    """What another extractor sees of a picture on black, and then on white.

    Either alone is blind to alpha where a thing has the background's colour, and their mean would
    be: what is brighter on one is darker on the other. Divided by √2, distances of opaque pictures
    are those of the other extractor, and so are their Frechet distances.

    Args:
        inner: sees pictures without alpha.
    """

    def __init__(self, inner: Extractor) -> None:
        super().__init__(inner.device, inner.batch_size)
        self.inner = inner
        self.dim = len(BACKGROUNDS) * inner.dim
        self.name = inner.name
        self.id = f"{inner.id}, on black and on white"
        self.rule = f"{inner.rule}, on black and on white"

    def features_of(self, pixels: Tensor) -> Tensor:
        """Features of one batch; see `Extractor`.

        Args:
            pixels: (N, C, H, W), uint8; with alpha, straight colours.
        """
        images = from_uint8(pixels)
        seen = [
            self.inner.features_of(to_uint8(rgb_of(images, background)).movedim(3, 1))
            for background in BACKGROUNDS
        ]
        return torch.cat(seen, dim=1) / math.sqrt(len(BACKGROUNDS))


def for_channels(extractor: Extractor, image_channels: int) -> Extractor:
    """The extractor itself, or as it sees pictures with alpha."""
    return TransparentExtractor(extractor) if image_channels == 4 else extractor
