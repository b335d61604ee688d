"""The non-saturating logistic loss of both networks, the hinge loss, and those of an encoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "HINGE",
    "LOGISTIC",
    "Loss",
    "discriminator_loss",
    "generator_loss",
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "latent_divergence",
    "reconstruction_loss",
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

    What is told apart by more is left alone, so that a strong discriminator does not run away.

    Source: Lim and Ye 2017 (Geometric GAN), Section 3.

    Args:
        real_logits: of any shape, the discriminator's output for real images.
        fake_logits: of the same shape, its output for generated images.

    Returns:
        As the logits, >= 0.
    """
    return F.relu(1 + fake_logits) + F.relu(1 - real_logits)


def reconstruction_loss(real: Tensor, reconstructed: Tensor) -> Tensor:
    """Mean absolute difference of each image from its reconstruction.

    Args:
        real: (N, C, H, W), in [-1, 1].
        reconstructed: the same shape.

    Returns:
        (N,), >= 0.
    """
    return (real - reconstructed.float()).abs().flatten(start_dim=1).mean(dim=1)


def latent_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of each Gaussian from N(0, I).

    Source: Kingma and Welling 2014 (Auto-Encoding Variational Bayes), Appendix B.

    Args:
        mean: (N, D).
        log_variance: (N, D), natural logarithm.

    Returns:
        (N,), in nats, >= 0.
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1) / 2


@dataclass(frozen=True)
class Loss:
    """What both networks minimise.

    Attributes:
        generator: of the logits of generated images.
        discriminator: of the logits of real and of generated images.
    """

    generator: Callable[[Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]


LOGISTIC = Loss(generator_loss, discriminator_loss)
HINGE = Loss(hinge_generator_loss, hinge_discriminator_loss)
