"""Synthesis of StyleGAN2: convolutions whose weights the style modulates and demodulates.

Source: Karras et al. 2020 (StyleGAN2), Figures 2 and 7. Tensors carry the names of the official
PyTorch release.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wspace.networks.config import DemodulatedConfig
from wspace.networks.features import FeatureMaps
from wspace.networks.layers import EqualizedConv2d, EqualizedLinear, activate, gain_around
from wspace.networks.noise import Noise, noise_maps
from wspace.networks.style_space import StyleOffsets, layer_offsets, shifted
from wspace.ops import choose
from wspace.ops.modulated import ModulatedConvolution, modulated_pixelwise
from wspace.ops.resample import fir_kernel, fir_upsample
from wspace.sizes import Size

__all__ = ["DemodulatedBlock", "DemodulatedLayer", "DemodulatedSynthesis", "ToRGB"]


class DemodulatedLayer(nn.Module):
    """One layer: modulated convolution [with upsampling], demodulation, noise, bias, activation."""

    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: Size,
        *,
        w_dim: int,
        upsample: bool,
        config: DemodulatedConfig,
    ) -> None:
        super().__init__()
        self.activation, self.clamp = config.activation, config.conv_clamp
        self.affine = EqualizedLinear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        if config.use_noise:
            self.noise_strength = nn.Parameter(torch.zeros([]))
            self.register_buffer("noise_const", torch.randn(*size))
        self.convolution = ModulatedConvolution(
            fir_kernel(config.resample_filter) if upsample else None
        )

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        noise: Tensor | None,
        offset: Tensor | None = None,
        *,
        gain: float = 1.0,
    ) -> Tensor:
        """Run the layer.

        Args:
            x: (N, in_channels, H, W).
            w: (N, w_dim), this layer's slice of ws.
            noise: (N or 1, 1, H', W'), or None to add none.
            offset: see `style_space.shifted`.
            gain: factor on the output.

        Returns:
            (N, out_channels, H', W'), H' = 2H and W' = 2W where it upsamples, H and W otherwise.
        """
        styles = shifted(self.affine(w), offset)
        before, after = gain_around(self.activation, gain)
        if noise is not None:
            noise = noise * (self.noise_strength * before)
        # modulate, convolve, demodulate, noise, bias
        x = self.convolution(
            x, self.weight, styles, gain=before, noise=noise, bias=self.bias * before
        )
        clamp = None if self.clamp is None else self.clamp * gain
        return activate(x, self.activation, gain=after, clamp=clamp, overwrite=True)


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

    def forward(self, x: Tensor, w: Tensor, offset: Tensor | None = None) -> Tensor:
        """(N, in_channels, H, W) and (N, w_dim) to (N, image_channels, H, W), float32."""
        styles = shifted(self.affine(w), offset) * self.weight_scale
        image = modulated_pixelwise(x, self.weight, styles, self.bias)
        return activate(image, "linear", clamp=self.clamp).float()


class DemodulatedBlock(nn.Module):
    """The layers of one resolution, and its way to the image.

    Layers: [conv0, which doubles the sides,] conv1, [torgb]; the first block starts from ``const``.
    """

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int | None,
        out_channels: int,
        size: Size,
        *,
        w_dim: int,
        image_channels: int,
        is_last: bool,
        config: DemodulatedConfig,
    ) -> None:
        super().__init__()
        self.architecture = config.architecture
        if in_channels is None:
            self.const = nn.Parameter(torch.randn(out_channels, *size))
        else:
            self.conv0 = DemodulatedLayer(
                in_channels, out_channels, size, w_dim=w_dim, upsample=True, config=config
            )
        self.conv1 = DemodulatedLayer(
            out_channels, out_channels, size, w_dim=w_dim, upsample=False, config=config
        )
        self.is_first = in_channels is None
        self.has_torgb = is_last or config.architecture == "skip"
        if self.has_torgb:
            self.torgb = ToRGB(out_channels, image_channels, w_dim=w_dim, clamp=config.conv_clamp)
        self.has_skip = in_channels is not None and config.architecture == "resnet"
        if in_channels is not None and config.architecture == "resnet":
            self.skip = EqualizedConv2d(in_channels, out_channels, 1, bias=False)
        self.num_styles = 2 - self.is_first + self.has_torgb
        kernel = fir_kernel(config.resample_filter)
        self.register_buffer("resample_filter", kernel, persistent=False)

    @property
    def first_layer(self) -> DemodulatedLayer:
        """The layer that the block's maps come to first."""
        return self.conv1 if self.is_first else self.conv0

    def forward(
        self,
        x: Tensor,
        image: Tensor | None,
        ws: Tensor,
        noise: Sequence[Tensor | None],
        offsets: Sequence[Tensor | None] = (None, None, None),
    ) -> tuple[Tensor, Tensor | None]:
        """Run the block.

        Args:
            x: (N, in_channels, H / 2, W / 2); in the first block (N, out_channels, H, W).
            image: (N, image_channels, H / 2, W / 2), what earlier blocks made of it.
            ws: (N, 1 or 2 [+ 1], w_dim): for conv0, conv1 and torgb.
            noise: one entry a convolution, see `DemodulatedLayer`.
            offsets: one entry a style, see `style_space.shifted`.

        Returns:
            The maps (N, out_channels, H, W), and the image so far, (N, image_channels, H, W), or
            None.
        """
        w = iter(ws.unbind(dim=1))
        maps, shifts = iter(noise), iter(offsets)
        if self.has_skip:
            y = fir_upsample(self.skip(x), self.resample_filter)
            x = self.conv0(x, next(w), next(maps), next(shifts))
            x = self.conv1(x, next(w), next(maps), next(shifts), gain=math.sqrt(0.5))
            x = torch.add(x, y, alpha=math.sqrt(0.5))
        else:
            if not self.is_first:
                x = self.conv0(x, next(w), next(maps), next(shifts))
            x = self.conv1(x, next(w), next(maps), next(shifts))
        if image is not None:
            image = fir_upsample(image, self.resample_filter)
        if self.has_torgb:
            rgb = self.torgb(x, next(w), next(shifts))
            image = rgb if image is None else image + rgb
        return x, image


class DemodulatedSynthesis(nn.Module):
    """ws to image.

    ``b{side}`` is the block of that side; blocks are called as if the first was 4² where it is
    another (see `Size.block`). A block's torgb shares its w with the next block's first layer.
    """

    def __init__(
        self, config: DemodulatedConfig, *, size: Size, image_channels: int, w_dim: int
    ) -> None:
        super().__init__()
        self.size = size
        self.sides = tuple(4 * 2**k for k in range(size.doublings + 1))
        self.num_ws = 2 * len(self.sides)
        for k, side in enumerate(self.sides):
            block = DemodulatedBlock(
                config.channels[k - 1] if k > 0 else None,
                config.channels[k],
                size.halved(size.doublings - k),
                w_dim=w_dim,
                image_channels=image_channels,
                is_last=k == size.doublings,
                config=config,
            )
            setattr(self, f"b{side}", block)

    @property
    def blocks(self) -> list[DemodulatedBlock]:
        """The blocks, smallest first."""
        return [getattr(self, f"b{side}") for side in self.sides]

    @property
    def num_styles(self) -> int:
        """Styles of all blocks."""
        return sum(block.num_styles for block in self.blocks)

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
    def affine_layers(self) -> tuple[tuple[int, EqualizedLinear], ...]:
        """What makes styles of w, each with the layer of ws that it takes."""
        found: list[tuple[int, EqualizedLinear]] = []
        for k, block in enumerate(self.blocks):
            names = [name for name in ("conv0", "conv1", "torgb") if hasattr(block, name)]
            first = max(2 * k - 1, 0)
            found += [(first + i, getattr(block, name).affine) for i, name in enumerate(names)]
        return tuple(found)

    @property
    def feature_maps(self) -> tuple[FeatureMaps, ...]:
        """The maps that leave each block."""
        return tuple(
            FeatureMaps(layer=2 * k, size=self.size.halved(len(self.sides) - 1 - k), module=block)
            for k, block in enumerate(self.blocks)
        )

    @property
    def block_layers(self) -> tuple[tuple[int, ...], ...]:
        """The layers of ws that each block owns, smallest first; the last ToRGB's go to its own."""
        layers = [(0,), *((2 * k - 1, 2 * k) for k in range(1, len(self.sides)))]
        layers[-1] = (*layers[-1], self.num_ws - 1)
        return tuple(layers)

    def forward(
        self,
        ws: Tensor,
        noise: Noise = "const",
        *,
        update_emas: bool = False,
        style_offsets: StyleOffsets = None,
    ) -> Tensor:
        """Make images.

        Args:
            ws: (N, num_ws, w_dim).
            noise: see `noise.noise_maps`.
            update_emas: without effect: only StyleGAN3's synthesis keeps running means.
            style_offsets: see `style_space.layer_offsets`.

        Returns:
            (N, image_channels, height, width), float32, nominally in [-1, 1].
        """
        x, ws, maps = self.start(ws, noise)
        offsets = layer_offsets(style_offsets, self.num_styles)
        image: Tensor | None = None
        for k in range(len(self.sides)):
            x, image = self.run_block(k, x, image, ws, maps, offsets)
        assert image is not None  # the last block has a torgb
        return image

    def start(self, ws: Tensor, noise: Noise) -> tuple[Tensor, Tensor, list[Tensor | None]]:
        """What the first block takes.

        Args:
            ws: as in `forward`.
            noise: as in `forward`.

        Returns:
            The constant as maps (N, C, H, W), ws in the network's type, one noise map a layer.
        """
        batch = ws.shape[0]  # not len(ws): torch.export keeps it open
        maps = noise_maps(noise, self.const_noise, batch) or [None] * (2 * len(self.sides) - 1)
        const = self.blocks[0].const
        x = const.to(choose.working_dtype(const)).expand(batch, -1, -1, -1)
        return x.contiguous(memory_format=torch.channels_last), ws.to(const.dtype), maps

    def run_block(
        self,
        k: int,
        x: Tensor,
        image: Tensor | None,
        ws: Tensor,
        noise: Sequence[Tensor | None],
        offsets: Sequence[Tensor | None],
    ) -> tuple[Tensor, Tensor | None]:
        """Run block k with its share of ws, maps and offsets; see `DemodulatedBlock.forward`."""
        first = max(2 * k - 1, 0)  # its first layer
        last = 2 * k + 2
        block, style = self.blocks[k], sum(earlier.num_styles for earlier in self.blocks[:k])
        result: tuple[Tensor, Tensor | None] = block(
            x,
            image,
            ws[:, first:last],
            noise[first : last - 1],
            offsets[style : style + block.num_styles],
        )
        return result
