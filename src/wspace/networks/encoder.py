"""The encoder: pictures to the latents that would make them. It serves training alone.

Source: Larsen et al. 2016 (Autoencoding beyond pixels), Section 2.3; Kingma and Welling 2014.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wspace.networks.config import GeneratorConfig

__all__ = ["Encoder"]

_SMALLEST_SIDE = 4
_FIRST_WIDTH, _MAX_WIDTH = 32, 256
_LOG_VARIANCE = (-8.0, 2.0)  # beyond these nothing is learned that a picture would show
_FIRST_LOG_VARIANCE = -2.0  # small enough for z to say something from the first step on


class Encoder(nn.Module):
    """Images to a Gaussian over z each: convolutions that halve the side down to 4²."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, side, width = config.image_channels, config.resolution, _FIRST_WIDTH
        while side > _SMALLEST_SIDE:
            layers += [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            channels, side, width = width, side // 2, min(2 * width, _MAX_WIDTH)
        self.layers = nn.Sequential(*layers)
        self.gaussian = nn.Linear(channels * side**2, 2 * config.z_dim)
        with torch.no_grad():
            self.gaussian.bias[config.z_dim :] = _FIRST_LOG_VARIANCE

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Where in z the images lie.

        Args:
            images: (N, image_channels, resolution, resolution), in [-1, 1].

        Returns:
            Mean and logarithm of the variance of z, (N, z_dim) each, float32.
        """
        gaussian = self.gaussian(self.layers(images).flatten(start_dim=1)).float()
        mean, log_variance = gaussian.chunk(2, dim=1)
        return mean, log_variance.clamp(*_LOG_VARIANCE)
