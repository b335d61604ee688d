"""Noise maps that draw what a w alone does not: fine detail, in its place.

Source: Abdal et al. 2020 (Image2StyleGAN++), Section 3: noise after w, which stays then. That they
stay noise: Karras et al. 2020 (StyleGAN2), Appendix D, the noise regularisation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.networks.generator import Generator
from wspace.recipe.noise_maps import MAX_NOISE, map_to_text
from wspace.recipe.recipe import NoiseSettings

__all__ = ["correlation", "noise_settings", "normalised", "start_maps"]

SMALLEST = 8  # side of the coarsest scale that correlations are looked for in


def start_maps(generator: Generator, count: int) -> list[Tensor]:
    """The model's own maps, for each of ``count`` pictures: (count, 1, H, W) a noise layer."""
    return [stored.float().expand(count, -1, -1, -1).clone() for stored in generator.const_noise]


def normalised(noise: Tensor) -> Tensor:
    """Maps (N, 1, H, W) moved and scaled to mean 0 and variance 1 each."""
    deviation, mean = torch.std_mean(noise, dim=(2, 3), keepdim=True, correction=0)
    return (noise - mean) / (deviation + 1e-8)


def correlation(noise: Tensor) -> Tensor:
    """How much neighbours in maps are alike, at every scale down to 8²: 0 on average for noise.

    Args:
        noise: (N, 1, H, W), of variance 1.

    Returns:
        (N,), >= 0.
    """
    total = noise.new_zeros(len(noise))
    while True:
        for dim in (2, 3):
            alike = (noise * noise.roll(1, dims=dim)).mean(dim=(1, 2, 3))
            total = total + alike.square()
        if min(noise.shape[2:]) <= SMALLEST:
            return total
        noise = F.avg_pool2d(noise, 2) * 2  # of variance 1 again, where it is noise


def noise_settings(generator: Generator, maps: list[Tensor]) -> list[NoiseSettings]:
    """Maps (N, 1, H, W) a noise layer, as the settings of N recipes; rounded to float16."""
    made = []
    bounded = [one.detach().clamp(-MAX_NOISE, MAX_NOISE).cpu().numpy() for one in maps]
    for number in range(len(bounded[0])):
        texts: list[str | None] = [None] * generator.num_ws
        for layer, one in zip(generator.noise_layers, bounded, strict=True):
            texts[layer] = map_to_text(one[number, 0])
        made.append(NoiseSettings(mode="given", maps=tuple(texts)))
    return made
