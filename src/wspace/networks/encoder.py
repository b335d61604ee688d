"""The encoder: pictures and their attributes to the w that would draw them. For training only.

Source: Larsen et al. 2016 (Autoencoding beyond pixels), Section 2.3, here into W instead of z.
"""

from __future__ import annotations

from torch import Tensor, nn

from wspace.networks.config import GeneratorConfig

__all__ = ["Encoder"]

_FIRST_WIDTH, _MAX_WIDTH = 32, 256
_GROUPS = 8
_HIDDEN = 512
_VALUES_STD = 0.1


class Encoder(nn.Module):
    """Images to one w each: convolutions that halve the sides down to 4², then two layers.

    Images that are no squares of a power of two are halved down to the generator's first block.

    Attributes join between those two, as the sum of a learned vector for each value: small things
    that an encoder takes long to see, it knows from the start.

    Args:
        config: the generator's.
        num_values: of all attributes of the images; 0 without.
    """

    def __init__(self, config: GeneratorConfig, num_values: int = 0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels, width = config.image_channels, _FIRST_WIDTH
        for _ in range(config.size.doublings):
            layers += [
                nn.Conv2d(channels, width, 4, stride=2, padding=1),
                nn.GroupNorm(_GROUPS, width),
                nn.LeakyReLU(0.2),
            ]
            channels, width = width, min(2 * width, _MAX_WIDTH)
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(channels * config.size.block.area, _HIDDEN),
        )
        self.values = nn.Embedding(num_values, _HIDDEN) if num_values else None
        if self.values is not None:
            nn.init.normal_(self.values.weight, std=_VALUES_STD)
        self.leave = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(_HIDDEN, config.w_dim))

    def forward(self, images: Tensor, values: Tensor | None = None) -> Tensor:
        """Where in W the images lie.

        Args:
            images: (N, image_channels, height, width), in [-1, 1].
            values: (N, attributes), int64, one of ``num_values`` each; needed exactly where there
                are attributes.

        Returns:
            (N, w_dim), float32.
        """
        x: Tensor = self.layers(images)
        if self.values is not None:
            x = x + self.values(values).sum(dim=1)
        w: Tensor = self.leave(x)
        return w.float()
