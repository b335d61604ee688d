"""What networks minimise: losses of a GAN, and those of an autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "HINGE",
    "LOGISTIC",
    "LOSSES",
    "RELATIVISTIC",
    "Loss",
    "discriminator_loss",
    "energy_distance",
    "generator_loss",
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "map_sizes",
    "perceptual_loss",
    "reconstruction_loss",
    "relativistic_discriminator_loss",
    "relativistic_generator_loss",
]


def generator_loss(fake_logits: Tensor) -> Tensor:
    """How much each generated image fails to pass as real: softplus(-logit).

    Source: Goodfellow et al. 2014, Section 3, in the non-saturating form.

    Args:
        fake_logits: (N,), the discriminator's output for generated images.

    Returns:
        (N,), >= 0.
    """
    return F.softplus(-fake_logits)


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """How wrong the discriminator is on each pair of a real and a generated image.

    Source: Goodfellow et al. 2014, Section 3, Eq. 1, with logits.

    Args:
        real_logits: (N,), the discriminator's output for real images.
        fake_logits: (N,), its output for generated images.

    Returns:
        (N,), >= 0.
    """
    return F.softplus(fake_logits) + F.softplus(-real_logits)


def hinge_generator_loss(fake_logits: Tensor) -> Tensor:
    """How much each generated image fails to pass as real: -logit.

    Source: Lim and Ye 2017 (Geometric GAN), Section 3.

    Args:
        fake_logits: of any shape, the discriminator's output for generated images.

    Returns:
        As the logits, of either sign.
    """
    return -fake_logits


def hinge_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """How far each logit falls short of a margin of 1 on its side.

    A logit beyond the margin costs nothing, so that a strong discriminator does not run away.

    Source: Lim and Ye 2017 (Geometric GAN), Section 3.

    Args:
        real_logits: of any shape, the discriminator's output for real images.
        fake_logits: of the same shape, its output for generated images.

    Returns:
        As the logits, >= 0.
    """
    return F.relu(1 + fake_logits) + F.relu(1 - real_logits)


def relativistic_generator_loss(fake_logits: Tensor, real_logits: Tensor) -> Tensor:
    """How much less real each generated image looks than the real one that it is paired with.

    Source: Huang et al. 2024 (R3GAN), Section 2, Eq. 2, with logits.

    Args:
        fake_logits: of any shape, the discriminator's output for generated images.
        real_logits: of the same shape, its output for real images.

    Returns:
        As the logits, >= 0.
    """
    return F.softplus(real_logits - fake_logits)


def relativistic_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """How much less real each real image looks than the generated one that it is paired with.

    Only differences count, so that generated images have to reach every real one, and not merely
    one side of a boundary; with R1 and R2, since alone it need not converge.

    Source: Huang et al. 2024 (R3GAN), Section 2, Eq. 2, with logits.

    Args:
        real_logits: of any shape, the discriminator's output for real images.
        fake_logits: of the same shape, its output for generated images.

    Returns:
        As the logits, >= 0.
    """
    return F.softplus(fake_logits - real_logits)


def reconstruction_loss(real: Tensor, reconstructed: Tensor) -> Tensor:
    """Mean absolute difference of each image from its reconstruction.

    Args:
        real: (N, C, H, W), in [-1, 1].
        reconstructed: the same shape.

    Returns:
        (N,), >= 0.
    """
    return (real - reconstructed.float()).abs().flatten(start_dim=1).mean(dim=1)


def map_sizes(maps: list[Tensor]) -> Tensor:
    """The mean absolute value of each of a list of maps, (N, C, H, W) each, over all images."""
    return torch.stack([own.float().abs().mean() for own in maps])


def perceptual_loss(
    real: list[Tensor], reconstructed: list[Tensor], sizes: Tensor | None = None
) -> Tensor:
    """Mean absolute difference of each image's features from its reconstruction's.

    Source: Johnson et al. 2016 (Perceptual Losses), Section 3.2, with absolute differences, each
    map's relative to its mean size, so that all maps count alike.

    Args:
        real: maps of a pretrained network, (N, C, H, W) each.
        reconstructed: the same shapes.
        sizes: of the real maps, see `map_sizes`, where these are a part of a batch.

    Returns:
        (N,), >= 0.
    """
    sizes = map_sizes(real) if sizes is None else sizes
    differences = [
        (theirs.float() - own.float()).abs().flatten(1).mean(1) / size
        for own, theirs, size in zip(real, reconstructed, sizes, strict=True)
    ]
    return torch.stack(differences).sum(dim=0)


def energy_distance(x: Tensor, y: Tensor) -> Tensor:
    """How far two distributions are from each other, by samples of them.

    Source: Székely and Rizzo 2013 (Energy statistics), Section 2; pairs of a sample with itself
    are left out, so that no number of samples biases it.

    Args:
        x: (N, D), N >= 2.
        y: (M, D), M >= 2.

    Returns:
        A scalar, >= 0 up to sampling error.
    """
    n, m = len(x), len(y)
    within_x = torch.cdist(x, x).sum() / (n * (n - 1))
    within_y = torch.cdist(y, y).sum() / (m * (m - 1))
    return 2 * torch.cdist(x, y).mean() - within_x - within_y


@dataclass(frozen=True)
class Loss:
    """What both networks minimise.

    Attributes:
        generator: of the logits of generated images and, where it pairs them, of real ones.
        discriminator: of the logits of real and of generated images.
        paired: whether the generator's loss takes the logits of real images, too.
    """

    generator: Callable[..., Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]
    paired: bool = False


LOGISTIC = Loss(generator_loss, discriminator_loss)
HINGE = Loss(hinge_generator_loss, hinge_discriminator_loss)
RELATIVISTIC = Loss(relativistic_generator_loss, relativistic_discriminator_loss, paired=True)
LOSSES = {"logistic": LOGISTIC, "hinge": HINGE, "relativistic": RELATIVISTIC}
