"""The encoder: pictures to the w that would make them. It serves training alone.

Source: Larsen et al. 2016 (Autoencoding beyond pixels), Section 2.3, here into W instead of z.
"""

from __future__ import annotations

from torch import Tensor, nn

from wspace.networks.config import GeneratorConfig

__all__ = ["Encoder"]

_SMALLEST_SIDE = 4
_FIRST_WIDTH, _MAX_WIDTH = 32, 256
_GROUPS = 8
_HIDDEN = 512


class Encoder(nn.Module):
    """Images to one w each: convolutions that halve the side down to 4², then two layers."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, side, width = config.image_channels, config.resolution, _FIRST_WIDTH
        while side > _SMALLEST_SIDE:
            layers += [
                nn.Conv2d(channels, width, 4, stride=2, padding=1),
                nn.GroupNorm(_GROUPS, width),
                nn.LeakyReLU(0.2),
            ]
            channels, side, width = width, side // 2, min(2 * width, _MAX_WIDTH)
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(channels * side**2, _HIDDEN),
            nn.LeakyReLU(0.2),
            nn.Linear(_HIDDEN, config.w_dim),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Where in W the images lie.

        Args:
            images: (N, image_channels, resolution, resolution), in [-1, 1].

        Returns:
            (N, w_dim), float32.
        """
        w: Tensor = self.layers(images)
        return w.float()
