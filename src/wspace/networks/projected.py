"""A discriminator on top of a pretrained network's features: it learns as much from fewer images.

Source: Sauer et al. 2021 (Projected GANs Converge Faster), Section 3: a frozen feature network,
random projections that mix its maps across channels (3.1, "CCM") and scales ("CSM"), and a small
discriminator on each scale. Three things differ, for small batches and few images
(benchmarks/RESULTS.md): group instead of batch normalisation, so that an image's logits do not
depend on the mean of its batch; minibatch standard deviation before the last convolution, as in
StyleGAN; and one more head on the image itself, since features that classify photographs hold
little about colour.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from wspace.images import rgb_of
from wspace.networks.config import ProjectedConfig
from wspace.networks.layers import minibatch_stddev
from wspace.networks.pretrained.efficientnet import EfficientNetLite
from wspace.ops.convolution import convolve
from wspace.ops.resample import upsample_nearest
from wspace.sizes import Size, size_of

__all__ = ["ProjectedDiscriminator"]

_SMALLEST_SIDE = 4  # heads halve their maps down to this side or below
_GROUPS = 4


class RandomProjection(nn.Module):
    """Mixes the maps of a pyramid across channels and scales; random, and never changed."""

    def __init__(self, in_channels: tuple[int, ...], width: int, *, enlarged: bool) -> None:
        super().__init__()
        self.enlarged = enlarged
        mixed = (width, width, 2 * width, 4 * width)  # from fine to coarse
        self.out_channels = (width, *mixed[:-1])
        for k, (own, inner, out) in enumerate(
            zip(in_channels, mixed, self.out_channels, strict=True)
        ):
            self.register_buffer(f"channels{k}", _random_kernel(inner, own, 1))
            self.register_buffer(f"scales{k}", _random_kernel(out, inner, 3))

    def forward(self, pyramid: list[Tensor]) -> list[Tensor]:
        """Four maps to four that have seen all coarser ones, of twice the side if ``enlarged``."""
        mixed: list[Tensor] = []
        for k in reversed(range(len(pyramid))):
            x = convolve(pyramid[k], self.get_buffer(f"channels{k}"))
            if mixed:
                coarser = mixed[-1] if self.enlarged else upsample_nearest(mixed[-1])
                x = (x + coarser) * math.sqrt(0.5)
            x = convolve(x, self.get_buffer(f"scales{k}"), padding=1)
            if self.enlarged:
                x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            mixed.append(x)
        return mixed[::-1]


class _Conv2d(nn.Conv2d):
    """torch's layer with the gradients of `convolve`, which R1 takes twice."""

    def forward(self, x: Tensor) -> Tensor:
        stride, padding = self.stride[0], int(self.padding[0])
        return convolve(x, self.weight, self.bias, stride=stride, padding=padding)


class Head(nn.Module):
    """Halves maps until a side is 4 or less, then judges each place of them."""

    def __init__(self, in_channels: int, size: Size, width: int, config: ProjectedConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        channels = in_channels
        while min(size) > _SMALLEST_SIDE:
            width = min(2 * width, config.max_channels)
            layers += [
                spectral_norm(_Conv2d(channels, width, 4, stride=2, padding=1)),
                nn.GroupNorm(_GROUPS, width),
                nn.LeakyReLU(0.2),
            ]
            channels, size = width, size.halved(1)
        if not layers and not config.enlarged:  # small maps are judged by two layers, too
            width = min(2 * width, config.max_channels)
            layers = [
                spectral_norm(_Conv2d(channels, width, 3, padding=1)),
                nn.GroupNorm(_GROUPS, width),
                nn.LeakyReLU(0.2),
            ]
            channels = width
        self.layers = nn.Sequential(*layers)
        self.places = size.area
        self.num_statistics = math.gcd(config.mbstd_num_channels, channels)
        self.judge = spectral_norm(
            _Conv2d(channels + self.num_statistics, max(config.num_classes, 1), 3, padding=1)
        )

    def forward(self, x: Tensor, c: Tensor | None) -> Tensor:
        """(N, in_channels, H, W) to (N, places)."""
        x = minibatch_stddev(self.layers(x), self.config.mbstd_group_size, self.num_statistics)
        logits: Tensor = self.judge(x).float()  # (N, num_classes or 1, H', W')
        logits = logits[:, 0] if c is None else (logits * c[:, :, None, None]).sum(dim=1)
        return logits.flatten(start_dim=1)


class ProjectedDiscriminator(nn.Module):
    """Images (and classes) to many logits each: every place of every scale judges for itself.

    Raises:
        WspaceError: the pretrained network is not installed.
    """

    def __init__(self, config: ProjectedConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = EfficientNetLite(config.backbone)
        self.projection = RandomProjection(
            self.backbone.pyramid_channels, config.width, enlarged=config.enlarged
        )
        halvings = 1 if config.enlarged else 2  # of the input, in the finest maps
        sizes = [size_of(config.input_size).halved(k + halvings) for k in range(4)]
        self.heads = nn.ModuleList(
            Head(channels, size, config.width, config)
            for channels, size in zip(self.projection.out_channels, sizes, strict=True)
        )
        self.image_head = Head(config.image_channels, config.size, config.width // 2, config)

    def forward(
        self, images: Tensor, c: Tensor | None = None, *, background: float = 1.0
    ) -> Tensor:
        """Judge images.

        Args:
            images: (N, image_channels, height, width), in [-1, 1].
            c: (N, num_classes), one-hot classes; needed exactly where the network has classes.
            background: see `perceive`.

        Returns:
            (N, places), logits: positive for real.
        """
        return self.judge(images, self.perceive(images, background), c)

    def judge(self, images: Tensor, seen: list[Tensor], c: Tensor | None = None) -> Tensor:
        """As `forward`, of images that have been perceived already.

        Args:
            images: (N, image_channels, height, width), in [-1, 1].
            seen: what `perceive` makes of them.
            c: (N, num_classes), one-hot classes.
        """
        maps = self.projection(seen)
        logits = [head(x, c) for head, x in zip(self.heads, maps, strict=True)]
        logits.append(self.image_head(images, c))
        return torch.cat(logits, dim=1)

    def average(self, values: Tensor) -> Tensor:
        """One value an image from one for each place, all heads counting alike.

        Args:
            values: (N, places), such as losses, in the order of the logits.

        Returns:
            (N,).
        """
        heads = [*self.heads, self.image_head]
        places = [cast(Head, head).places for head in heads]
        parts = values.split(places, dim=1)
        return torch.stack([part.mean(dim=1) for part in parts], dim=1).mean(dim=1)

    def perceive(self, images: Tensor, background: float = 1.0) -> list[Tensor]:
        """What the pretrained network sees in images: four maps of it, from fine to coarse.

        Args:
            images: as in `forward`.
            background: brightness behind transparent pixels, 0 to 1. In training it changes from
                step to step (`images.BACKGROUNDS`); the head on the image itself sees alpha.
        """
        rgb = rgb_of(images, background)
        size = size_of(self.config.input_size)
        if tuple(rgb.shape[2:]) != size:
            smaller = rgb.shape[2] > size.height
            rgb = F.interpolate(
                rgb, size=size, mode="bilinear", align_corners=False, antialias=smaller
            )
        return self.backbone.pyramid(rgb)


def _random_kernel(out_channels: int, in_channels: int, side: int) -> Tensor:
    """(out_channels, in_channels, side, side), scaled to keep the variance of what it filters."""
    fan_in = in_channels * side**2
    return torch.randn(out_channels, in_channels, side, side) / math.sqrt(fan_in)
