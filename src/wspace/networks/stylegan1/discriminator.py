"""The discriminator of StyleGAN1.

Source: Karras et al. 2018 (ProGAN), Table 2, with the blur of Karras et al. 2019, Section 2.1.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from wspace.networks.config import DiscriminatorConfig
from wspace.networks.layers import EqualizedConv2d, EqualizedLinear, activate, minibatch_stddev
from wspace.ops.blurred_resampling import BlurredResampling
from wspace.ops.resample import downsample_mean

__all__ = ["Discriminator", "DiscriminatorBlock"]


class DiscriminatorBlock(nn.Module):
    """Convolution, then blur and a convolution that halves the side."""

    def __init__(self, in_channels: int, out_channels: int, config: DiscriminatorConfig) -> None:
        super().__init__()
        gain = math.sqrt(2)
        self.conv0 = EqualizedConv2d(in_channels, in_channels, 3, weight_gain=gain)
        self.conv1 = EqualizedConv2d(in_channels, out_channels, 3, weight_gain=gain)
        self.blur = BlurredResampling(config.resample_filter)
        self.activation = config.activation

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, out_channels, H / 2, W / 2)."""
        x = activate(self.conv0(x), self.activation, gain=1.0, overwrite=True)
        x = self.blur.downsample(x, self.conv1.scaled_weight, self.conv1.bias)
        return activate(x, self.activation, gain=1.0, overwrite=True)


class Discriminator(nn.Module):
    """Images (and classes) to one logit each.

    ``from_rgb[k]`` reads images of side 4 · 2^k (see `Size.block` for other than such squares);
    only the last is used at full resolution, the others serve fades between resolutions (``lod``).
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        channels, gain = config.channels, math.sqrt(2)
        self.from_rgb = nn.ModuleList(
            EqualizedConv2d(config.image_channels, c, 1, weight_gain=gain) for c in channels
        )
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(channels[k], channels[k - 1], config)
            for k in range(1, len(channels))
        )
        self.conv = EqualizedConv2d(
            channels[0] + config.mbstd_num_channels, channels[0], 3, weight_gain=gain
        )
        hidden = config.hidden_dim or channels[0]
        self.dense0 = EqualizedLinear(
            config.size.block.area * channels[0], hidden, weight_gain=gain
        )
        self.dense1 = EqualizedLinear(hidden, max(config.num_classes, 1))

    @property
    def from_image(self) -> list[list[nn.Module]]:
        """What an image of full resolution goes through, block by block, above 4²."""
        blocks = [[block] for block in reversed(self.blocks)]
        return [[self.from_rgb[-1], *blocks[0]], *blocks[1:]]

    def forward(
        self,
        images: Tensor,
        c: Tensor | None = None,
        *,
        lod: float = 0.0,
        full_size: bool = True,
    ) -> Tensor:
        """Judge images.

        Args:
            images: (N, image_channels, height, width), in [-1, 1].
            c: (N, num_classes), one-hot classes; needed exactly where the network has classes.
            lod: level of detail, as in `AdaINSynthesis.forward`.
            full_size: False: the images are 2^⌊lod⌋ times smaller already.

        Returns:
            (N,), logits: positive for real.
        """
        for _ in range(math.floor(lod) if full_size else 0):
            images = downsample_mean(images)
        top = len(self.from_rgb) - 1 - math.floor(lod)
        x = self._read(top, images)
        fraction = lod - math.floor(lod)
        for k in range(top, 0, -1):
            x = self.blocks[k - 1](x)
            if k == top and fraction > 0:
                x = x.lerp(self._read(k - 1, downsample_mean(images)), fraction)
        x = minibatch_stddev(x, self.config.mbstd_group_size, self.config.mbstd_num_channels)
        x = self._activate(self.conv(x))
        # NCHW order in memory before flattening, whatever the layout of the maps
        x = self._activate(self.dense0(x.flatten(start_dim=1)))
        logits: Tensor = self.dense1(x).float()
        return logits[:, 0] if c is None else (logits * c).sum(dim=1)

    def _read(self, k: int, images: Tensor) -> Tensor:
        return self._activate(self.from_rgb[k](images))

    def _activate(self, x: Tensor) -> Tensor:
        return activate(x, self.config.activation, gain=1.0, overwrite=True)
