"""Small generators of each generation, 16² pictures, latents of 8."""

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

KINDS: dict[str, Any] = {
    "adain": AdaINConfig(channels=(8, 8, 4)),
    "demodulated": DemodulatedConfig(channels=(8, 8, 4)),
    "resnet": DemodulatedConfig(channels=(8, 8, 4), architecture="resnet"),
    "alias-free": AliasFreeConfig(channel_base=64, channel_max=8, num_layers=4, margin_size=2),
}
GENERATIONS = ("adain", "demodulated", "alias-free")


def make_generator(kind: str) -> Generator:
    """One of a kind in `KINDS`, with random weights, for use."""
    config = GeneratorConfig(
        architecture="demodulated" if kind == "resnet" else kind,  # type: ignore[arg-type]
        resolution=16,
        z_dim=8,
        w_dim=8,
        mapping=MappingConfig(num_layers=2),
        synthesis=KINDS[kind],
    )
    return build_generator(config).eval()
