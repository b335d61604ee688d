"""Named configurations: a generator, its discriminator, and what they are for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from wspace.errors import WspaceError, shown
from wspace.networks.config import (
    AdaINConfig,
    DemodulatedConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
    ProjectedConfig,
    channels_per_block,
)
from wspace.sizes import Resolution, Size, size_of

__all__ = ["PRESETS", "Preset", "preset", "projected_discriminator"]


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named pair of network configurations, made for a resolution and a number of classes."""

    name: str
    purpose: str
    make: Callable[[Resolution, int, int], tuple[GeneratorConfig, DiscriminatorConfig]]


# Width of the hidden layers between z and w in StyleGAN1's presets, however narrow z and w are:
# they have to tell kinds of images apart.
MAPPING_WIDTH = 512


def _adain(
    *, base: int, maximum: int, dim: int, layers: int, mapping_width: int = MAPPING_WIDTH
) -> Callable[[Resolution, int, int], tuple[GeneratorConfig, DiscriminatorConfig]]:
    def make(
        resolution: Resolution, num_classes: int, image_channels: int
    ) -> tuple[GeneratorConfig, DiscriminatorConfig]:
        channels = channels_per_block(resolution, base, maximum)
        generator = GeneratorConfig(
            architecture="adain",
            resolution=resolution,
            image_channels=image_channels,
            z_dim=dim,
            w_dim=dim,
            num_classes=num_classes,
            mapping=MappingConfig(
                num_layers=layers, hidden_dim=mapping_width, class_means=num_classes > 0
            ),
            synthesis=AdaINConfig(channels=channels),
        )
        discriminator = DiscriminatorConfig(
            architecture="adain",
            resolution=resolution,
            image_channels=image_channels,
            num_classes=num_classes,
            channels=channels,
            hidden_dim=min(base // 2, maximum),
        )
        return generator, discriminator

    return make


def _stylegan2(
    resolution: Resolution, num_classes: int, image_channels: int
) -> tuple[GeneratorConfig, DiscriminatorConfig]:
    base = 32768 if size_of(resolution).square_side >= 512 else 16384
    channels = channels_per_block(resolution, base, 512)
    mapping = {"weight_gain": 1.0, "activation_gain": math.sqrt(2), "class_input": "embed"}
    generator = GeneratorConfig(
        architecture="demodulated",
        resolution=resolution,
        image_channels=image_channels,
        num_classes=num_classes,
        mapping=MappingConfig(
            num_layers=8,
            class_means=num_classes > 0,
            **mapping,  # type: ignore[arg-type]
        ),
        synthesis=DemodulatedConfig(channels=channels),
    )
    discriminator = DiscriminatorConfig(
        architecture="demodulated",
        resolution=resolution,
        image_channels=image_channels,
        num_classes=num_classes,
        channels=channels,
        block_architecture="resnet",
        resample_filter=(1.0, 3.0, 3.0, 1.0),
        mapping=(
            MappingConfig(num_layers=8, w_avg_beta=None, **mapping)  # type: ignore[arg-type]
            if num_classes
            else None
        ),
    )
    return generator, discriminator


PRESETS = {
    entry.name: entry
    for entry in (
        Preset(
            name="small",
            purpose="minutes on two CPU cores: at most 128 channels, half as many from 16² on",
            make=_adain(base=1024, maximum=128, dim=128, layers=8, mapping_width=256),
        ),
        Preset(
            name="compact",
            purpose="laptops and two CPU cores: at most 128 channels, w of 256",
            make=_adain(base=2048, maximum=128, dim=256, layers=8),
        ),
        Preset(
            name="medium",
            purpose="many CPU cores or a small GPU: at most 256 channels, w of 256",
            make=_adain(base=8192, maximum=256, dim=256, layers=8),
        ),
        Preset(
            name="paper",
            purpose="the network of the StyleGAN paper, 26 million parameters: a GPU",
            make=_adain(base=16384, maximum=512, dim=512, layers=8),
        ),
        Preset(
            name="stylegan2",
            purpose="demodulated skip generator and residual discriminator of StyleGAN2: a GPU",
            make=_stylegan2,
        ),
    )
}


def preset(
    name: str, *, resolution: Resolution, num_classes: int = 0, image_channels: int = 3
) -> tuple[GeneratorConfig, DiscriminatorConfig]:
    """The networks of a preset for a resolution.

    Args:
        name: a key of `PRESETS`.
        resolution: side of square images in pixels, or height and width, 8 to 1024 each: a power
            of two times a small block, see `Size.fits_networks`.
        num_classes: classes to tell apart; 0 for none.
        image_channels: 1 for grey pictures, 3 for red, green and blue, 4 with alpha.

    Raises:
        WspaceError: no such preset, or a resolution outside its range.
    """
    if name not in PRESETS:
        raise WspaceError(f"preset={name!r} is unknown: give one of {', '.join(PRESETS)}.")
    if not all(8 <= side <= 1024 for side in size_of(resolution)):
        raise WspaceError(
            f"resolution={shown(resolution)} is outside 8 to 1024: "
            "scale the pictures with `wspace data build`."
        )
    return PRESETS[name].make(resolution, num_classes, image_channels)


def projected_discriminator(
    *, resolution: Resolution, num_classes: int = 0, image_channels: int = 3
) -> ProjectedConfig:
    """A discriminator for any preset's generator that sees through a pretrained network.

    It sees images in the size that they have, or the next that it can see: larger ones cost more
    than they teach in the same time (benchmarks/RESULTS.md).

    Args:
        resolution: as in `preset`.
        num_classes: classes to tell apart; 0 for none.
        image_channels: 1, 3 or 4.
    """
    return ProjectedConfig(
        resolution=resolution,
        image_channels=image_channels,
        num_classes=num_classes,
        input_size=_input_size(size_of(resolution)),
        enlarged=False,
    )


def _input_size(size: Size) -> Size:
    """At most 256 pixels a side, and multiples of 32."""
    scale = min(1, 256 / max(size))
    height, width = (32 * math.ceil(side * scale / 32) for side in size)
    return Size(height, width)
