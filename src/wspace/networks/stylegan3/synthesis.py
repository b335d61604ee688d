"""Synthesis of StyleGAN3: maps as band-limited signals, from Fourier features to the image.

Source: Karras et al. 2021 (StyleGAN3), Figure 4 and Appendices B, C, F. Tensors carry the names
of the official release.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.group import current
from wspace.networks.config import AliasFreeConfig
from wspace.networks.features import FeatureMaps
from wspace.networks.layers import EqualizedLinear
from wspace.networks.noise import Noise, noise_maps
from wspace.networks.style_space import StyleOffsets, layer_offsets, shifted
from wspace.ops import choose
from wspace.ops.filtered_lrelu import filtered_lrelu, lowpass_filter
from wspace.ops.modulated import demodulation, modulate
from wspace.sizes import Size

__all__ = [
    "AliasFreeLayer",
    "AliasFreeSynthesis",
    "FourierFeatures",
    "Signal",
    "layer_name",
    "layer_padding",
    "layer_signals",
]


@dataclass(frozen=True, kw_only=True)
class Signal:
    """What a layer's maps can carry; frequencies in cycles per image side."""

    channels: int
    size: int  # side of the maps in samples, margins included
    rate: int  # samples per image side
    cutoff: float
    half_width: float  # of the transition band


def layer_signals(
    config: AliasFreeConfig, *, resolution: int, image_channels: int
) -> tuple[Signal, ...]:
    """The signal that leaves each layer, ToRGB last; what enters layer 0 is as it leaves it.

    Source: Karras et al. 2021 (StyleGAN3), Section 3.2, Figure 4c and Appendix C.1.
    """
    last = config.num_layers
    last_cutoff = resolution / 2
    last_stopband = last_cutoff * config.last_stopband_rel
    signals = []
    for i in range(last + 1):
        exponent = min(i / (last - config.num_critical), 1)
        cutoff = config.first_cutoff * (last_cutoff / config.first_cutoff) ** exponent
        stopband = config.first_stopband * (last_stopband / config.first_stopband) ** exponent
        rate = 2 ** math.ceil(math.log2(min(2 * stopband, resolution)))
        channels = round(min(config.channel_base / 2 / cutoff, config.channel_max))
        signals.append(
            Signal(
                channels=image_channels if i == last else channels,
                size=resolution if i >= last - 1 else rate + 2 * config.margin_size,
                rate=rate,
                cutoff=cutoff,
                half_width=max(stopband, rate / 2) - cutoff,
            )
        )
    return tuple(signals)


def layer_name(index: int, signal: Signal) -> str:
    """The official name of a layer: its number, and size and channels of what leaves it."""
    return f"L{index}_{signal.size}_{signal.channels}"


def layer_padding(
    in_size: int, out_size: int, *, kernel: int, up: int, down: int, up_taps: int, down_taps: int
) -> tuple[int, int]:
    """Zeros before and after the enlarged maps that make a layer's output the right size."""
    total = (out_size - 1) * down + 1 - (in_size + kernel - 1) * up + up_taps + down_taps - 2
    before = (total + up) // 2
    return before, total - before


class FourierFeatures(nn.Module):
    """The input: waves of fixed random frequencies, turned and shifted as w asks.

    ``transform`` (3, 3) is the inverse of a transform that a user applies to the image plane.
    Stays in float32, whatever the precision of the network: the waves' phases need it.

    Source: Karras et al. 2021 (StyleGAN3), Section 3.2 and Appendix F.
    """

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, signal: Signal, w_dim: int) -> None:
        super().__init__()
        self.signal = signal
        direction = torch.randn(signal.channels, 2)
        radius = direction.square().sum(dim=1, keepdim=True).sqrt()
        # uniform in the disc of the bandwidth
        freqs = direction / radius * (-radius.square() / 4).exp() * signal.cutoff
        self.register_buffer("freqs", freqs)
        self.register_buffer("phases", torch.rand(signal.channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))
        self.weight = nn.Parameter(torch.randn(signal.channels, signal.channels))
        self.affine = EqualizedLinear(w_dim, 4)
        self.affine.weight = nn.Parameter(torch.zeros(4, w_dim))
        self.affine.bias = nn.Parameter(torch.eye(4)[0].clone())  # no turn, no shift

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        def move(tensor: Tensor) -> Tensor:
            moved = fn(tensor)
            return tensor.to(moved.device) if choose.is_half(moved.dtype) else moved

        super()._apply(move, recurse)  # type: ignore[no-untyped-call]
        return self

    def forward(self, w: Tensor, offset: Tensor | None = None) -> Tensor:
        """(N, w_dim) to (N, channels, size, size), float32; ``offset`` (N, 4) goes to the style."""
        with choose.without_autocast(w):
            return self._forward(w.to(self.affine.weight.dtype), offset)

    def _forward(self, w: Tensor, offset: Tensor | None) -> Tensor:
        signal = self.signal
        t = shifted(
            self.affine(w), offset
        )  # (N, 4): cosine and sine of the turn, shift right and down
        t = t / t[:, :2].norm(dim=1, keepdim=True)
        cosine, sine, right, down = t.unbind(dim=1)
        zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
        turn = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], dim=1)
        shift = torch.stack([one, zero, -right, zero, one, -down, zero, zero, one], dim=1)
        matrix = turn.view(-1, 3, 3) @ shift.view(-1, 3, 3) @ self.transform  # (N, 3, 3)
        phases = self.phases + (self.freqs @ matrix[:, :2, 2:]).squeeze(2)  # (N, C)
        freqs = self.freqs @ matrix[:, :2, :2]  # (N, C, 2)
        # waves that a transform pushes out of the band fade away
        excess = (freqs.norm(dim=2) - signal.cutoff) / (signal.rate / 2 - signal.cutoff)
        amplitudes = (1 - excess).clamp(0, 1)  # (N, C)
        steps = torch.arange(signal.size, device=w.device, dtype=freqs.dtype)
        position = (steps + 0.5 - signal.size / 2) / signal.rate  # the image spans -1/2 to 1/2
        across = position[:, None] * freqs[:, None, :, 0]  # (N, W, C)
        along = position[:, None] * freqs[:, None, :, 1] + phases[:, None]  # (N, H, C)
        waves = torch.sin((across[:, None] + along[:, :, None]) * (2 * math.pi))
        waves = waves * amplitudes[:, None, None]  # (N, H, W, C)
        mixed: Tensor = waves @ (self.weight / math.sqrt(signal.channels)).T
        return mixed.permute(0, 3, 1, 2)


class AliasFreeLayer(nn.Module):
    """One layer: modulated convolution, bias, filtered leaky ReLU; or ToRGB, which is linear."""

    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(
        self,
        before: Signal,
        after: Signal,
        *,
        w_dim: int,
        is_torgb: bool,
        is_critical: bool,
        config: AliasFreeConfig,
    ) -> None:
        super().__init__()
        self.is_torgb = is_torgb
        self.clamp, self.magnitude_ema_beta = config.conv_clamp, config.magnitude_ema_beta
        kernel = 1 if is_torgb else config.conv_kernel
        self.affine = EqualizedLinear(w_dim, before.channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(after.channels, before.channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after.channels))
        self.register_buffer("magnitude_ema", torch.ones([]))
        rate = max(before.rate, after.rate) * (1 if is_torgb else config.lrelu_upsampling)
        self.up, self.down = rate // before.rate, rate // after.rate
        up_taps, down_taps = (
            config.filter_size * factor if factor > 1 and not is_torgb else 1
            for factor in (self.up, self.down)
        )

        def design(taps: int, signal: Signal, *, radial: bool = False) -> Tensor | None:
            if taps == 1:
                return None
            width = 2 * signal.half_width
            return lowpass_filter(taps, cutoff=signal.cutoff, width=width, rate=rate, radial=radial)

        radial = config.use_radial_filters and not is_critical
        self.register_buffer("up_filter", design(up_taps, before), persistent=False)
        self.register_buffer(
            "down_filter", design(down_taps, after, radial=radial), persistent=False
        )
        first, last = layer_padding(
            before.size,
            after.size,
            kernel=kernel,
            up=self.up,
            down=self.down,
            up_taps=up_taps,
            down_taps=down_taps,
        )
        self.padding = (first, last, first, last)

    def forward(
        self, x: Tensor, w: Tensor, offset: Tensor | None = None, *, update_emas: bool = False
    ) -> Tensor:
        """Run the layer.

        Args:
            x: (N, C, H, W), what the layer before made.
            w: (N, w_dim), this layer's slice of ws.
            offset: see `style_space.shifted`.
            update_emas: move the running mean of the input's magnitude a step towards this batch.

        Returns:
            (N, C', H', W').
        """
        if update_emas:
            self._track_magnitude(x)
        weight: Tensor = self.weight
        styles: Tensor = shifted(self.affine(w), offset).float()
        scale: Tensor | None = None
        if self.is_torgb:
            styles = styles / math.sqrt(weight.shape[1])
        else:
            weight = _with_unit_mean_square(weight, dim=(1, 2, 3))
            styles = _with_unit_mean_square(styles, dim=1)
            scale = demodulation(weight, styles)[:, :, None, None]
        x = modulate(x, styles * self.magnitude_ema.float().rsqrt())
        x = F.conv2d(x, weight.to(x.dtype), padding=weight.shape[2] - 1)
        bias = self.bias[:, None, None].to(x.dtype)
        x = x + bias if scale is None else torch.addcmul(bias, x, scale.to(x.dtype))
        return filtered_lrelu(
            x,
            self.up_filter,
            self.down_filter,
            up=self.up,
            down=self.down,
            padding=self.padding,
            gain=1.0 if self.is_torgb else math.sqrt(2),
            slope=1.0 if self.is_torgb else 0.2,
            clamp=self.clamp,
        )

    @torch.no_grad()
    def _track_magnitude(self, x: Tensor) -> None:
        """Move the running mean of the input's square a step; what is not finite leaves it."""
        magnitude = current().mean(x.detach().float().square().mean(), "magnitudes of maps")
        moved = magnitude.lerp(self.magnitude_ema, self.magnitude_ema_beta)
        self.magnitude_ema.copy_(torch.where(magnitude.isfinite(), moved, self.magnitude_ema))


def _with_unit_mean_square(x: Tensor, dim: int | tuple[int, ...]) -> Tensor:
    return x * x.float().square().mean(dim=dim, keepdim=True).rsqrt()


class AliasFreeSynthesis(nn.Module):
    """ws to image: the first w turns and shifts the input, each other one belongs to a layer."""

    def __init__(
        self, config: AliasFreeConfig, *, size: Size, image_channels: int, w_dim: int
    ) -> None:
        super().__init__()
        assert size.height == size.width  # the configuration has checked it
        signals = layer_signals(config, resolution=size.height, image_channels=image_channels)
        self.signals = signals
        self.num_ws = config.num_layers + 2
        self.output_scale = config.output_scale
        self.input = FourierFeatures(signals[0], w_dim)
        self.layer_names = [layer_name(i, signal) for i, signal in enumerate(signals)]
        for i, name in enumerate(self.layer_names):
            layer = AliasFreeLayer(
                signals[max(i - 1, 0)],
                signals[i],
                w_dim=w_dim,
                is_torgb=i == config.num_layers,
                is_critical=i >= config.num_layers - config.num_critical,
                config=config,
            )
            setattr(self, name, layer)

    @property
    def layers(self) -> list[AliasFreeLayer]:
        """The layers, ToRGB last."""
        return [getattr(self, name) for name in self.layer_names]

    @property
    def const_noise(self) -> list[Tensor]:
        """Empty: StyleGAN3 has no noise inputs."""
        return []

    @property
    def noise_layers(self) -> tuple[int, ...]:
        """Empty: StyleGAN3 has no noise inputs."""
        return ()

    @property
    def affine_layers(self) -> tuple[tuple[int, EqualizedLinear], ...]:
        """What makes styles of w, each with the layer of ws that it takes."""
        made = [(i + 1, layer.affine) for i, layer in enumerate(self.layers)]
        return ((0, self.input.affine), *made)

    @property
    def feature_maps(self) -> tuple[FeatureMaps, ...]:
        """The maps that leave each layer but ToRGB."""
        found = []
        for i, (layer, signal) in enumerate(zip(self.layers[:-1], self.signals, strict=False)):
            side = min(signal.rate, signal.size)
            margin = (signal.size - side) // 2
            found.append(
                FeatureMaps(layer=i + 1, size=Size(side, side), margin=margin, module=layer)
            )
        return tuple(found)

    @property
    def block_layers(self) -> tuple[tuple[int, ...], ...]:
        """Empty: StyleGAN3 has layers, not blocks."""
        return ()

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
            noise: a mode or an empty list, without effect.
            update_emas: move each layer's running mean of its input's magnitude a step towards
                this batch. Training does so where the discriminator learns from the images.
            style_offsets: see `style_space.layer_offsets`.

        Returns:
            (N, image_channels, height, width), float32, nominally in [-1, 1].
        """
        noise_maps(noise, self.const_noise, ws.shape[0])
        layers = self.layers
        offsets = layer_offsets(style_offsets, self.num_ws)
        x: Tensor = self.input(ws[:, 0], offsets[0]).to(layers[0].weight.dtype)
        ws = ws.to(x.dtype)
        for i, layer in enumerate(layers):
            x = layer(x, ws[:, i + 1], offsets[i + 1], update_emas=update_emas)
        return x.float() * self.output_scale
