"""An encoder beside the generator: it makes real images again, and maps z to where they lie.

A generator that must draw every image cannot draw one face for all, and learns from each of them
directly, which takes far fewer images than learning from a discriminator does. What is drawn from
random z follows, because the mapping network learns the distribution of the encoder's w.

Source: Larsen et al. 2016 (Autoencoding beyond pixels), Section 2.3, for an encoder beside a GAN
and for distances between features; Székely and Rizzo 2013 for the energy distance.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wspace.networks.config import GeneratorConfig
from wspace.networks.encoder import Encoder
from wspace.networks.mapping import MappingNetwork
from wspace.training.losses import energy_distance

__all__ = ["Autoencoder"]

MEMORY = 4096  # w of so many images last seen: a distribution is compared with, not a batch
COMPARED = 512  # of them, drawn anew in every step


class Autoencoder(nn.Module):
    """The encoder, and the w that it found last.

    Attributes:
        encoder: learns from reconstructions.
    """

    memory: Tensor  # (MEMORY, w_dim + num_classes): w, then the one-hot class
    remembered: Tensor  # so many images in all

    def __init__(self, config: GeneratorConfig, num_values: int = 0) -> None:
        super().__init__()
        self.encoder = Encoder(config, num_values)
        self.w_dim, self.num_classes = config.w_dim, config.num_classes
        self.register_buffer("memory", torch.zeros(MEMORY, config.w_dim + config.num_classes))
        self.register_buffer("remembered", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def remember(self, w: Tensor, c: Tensor | None) -> None:
        """Take the w of a batch, (N, w_dim), and its classes into memory, for the oldest ones."""
        rows = w if c is None else torch.cat([w, c], dim=1)
        places = (self.remembered + torch.arange(len(rows), device=w.device)) % MEMORY
        self.memory[places] = rows.to(self.memory.dtype)
        self.remembered += len(rows)

    def recall(self, count: int, random: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """Up to ``count`` w of memory, (N, w_dim), and their classes, (N, num_classes)."""
        filled = min(int(self.remembered), MEMORY)
        device = self.memory.device
        chosen = torch.randperm(filled, generator=random, device=device)[:count]
        w, c = self.memory[chosen].split([self.w_dim, self.num_classes], dim=1)
        return w, c if self.num_classes else None

    def mismatch(self, mapping: MappingNetwork, random: torch.Generator) -> Tensor:
        """How far the mapping network's w are from the encoder's, as distributions.

        Every number of w counts by its own spread; classes are compared along with w, so that each
        class is matched with its own.

        Args:
            mapping: of random z, and of the classes remembered.
            random: draws z, and what is remembered.

        Returns:
            A scalar, >= 0 but for chance; 0 where the distributions are the same.
        """
        w, c = self.recall(COMPARED, random)
        z = torch.randn(len(w), mapping.z_dim, generator=random, device=w.device)
        own = mapping.w(z, c)
        spread = w.std(dim=0) + 1e-6
        classes = [] if c is None else [c]
        return energy_distance(
            torch.cat([own / spread, *classes], dim=1), torch.cat([w / spread, *classes], dim=1)
        )
