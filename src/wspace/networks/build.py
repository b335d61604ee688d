"""Networks from their configurations: the one place that knows which class makes which."""

from __future__ import annotations

from typing import Any

from torch import nn

from wspace.networks.config import (
    AdaINConfig,
    AliasFreeConfig,
    DemodulatedConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    ProjectedConfig,
)
from wspace.networks.generator import Generator
from wspace.networks.stylegan1.discriminator import Discriminator
from wspace.networks.stylegan1.synthesis import AdaINSynthesis
from wspace.networks.stylegan2.discriminator import DemodulatedDiscriminator
from wspace.networks.stylegan2.synthesis import DemodulatedSynthesis
from wspace.networks.stylegan3.synthesis import AliasFreeSynthesis

__all__ = ["build_discriminator", "build_generator"]


def build_generator(config: GeneratorConfig) -> Generator:
    """A freshly initialised generator of the generation that ``config`` names."""
    return Generator(config, _build_synthesis(config))


def build_discriminator(config: DiscriminatorConfig | ProjectedConfig) -> nn.Module:
    """A freshly initialised discriminator of the kind that ``config`` names.

    Raises:
        WspaceError: a projected one, and its pretrained network is not installed.
    """
    if isinstance(config, ProjectedConfig):
        from wspace.networks.projected import ProjectedDiscriminator  # for those who need it

        return ProjectedDiscriminator(config)
    if config.architecture == "adain":
        return Discriminator(config)
    return DemodulatedDiscriminator(config)


def _build_synthesis(config: GeneratorConfig) -> nn.Module:
    shared: dict[str, Any] = {
        "size": config.size,
        "image_channels": config.image_channels,
        "w_dim": config.w_dim,
    }
    match config.synthesis:
        case AdaINConfig():
            return AdaINSynthesis(config.synthesis, **shared)
        case DemodulatedConfig():
            return DemodulatedSynthesis(config.synthesis, **shared)
        case AliasFreeConfig():
            return AliasFreeSynthesis(config.synthesis, **shared)
