"""Synthesis of StyleGAN1: from a learned constant to the image, restyled by AdaIN at each layer.

Source: Karras et al. 2019 (StyleGAN), Figure 1b.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from wspace.networks.config import AdaINConfig
from wspace.networks.features import FeatureMaps
from wspace.networks.layers import EqualizedConv2d, EqualizedLinear, activate
from wspace.networks.noise import Noise, noise_maps
from wspace.networks.style_space import StyleOffsets, layer_offsets
from wspace.networks.styles import AdaIN, pixel_norm
from wspace.ops import choose
from wspace.ops.blurred_resampling import BlurredResampling
from wspace.ops.resample import upsample_nearest
from wspace.sizes import Size

__all__ = ["AdaINLayer", "AdaINSynthesis"]


class AdaINLayer(nn.Module):
    """One layer: [convolution, blur if it upsamples,] noise, bias, leaky ReLU, AdaIN."""

    noise_const: Tensor

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        size: Size,
        *,
        w_dim: int,
        upsample: bool,
        config: AdaINConfig,
    ) -> None:
        super().__init__()
        self.activation, self.pixel_norm = config.activation, config.pixel_norm
        self.conv = (
            None
            if in_channels is None  # the first layer restyles the learned constant itself
            else EqualizedConv2d(in_channels, out_channels, 3, bias=False, weight_gain=math.sqrt(2))
        )
        self.blur = BlurredResampling(config.blur_filter) if upsample else None
        self.noise_strength = nn.Parameter(torch.zeros(out_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("noise_const", torch.randn(1, 1, *size))
        self.style = AdaIN(out_channels, w_dim, normalize=config.instance_norm)

    def forward(
        self, x: Tensor, w: Tensor, noise: Tensor | None, offset: Tensor | None = None
    ) -> Tensor:
        """Run the layer.

        Args:
            x: (N, in_channels, H, W), or the constant (N, out_channels, H, W) in the first layer.
            w: (N, w_dim), this layer's slice of ws.
            noise: (N or 1, 1, H', W'), or None to add none.
            offset: see `style_space.shifted`.

        Returns:
            (N, out_channels, H', W'), H' = 2H and W' = 2W where it upsamples, H and W otherwise.
        """
        if self.conv is None:
            x = x + self.bias[:, None, None].to(x.dtype)
        elif self.blur is not None:
            x = self.blur.upsample(x, self.conv.scaled_weight, self.bias)
        else:
            x = self.conv(x, self.bias)
        if noise is not None:
            strength = self.noise_strength[:, None, None].to(x.dtype)
            x = x.addcmul_(noise.to(x.dtype), strength)
        x = activate(x, self.activation, gain=1.0, overwrite=True)
        if self.pixel_norm:
            x = pixel_norm(x)
        restyled: Tensor = self.style(x, w, offset)
        return restyled


class AdaINSynthesis(nn.Module):
    """ws to image.

    Layers 2k and 2k + 1 make block k, of side 4 · 2^k (see `Size.block` where that makes no image
    of this size). Each block has a ToRGB; the last one makes the image, the others serve fades
    between resolutions (``lod``).

    Attributes:
        lod: level of detail where `forward` is told none; 0 unless the network is growing.
    """

    def __init__(self, config: AdaINConfig, *, size: Size, image_channels: int, w_dim: int) -> None:
        super().__init__()
        blocks = size.doublings + 1
        self.num_ws = 2 * blocks
        self.lod = config.lod
        self.const = nn.Parameter(torch.ones(1, config.channels[0], *size.block))
        self.layers = nn.ModuleList()
        self.to_rgb = nn.ModuleList()
        for k, channels in enumerate(config.channels):
            before = config.channels[k - 1] if k > 0 else None
            for upsample, in_channels in ((k > 0, before), (False, channels)):
                self.layers.append(
                    AdaINLayer(
                        in_channels,
                        channels,
                        size.halved(blocks - 1 - k),
                        w_dim=w_dim,
                        upsample=upsample,
                        config=config,
                    )
                )
            self.to_rgb.append(EqualizedConv2d(channels, image_channels, 1))

    @property
    def const_noise(self) -> list[Tensor]:
        """The stored noise maps, (1, 1, H, W) a layer."""
        return [layer.noise_const for layer in self.layers]  # type: ignore[misc]

    @property
    def noise_layers(self) -> tuple[int, ...]:
        """The layer of ws that each noise layer belongs to."""
        return tuple(range(self.num_ws))

    @property
    def affine_layers(self) -> tuple[tuple[int, EqualizedLinear], ...]:
        """What makes styles of w, each with the layer of ws that it takes."""
        layers: list[Any] = list(self.layers)
        return tuple((i, layer.style.affine) for i, layer in enumerate(layers))

    @property
    def feature_maps(self) -> tuple[FeatureMaps, ...]:
        """The maps that leave each layer."""
        layers: list[Any] = list(self.layers)
        sizes = [Size(*layer.noise_const.shape[2:]) for layer in layers]
        return tuple(
            FeatureMaps(layer=i, size=size, module=layer)
            for i, (layer, size) in enumerate(zip(layers, sizes, strict=True))
        )

    @property
    def block_layers(self) -> tuple[tuple[int, ...], ...]:
        """The layers of ws that each block owns, smallest first."""
        return tuple((2 * k, 2 * k + 1) for k in range(len(self.to_rgb)))

    def forward(
        self,
        ws: Tensor,
        noise: Noise = "const",
        *,
        update_emas: bool = False,
        style_offsets: StyleOffsets = None,
        lod: float | None = None,
        full_size: bool = True,
    ) -> Tensor:
        """Make images.

        Args:
            ws: (N, num_ws, w_dim).
            noise: see `noise.noise_maps`.
            update_emas: without effect: only StyleGAN3's synthesis keeps running means.
            style_offsets: see `style_space.layer_offsets`.
            lod: level of detail, 0 for the full resolution, 1 for half of it, enlarged; between
                them the two are blended (Karras et al. 2018, Figure 2). Blocks that it does not ask
                for are not computed. None: the network's own.
            full_size: False leaves images as they are drawn, 2^⌊lod⌋ times smaller.

        Returns:
            (N, image_channels, height, width), float32, nominally in [-1, 1].
        """
        lod = self.lod if lod is None else lod
        batch = ws.shape[0]  # not len(ws): torch.export keeps it open
        maps = noise_maps(noise, self.const_noise, batch)
        offsets = layer_offsets(style_offsets, self.num_ws)
        last = len(self.to_rgb) - 1 - math.floor(lod)
        x = self.const.to(choose.working_dtype(self.const)).expand(batch, -1, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last)
        previous = x
        for k in range(last + 1):
            previous = x
            for i in self.block_layers[k]:
                x = self.layers[i](x, ws[:, i], maps[i], offsets[i])
        image: Tensor = self.to_rgb[last](x).float()
        fraction = lod - math.floor(lod)
        if fraction > 0:
            image = image.lerp(upsample_nearest(self.to_rgb[last - 1](previous).float()), fraction)
        for _ in range(math.floor(lod) if full_size else 0):
            image = upsample_nearest(image)
        return image
