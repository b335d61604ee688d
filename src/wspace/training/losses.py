"""The non-saturating logistic loss of both networks."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["discriminator_loss", "generator_loss"]


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
