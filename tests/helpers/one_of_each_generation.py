"""A small generator of each generation, 16² pictures, latents of 8."""

from __future__ import annotations

from typing import Any

from wspace.networks.build import build_generator
from wspace.networks.config import (
    AdaINConfig,
    AliasFreeConfig,
    DemodulatedConfig,
    GeneratorConfig,
    MappingConfig,
)
from wspace.networks.generator import Generator

SYNTHESES: dict[str, Any] = {
    "adain": AdaINConfig(channels=(8, 8, 4)),
    "demodulated": DemodulatedConfig(channels=(8, 8, 4)),
    "alias-free": AliasFreeConfig(channel_base=64, channel_max=8, num_layers=4, margin_size=2),
}


def make_generator(architecture: Any) -> Generator:
    """The one whose synthesis is that of `SYNTHESES`, with random weights, for use."""
    config = GeneratorConfig(
        architecture=architecture,
        resolution=16,
        z_dim=8,
        w_dim=8,
        mapping=MappingConfig(num_layers=2),
        synthesis=SYNTHESES[architecture],
    )
    return build_generator(config).eval()
