"""The discriminator of StyleGAN2, which StyleGAN3 shares.

Source: Karras et al. 2020 (StyleGAN2), Figure 7; classes by projection (Miyato and Koyama 2018).
Tensors carry the names of the official PyTorch release.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from wspace.networks.config import DiscriminatorConfig
from wspace.networks.layers import (
    EqualizedConv2d,
    EqualizedLinear,
    activate,
    gain_around,
    minibatch_stddev,
)
from wspace.networks.mapping import MappingNetwork
from wspace.ops.convolution import convolve
from wspace.ops.resample import conv_downsample_fir, fir_downsample, fir_kernel

__all__ = ["DemodulatedDiscriminator", "DiscriminatorBlock", "DiscriminatorEpilogue"]


def _activated(
    layer: EqualizedConv2d,
    x: Tensor,
    config: DiscriminatorConfig,
    *,
    kernel: Tensor | None = None,
    gain: float = 1.0,
    clamped: bool = True,
) -> Tensor:
    """Convolution, bias, activation, clamp.

    A ``kernel`` filters what comes in, and the convolution halves the side.
    """
    clamp = config.conv_clamp * gain if clamped and config.conv_clamp is not None else None
    before, after = gain_around(config.activation, gain)
    assert layer.bias is not None
    weight, bias = layer.weight * (layer.weight_scale * before), layer.bias * before
    if kernel is None:
        x = convolve(x.to(weight.dtype), weight, bias, padding=weight.shape[2] // 2)
    else:
        x = conv_downsample_fir(x, weight, kernel, bias)
    return activate(x, config.activation, gain=after, clamp=clamp, overwrite=True)


class DiscriminatorBlock(nn.Module):
    """[fromrgb,] conv0 and conv1, which halves the side; with a residual where asked."""

    resample_filter: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, *, is_first: bool, config: DiscriminatorConfig
    ) -> None:
        super().__init__()
        self.config = config
        self.reads_image = is_first or config.block_architecture == "skip"
        if self.reads_image:
            self.fromrgb = EqualizedConv2d(config.image_channels, in_channels, 1)
        self.conv0 = EqualizedConv2d(in_channels, in_channels, 3)
        self.conv1 = EqualizedConv2d(in_channels, out_channels, 3)
        if config.block_architecture == "resnet":
            self.skip = EqualizedConv2d(in_channels, out_channels, 1, bias=False)
        kernel = fir_kernel(config.resample_filter)
        self.register_buffer("resample_filter", kernel, persistent=False)

    def forward(self, x: Tensor | None, image: Tensor) -> tuple[Tensor, Tensor]:
        """Run the block.

        Args:
            x: (N, in_channels, H, W), or None in the first block.
            image: (N, image_channels, H, W).

        Returns:
            The maps (N, out_channels, H / 2, W / 2), and the image for the next block: halved
            where that reads it.
        """
        kernel = self.resample_filter
        if self.reads_image:
            y = _activated(self.fromrgb, image, self.config)
            x = y if x is None else x + y
            if self.config.block_architecture == "skip":
                image = fir_downsample(image, kernel)
        assert x is not None
        y = _activated(self.conv0, x, self.config)
        if self.config.block_architecture != "resnet":
            return _activated(self.conv1, y, self.config, kernel=kernel), image
        gain = math.sqrt(0.5)
        y = _activated(self.conv1, y, self.config, kernel=kernel, gain=gain)
        skip = conv_downsample_fir(x, self.skip.scaled_weight, kernel)
        return torch.add(y, skip, alpha=gain), image


class DiscriminatorEpilogue(nn.Module):
    """The end: [fromrgb,] minibatch standard deviation, convolution, two dense layers."""

    def __init__(self, channels: int, class_dim: int, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        if config.block_architecture == "skip":
            self.fromrgb = EqualizedConv2d(config.image_channels, channels, 1)
        self.conv = EqualizedConv2d(channels + config.mbstd_num_channels, channels, 3)
        self.fc = EqualizedLinear(config.size.block.area * channels, channels)
        self.out = EqualizedLinear(channels, max(class_dim, 1))

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """(N, channels, H, W) and (N, image_channels, H, W) to (N, class_dim or 1)."""
        config = self.config
        if config.block_architecture == "skip":
            x = x + _activated(self.fromrgb, image, config, clamped=False)
        x = minibatch_stddev(x, config.mbstd_group_size, config.mbstd_num_channels)
        x = _activated(self.conv, x, config)
        # NCHW order in memory before flattening, whatever the layout of the maps
        x = activate(self.fc(x.flatten(start_dim=1)), config.activation)
        scores: Tensor = self.out(x).float()
        return scores


class DemodulatedDiscriminator(nn.Module):
    """Images (and classes) to one logit each.

    ``b{side}`` is the block that reads maps of that side, ``b4`` the epilogue; blocks are called
    as if the epilogue's maps were 4² where they are others (see `Size.block`).
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.sides = tuple(4 * 2**k for k in range(len(channels) - 1, 0, -1))
        for k in range(len(channels) - 1, 0, -1):
            block = DiscriminatorBlock(
                channels[k], channels[k - 1], is_first=k == len(channels) - 1, config=config
            )
            setattr(self, f"b{4 * 2**k}", block)
        self.class_dim = config.projection_dim
        self.b4 = DiscriminatorEpilogue(channels[0], self.class_dim, config)
        if self.class_dim > 0:
            assert config.mapping is not None  # the configuration has checked it
            self.mapping = MappingNetwork(
                config.mapping,
                z_dim=0,
                num_classes=config.num_classes,
                w_dim=self.class_dim,
                num_ws=None,
            )

    @property
    def from_image(self) -> list[list[nn.Module]]:
        """What an image goes through, block by block, above 4²."""
        return [[getattr(self, f"b{side}")] for side in self.sides]

    def forward(self, images: Tensor, c: Tensor | None = None) -> Tensor:
        """Judge images.

        Args:
            images: (N, image_channels, height, width), in [-1, 1].
            c: (N, num_classes), one-hot classes; needed exactly where the network has classes.

        Returns:
            (N,), logits: positive for real.
        """
        x, image = None, images
        for side in self.sides:
            x, image = getattr(self, f"b{side}")(x, image)
        scores: Tensor = self.b4(x, image)  # (N, class_dim or 1)
        if self.class_dim == 0:
            return scores[:, 0]
        classes = self.mapping.w(None, c)
        return (scores * classes).sum(dim=1) / math.sqrt(self.class_dim)
