"""The encoder: pictures and their attributes to the w that would draw them.

Source: Larsen et al. 2016 (Autoencoding beyond pixels), Section 2.3, here into W instead of z.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from wspace.networks.config import ENCODER_GROUPS, EncoderConfig, GeneratorConfig

__all__ = ["Encoder"]

_VALUES_STD = 0.1
USUAL = EncoderConfig()


class Encoder(nn.Module):
    """Images to one w each: convolutions that halve the sides down to 4², then two layers.

    Images that are no squares of a power of two are halved down to the generator's first block.

    Attributes join between those two, as the sum of a learned vector for each value: small things
    that an encoder takes long to see, it knows from the start.

    Args:
        config: the generator's.
        num_values: of all attributes of the images; 0 without. Only training tells them; what a
            model file keeps needs none, see `untold`.
        own: how wide it is; None: as training's are.

    Attributes:
        config: how wide it is.
    """

    def __init__(
        self, config: GeneratorConfig, num_values: int = 0, own: EncoderConfig | None = None
    ) -> None:
        super().__init__()
        own = own or USUAL
        self.config = own
        layers: list[nn.Module] = []
        channels, width = config.image_channels, min(own.first_width, own.max_width)
        for _ in range(config.size.doublings):
            layers += [
                nn.Conv2d(channels, width, 4, stride=2, padding=1),
                nn.GroupNorm(ENCODER_GROUPS, width),
                nn.LeakyReLU(0.2),
            ]
            channels, width = width, min(2 * width, own.max_width)
        self.layers = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(channels * config.size.block.area, own.hidden_dim),
        )
        self.values = nn.Embedding(num_values, own.hidden_dim) if num_values else None
        if self.values is not None:
            nn.init.normal_(self.values.weight, std=_VALUES_STD)
        self.leave = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(own.hidden_dim, config.w_dim))

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

    @torch.no_grad()
    def untold(self, values: Tensor | None = None) -> Encoder:
        """An encoder that is told no attributes, and takes what they add on average instead.

        Args:
            values: (N, attributes), those of the images that it learned from; None where it is
                told none.
        """
        encoder = copy.deepcopy(self)
        if encoder.values is not None:
            assert values is not None
            table = encoder.values.weight  # (num_values, hidden_dim)
            told = torch.bincount(values.flatten().cpu(), minlength=len(table)).to(table)
            last = encoder.layers[-1]
            assert isinstance(last, nn.Linear)
            last.bias.add_(told @ table / len(values))
            encoder.values = None
        return encoder
