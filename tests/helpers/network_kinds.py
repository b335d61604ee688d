"""Small generators of every kind that wspace has, with random weights: what export has to know."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from wspace.networks.build import build_generator
from wspace.networks.config import (
    AdaINConfig,
    AliasFreeConfig,
    DemodulatedConfig,
    GeneratorConfig,
    MappingConfig,
    num_blocks,
)
from wspace.networks.generator import Generator
from wspace.sizes import Resolution

_STYLEGAN2 = MappingConfig(
    num_layers=2, weight_gain=1.0, activation_gain=math.sqrt(2), class_input="embed"
)


def _adain(
    *, resolution: Resolution = 16, mapping: MappingConfig | None = None, **options: Any
) -> GeneratorConfig:
    own = {name: options.pop(name) for name in ("image_channels", "num_classes") if name in options}
    return GeneratorConfig(
        architecture="adain",
        resolution=resolution,
        z_dim=8,
        w_dim=12,
        mapping=mapping or MappingConfig(num_layers=2, hidden_dim=16, class_means=True),
        synthesis=AdaINConfig(channels=(12, 8, 8, 4)[: num_blocks(resolution)], **options),
        **own,
    )


def _demodulated(*, resolution: Resolution = 16, **options: Any) -> GeneratorConfig:
    own = {name: options.pop(name) for name in ("image_channels", "num_classes") if name in options}
    return GeneratorConfig(
        architecture="demodulated",
        resolution=resolution,
        z_dim=8,
        w_dim=12,
        mapping=_STYLEGAN2,
        synthesis=DemodulatedConfig(channels=(12, 8, 8, 4)[: num_blocks(resolution)], **options),
        **own,
    )


def _alias_free(**options: Any) -> GeneratorConfig:
    own = {name: options.pop(name) for name in ("image_channels", "num_classes") if name in options}
    synthesis = {
        "channel_base": 256,
        "channel_max": 12,
        "num_layers": 4,
        "num_critical": 1,
        "margin_size": 4,
        "last_stopband_rel": 2**0.3,
    }
    return GeneratorConfig(
        architecture="alias-free",
        resolution=16,
        z_dim=8,
        w_dim=12,
        mapping=_STYLEGAN2,
        synthesis=AliasFreeConfig(**{**synthesis, **options}),
        **own,
    )


KINDS: dict[str, Callable[[], GeneratorConfig]] = {
    "adain": _adain,
    "adain, grey, wide": lambda: _adain(image_channels=1, resolution=(12, 20)),
    "adain, alpha": lambda: _adain(image_channels=4),
    "adain, classes": lambda: _adain(num_classes=3),
    "adain, embedded classes": lambda: _adain(num_classes=3, mapping=_STYLEGAN2),
    "adain, z as it is": lambda: _adain(
        num_classes=3, mapping=MappingConfig(num_layers=1, normalize_z=False)
    ),
    "adain, no blur": lambda: _adain(blur_filter=None, activation="relu"),
    "adain, long blur": lambda: _adain(blur_filter=(1.0, 3.0, 3.0, 1.0)),
    "adain, pixel norm": lambda: _adain(pixel_norm=True, instance_norm=False),
    "adain, growing": lambda: _adain(lod=0.25),
    "adain, at half size": lambda: _adain(lod=1.0),
    "demodulated": _demodulated,
    "demodulated, grey, tall": lambda: _demodulated(image_channels=1, resolution=(24, 16)),
    "demodulated, alpha, classes": lambda: _demodulated(image_channels=4, num_classes=3),
    "demodulated, resnet": lambda: _demodulated(architecture="resnet", conv_clamp=0.7),
    "demodulated, orig": lambda: _demodulated(architecture="orig", activation="swish"),
    "demodulated, no noise": lambda: _demodulated(use_noise=False, activation="elu"),
    "demodulated, no filter": lambda: _demodulated(resample_filter=None, activation="tanh"),
    "demodulated, two taps": lambda: _demodulated(resample_filter=(1.0, 1.0), activation="selu"),
    "demodulated, odd taps": lambda: _demodulated(
        resample_filter=(1.0, 2.0, 1.0), activation="softplus"
    ),
    "demodulated, long filter": lambda: _demodulated(
        resample_filter=(1.0, 2.0, 3.0, 4.0, 4.0, 3.0, 2.0, 1.0), activation="relu"
    ),
    "demodulated, sigmoid": lambda: _demodulated(activation="sigmoid", architecture="resnet"),
    "demodulated, linear": lambda: _demodulated(activation="linear"),
    "alias-free, t": _alias_free,
    "alias-free, r": lambda: _alias_free(conv_kernel=1, use_radial_filters=True),
    "alias-free, grey, classes": lambda: _alias_free(
        image_channels=1, num_classes=3, conv_clamp=None
    ),
    "alias-free, odd filters": lambda: _alias_free(filter_size=3, lrelu_upsampling=4),
    "alias-free, no oversampling": lambda: _alias_free(lrelu_upsampling=1, image_channels=4),
}


def generator_of_kind(kind: str, *, seed: int = 0) -> Generator:
    """A generator of a kind in `KINDS`: weights, biases, noise strengths and means are random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = build_generator(KINDS[kind]())
        with torch.no_grad():
            for name, tensor in [*generator.named_parameters(), *generator.named_buffers()]:
                if name.endswith(("bias", "w_avg")):
                    tensor.add_(torch.randn_like(tensor) * 0.1)
                elif name == "synthesis.const":  # flat, its deviation would be rounding alone
                    tensor.normal_()
                elif name.endswith("noise_strength"):
                    tensor.normal_(std=0.2)
                elif name.endswith("magnitude_ema"):
                    tensor.uniform_(0.5, 2)
                elif name.endswith("input.affine.weight"):
                    tensor.normal_(std=0.1)
                elif name.endswith("input.transform"):
                    tensor.add_(torch.randn_like(tensor) * 0.05)
    generator.name = "tiny"
    return generator.eval().requires_grad_(False)
