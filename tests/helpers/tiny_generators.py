"""Small generators whose pictures are made in no time."""

from __future__ import annotations

import torch

from wspace.networks.build import build_generator
from wspace.networks.config import AdaINConfig, GeneratorConfig, MappingConfig, num_blocks
from wspace.networks.generator import Generator
from wspace.sizes import Resolution


def make_tiny_generator(
    seed: int, *, num_classes: int = 0, resolution: Resolution = 16, image_channels: int = 3
) -> Generator:
    """A random AdaIN generator whose noise and w_avg are not zero."""
    config = GeneratorConfig(
        architecture="adain",
        resolution=resolution,
        image_channels=image_channels,
        z_dim=8,
        w_dim=8,
        num_classes=num_classes,
        mapping=MappingConfig(num_layers=2),
        synthesis=AdaINConfig(channels=(8, 8, 4, 4, 4)[: num_blocks(resolution)]),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = build_generator(config)
        with torch.no_grad():
            generator.w_avg.normal_(std=0.1)
            for name, parameter in generator.named_parameters():
                if name.endswith("noise_strength"):
                    parameter.normal_(std=0.2)
    return generator.eval().requires_grad_(False)
