"""An encoder beside the generator: real images are reconstructed, and z mapped to where they lie.

A generator that must reconstruct every image cannot draw one picture for all of them. It learns
from each image directly, which takes far fewer images than learning from a discriminator. Pictures
from random z follow, because the mapping network learns the distribution of the encoder's w.

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

MEMORY = 4096  # newest w that are kept: mapping is compared with a distribution, not a batch
COMPARED = 512  # of them, drawn anew in every step


class Autoencoder(nn.Module):
    """The encoder, and the w that it found last.

    Attributes:
        encoder: learns from reconstructions.
    """

    memory: Tensor  # (MEMORY, w_dim + num_classes): w, then the one-hot class
    remembered: Tensor  # images remembered so far, in all

    def __init__(self, config: GeneratorConfig, num_values: int = 0) -> None:
        super().__init__()
        self.encoder = Encoder(config, num_values)
        self.w_dim, self.num_classes = config.w_dim, config.num_classes
        self.register_buffer("memory", torch.zeros(MEMORY, config.w_dim + config.num_classes))
        self.register_buffer("remembered", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def remember(self, w: Tensor, c: Tensor | None) -> None:
        """Put a batch's w, (N, w_dim), and its classes into memory, in place of the oldest."""
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

        Each component of w counts relative to its own spread. Classes are compared along with w, so
        that each class is matched with itself.

        Args:
            mapping: of random z, and of the classes remembered.
            random: draws z, and what is remembered.

        Returns:
            A scalar, >= 0 up to sampling error; 0 where the distributions are the same.
        """
        w, c = self.recall(COMPARED, random)
        z = torch.randn(len(w), mapping.z_dim, generator=random, device=w.device)
        own = mapping.w(z, c)
        spread = w.std(dim=0) + 1e-6
        classes = [] if c is None else [c]
        return energy_distance(
            torch.cat([own / spread, *classes], dim=1), torch.cat([w / spread, *classes], dim=1)
        )
