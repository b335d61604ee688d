"""Synthesis of StyleGAN2: convolutions whose weights the style modulates and demodulates.

Source: Karras et al. 2020 (StyleGAN2), Figures 2 and 7. Tensors carry the names of the official
PyTorch release.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wspace.networks.config import DemodulatedConfig
from wspace.networks.layers import (
    ACTIVATIONS,
    HOMOGENEOUS,
    EqualizedConv2d,
    EqualizedLinear,
    activate,
)
from wspace.networks.noise import Noise, noise_maps
from wspace.networks.styles import demodulation, modulate
from wspace.ops.convolution import convolve, working_dtype
from wspace.ops.resample import conv_upsample_fir, fir_kernel, fir_upsample

__all__ = ["DemodulatedBlock", "DemodulatedLayer", "DemodulatedSynthesis", "ToRGB"]


class DemodulatedLayer(nn.Module):
    """One layer: modulated convolution [with upsampling], demodulation, noise, bias, activation."""

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        side: int,
        *,
        w_dim: int,
        upsample: bool,
        config: DemodulatedConfig,
    ) -> None:
        super().__init__()
        self.upsample = upsample
        self.energy: Tensor | None = None  # see `demodulation`; `inference.fold` sets it
        self.transformed: Tensor | None = None  # see `convolve`; so here
        self.kernels: tuple[Tensor, ...] | None = None  # see `conv_upsample_fir`; so here
        self.activation, self.clamp = config.activation, config.conv_clamp
        self.affine = EqualizedLinear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        if config.use_noise:
            self.noise_strength = nn.Parameter(torch.zeros([]))
            self.register_buffer("noise_const", torch.randn(side, side))
        if upsample:
            kernel = fir_kernel(config.resample_filter)
            self.register_buffer("resample_filter", kernel, persistent=False)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, *, gain: float = 1.0) -> Tensor:
        """Run the layer.

        Args:
            x: (N, in_channels, H, W).
            w: (N, w_dim), this layer's slice of ws.
            noise: (N or 1, 1, side, side), or None to add none.
            gain: factor on the output.

        Returns:
            (N, out_channels, side, side).
        """
        styles = self.affine(w)
        clamp = None if self.clamp is None else self.clamp * gain
        gain = gain * ACTIVATIONS[self.activation][2]
        # an activation that is homogeneous takes its gain in factors that are there anyway
        inner, outer = (gain, 1.0) if self.activation in HOMOGENEOUS else (1.0, gain)
        scale = demodulation(self.weight, styles, self.energy) * inner
        bias = (self.bias * inner).to(x.dtype)
        if noise is not None:
            noise = (noise * (self.noise_strength * inner)).to(x.dtype)
        finish = functools.partial(
            activate, name=self.activation, gain=outer, clamp=clamp, overwrite=True
        )
        if self.draws_alone(x) and len(x) == 1:
            return finish(self._by_own_weights(x, styles, scale, bias, noise))
        x = self._convolved(modulate(x, styles), self.weight, self.kernels)
        scale, bias = scale[:, :, None, None].to(x.dtype), bias[:, None, None]
        if noise is not None:
            x = torch.addcmul(noise, x, scale).add_(bias)
        else:
            x = torch.addcmul(bias, x, scale)
        return finish(x)

    def _convolved(
        self,
        x: Tensor,
        weight: Tensor,
        kernels: tuple[Tensor, ...] | None,
        bias: Tensor | None = None,
        onto: Tensor | None = None,
    ) -> Tensor:
        if self.upsample:
            return conv_upsample_fir(x, weight, self.resample_filter, kernels, bias, onto)
        return convolve(x, weight, bias, padding=1, transformed=self.transformed, onto=onto)

    def draws_alone(self, x: Tensor) -> bool:
        """Whether each of these maps (N, in_channels, H, W) is better drawn by itself.

        Then its weights are modulated, not the maps before and after: fewer passes over large
        maps, which stay in cache if there are no others. It is for drawing: a gradient would have
        to come back through every picture's weights.
        """
        if self.energy is None or x.dtype != torch.bfloat16 or x.device.type != "cpu":
            return False
        if torch.compiler.is_compiling():  # fuses those passes, and more of them
            return False
        pixels = x[0, 0].numel() * (4 if self.upsample else 1)
        return pixels * sum(self.weight.shape[:2]) > 4 * self.weight.numel()

    def _by_own_weights(
        self, x: Tensor, styles: Tensor, scale: Tensor, bias: Tensor, noise: Tensor | None
    ) -> Tensor:
        """What comes before the activation, of one picture: the convolution is added to the noise.

        Source: Karras et al. 2020 (StyleGAN2), Section 2.2, Eq. 1 and 3 as they stand.
        """
        # products in float32, as the factors are, rounded once
        weight = self.weight * styles.float()[0, :, None, None] * scale[0, :, None, None, None]
        weight = weight.to(x.dtype, memory_format=torch.channels_last)
        if noise is None:
            return self._convolved(x, weight, None, bias)
        size = 1, len(self.weight), *noise.shape[2:]
        onto = torch.empty(
            size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last
        ).copy_(noise)
        return self._convolved(x, weight, None, bias, onto=onto)


class ToRGB(nn.Module):
    """Maps to image channels, modulated but not demodulated."""

    def __init__(
        self, in_channels: int, image_channels: int, *, w_dim: int, clamp: float | None
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(image_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(image_channels))
        self.weight_scale = 1 / math.sqrt(in_channels)
        self.clamp = clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, in_channels, H, W) and (N, w_dim) to (N, image_channels, H, W), float32."""
        styles = self.affine(w) * self.weight_scale
        # weights of each picture's own, (N, image_channels, in_channels): maps are read once
        weights = styles[:, None].float() * self.weight.flatten(start_dim=1)
        image = _by_pixel(x, weights, self.bias)
        return activate(image, "linear", clamp=self.clamp).float()


def _by_pixel(x: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """(N, I, H, W) by each picture's weights (N, O, I), and a bias (O,), to (N, O, H, W)."""
    n, channels, height, width = x.shape
    if n == 1:
        return convolve(x, weights[0, :, :, None, None], bias)
    dtype = working_dtype(x)
    pixels = x.to(dtype).permute(0, 2, 3, 1).reshape(n, height * width, channels)
    with torch.autocast(x.device.type, enabled=False):
        y = torch.baddbmm(bias.to(dtype), pixels, weights.to(dtype).transpose(1, 2))
    return y.reshape(n, height, width, -1).permute(0, 3, 1, 2)


class DemodulatedBlock(nn.Module):
    """The layers of one resolution, and its way to the image.

    Layers: [conv0, which doubles the side,] conv1, [torgb]; the 4² block starts from ``const``.
    """

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        side: int,
        *,
        w_dim: int,
        image_channels: int,
        is_last: bool,
        config: DemodulatedConfig,
    ) -> None:
        super().__init__()
        self.architecture = config.architecture
        if in_channels is None:
            self.const = nn.Parameter(torch.randn(out_channels, side, side))
        else:
            self.conv0 = DemodulatedLayer(
                in_channels, out_channels, side, w_dim=w_dim, upsample=True, config=config
            )
        self.conv1 = DemodulatedLayer(
            out_channels, out_channels, side, w_dim=w_dim, upsample=False, config=config
        )
        self.is_first = in_channels is None
        self.has_torgb = is_last or config.architecture == "skip"
        if self.has_torgb:
            self.torgb = ToRGB(out_channels, image_channels, w_dim=w_dim, clamp=config.conv_clamp)
        self.has_skip = in_channels is not None and config.architecture == "resnet"
        if in_channels is not None and config.architecture == "resnet":
            self.skip = EqualizedConv2d(in_channels, out_channels, 1, bias=False)
        kernel = fir_kernel(config.resample_filter)
        self.register_buffer("resample_filter", kernel, persistent=False)

    def draws_alone(self, x: Tensor) -> bool:
        """See `DemodulatedLayer.draws_alone`, of the layer that ``x`` comes to first."""
        return (self.conv1 if self.is_first else self.conv0).draws_alone(x)

    def forward(
        self, x: Tensor, image: Tensor | None, ws: Tensor, noise: Sequence[Tensor | None]
    ) -> tuple[Tensor, Tensor | None]:
        """Run the block.

        Args:
            x: (N, in_channels, side / 2, side / 2); in the 4² block (N, out_channels, 4, 4).
            image: (N, image_channels, side / 2, side / 2), what earlier blocks made of it.
            ws: (N, 1 or 2 [+ 1], w_dim): for conv0, conv1 and torgb.
            noise: one entry a convolution, see `DemodulatedLayer`.

        Returns:
            The maps (N, out_channels, side, side), and the image so far or None.
        """
        w = iter(ws.unbind(dim=1))
        maps = iter(noise)
        if self.has_skip:
            y = fir_upsample(self.skip(x), self.resample_filter)
            x = self.conv0(x, next(w), next(maps))
            x = self.conv1(x, next(w), next(maps), gain=math.sqrt(0.5))
            x = torch.add(x, y, alpha=math.sqrt(0.5))
        else:
            if not self.is_first:
                x = self.conv0(x, next(w), next(maps))
            x = self.conv1(x, next(w), next(maps))
        if image is not None:
            image = fir_upsample(image, self.resample_filter)
        if self.has_torgb:
            rgb = self.torgb(x, next(w))
            image = rgb if image is None else image + rgb
        return x, image


class DemodulatedSynthesis(nn.Module):
    """ws to image.

    ``b{side}`` is the block of that side. A block's torgb shares its w with the next block's
    first layer.
    """

    def __init__(
        self, config: DemodulatedConfig, *, resolution: int, image_channels: int, w_dim: int
    ) -> None:
        super().__init__()
        self.sides = tuple(4 * 2**k for k in range(len(config.channels)))
        assert self.sides[-1] == resolution
        self.num_ws = 2 * len(self.sides)
        for k, side in enumerate(self.sides):
            block = DemodulatedBlock(
                config.channels[k - 1] if k > 0 else None,
                config.channels[k],
                side,
                w_dim=w_dim,
                image_channels=image_channels,
                is_last=side == resolution,
                config=config,
            )
            setattr(self, f"b{side}", block)

    @property
    def blocks(self) -> list[DemodulatedBlock]:
        """The blocks from 4² up."""
        return [getattr(self, f"b{side}") for side in self.sides]

    @property
    def const_noise(self) -> list[Tensor]:
        """The stored noise maps, (1, 1, H, W) a layer; empty in a network without noise."""
        convolutions = [m for m in self.modules() if isinstance(m, DemodulatedLayer)]
        return [m.noise_const[None, None] for m in convolutions if hasattr(m, "noise_const")]

    @property
    def noise_layers(self) -> tuple[int, ...]:
        """The layer of ws that each noise layer belongs to."""
        return tuple(range(len(self.const_noise)))

    @property
    def block_layers(self) -> tuple[tuple[int, ...], ...]:
        """The layers of ws that each block owns, from 4² up; the last ToRGB's go to its block."""
        layers = [(0,), *((2 * k - 1, 2 * k) for k in range(1, len(self.sides)))]
        layers[-1] = (*layers[-1], self.num_ws - 1)
        return tuple(layers)

    def forward(self, ws: Tensor, noise: Noise = "const") -> Tensor:
        """Make images.

        Args:
            ws: (N, num_ws, w_dim).
            noise: see `noise.noise_maps`.

        Returns:
            (N, image_channels, resolution, resolution), float32, nominally in [-1, 1].
        """
        maps = noise_maps(noise, self.const_noise, len(ws)) or [None] * (2 * len(self.sides) - 1)
        const = self.blocks[0].const
        ws = ws.to(const.dtype)
        x = const.to(working_dtype(const)).expand(len(ws), -1, -1, -1)
        x = x.contiguous(memory_format=torch.channels_last)
        return self._grow(x, None, ws, maps, first=0)

    def _grow(
        self,
        x: Tensor,
        image: Tensor | None,
        ws: Tensor,
        noise: Sequence[Tensor | None],
        *,
        first: int,
    ) -> Tensor:
        """Run the blocks from number ``first`` on, whose inputs are given; to the image."""
        blocks = self.blocks
        for k in range(first, len(blocks)):
            if len(x) > 1 and blocks[k].draws_alone(x):
                pictures = []
                for n in range(len(x)):
                    one = slice(n, n + 1)
                    own = [m if m is None or len(m) == 1 else m[one] for m in noise]
                    so_far = None if image is None else image[one]
                    pictures.append(self._grow(x[one], so_far, ws[one], own, first=k))
                return torch.cat(pictures)
            start = max(2 * k - 1, 0)
            x, image = blocks[k](x, image, ws[:, start : 2 * k + 2], noise[start : 2 * k + 1])
        assert image is not None  # the last block has a torgb
        return image
