"""A StyleGAN3 whose first w shifts its picture: what a drag should do to it is known."""

from __future__ import annotations

import torch

from wspace.networks.build import build_generator
from wspace.networks.config import AliasFreeConfig, GeneratorConfig, MappingConfig
from wspace.networks.generator import Generator

__all__ = ["SHIFT", "make_shifting_generator"]

SHIFT = 0.1  # image sides to the right a unit of w's first number; down, of its second


def make_shifting_generator(seed: int = 0) -> Generator:
    """32 pixels; layer 0 of ws shifts the whole picture, and does nothing else."""
    config = GeneratorConfig(
        architecture="alias-free",
        resolution=32,
        z_dim=4,
        w_dim=4,
        mapping=MappingConfig(num_layers=1),
        synthesis=AliasFreeConfig(channel_base=256, channel_max=16, num_layers=4, margin_size=4),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = build_generator(config)
    with torch.no_grad():
        weight = generator.synthesis.input.affine.weight  # type: ignore[union-attr]
        weight.zero_()
        weight[2, 0] = weight[3, 1] = SHIFT * 4**0.5  # equalised: divided by the root of w_dim
        generator.synthesis.output_scale = 1.0
    return generator.eval().requires_grad_(False)
