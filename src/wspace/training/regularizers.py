"""Penalties on gradients: R1 for the discriminator, path length for the generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wspace.errors import WspaceError

__all__ = ["path_lengths", "path_penalty", "r1_penalty"]


def r1_penalty(real_images: Tensor, real_logits: Tensor) -> Tensor:
    """Squared gradient norm of the discriminator at each real image.

    Source: Mescheder et al. 2018, Section 4.1, Eq. 9, without the factor gamma / 2.

    Args:
        real_images: (N, C, H, W), in [-1, 1], requires grad.
        real_logits: (N,), the discriminator's output for them, before any sigmoid.

    Returns:
        (N,), >= 0, differentiable with respect to the discriminator's weights.

    Raises:
        WspaceError: the images do not require grad, so there is nothing to penalise.
    """
    if not real_images.requires_grad:
        raise WspaceError(
            "r1_penalty needs images that require grad, got requires_grad=False: "
            "call real_images.requires_grad_() before the discriminator sees them."
        )
    (gradient,) = torch.autograd.grad(real_logits.sum(), real_images, create_graph=True)
    return gradient.flatten(start_dim=1).square().sum(dim=1)


def path_lengths(images: Tensor, ws: Tensor, direction: Tensor) -> Tensor:
    """How far each image moves along a random direction when its ws move.

    Source: Karras et al. 2020 (StyleGAN2), Section 3.2; mean over layers as in its release.

    Args:
        images: (N, C, H, W), made from ``ws``.
        ws: (N, num_ws, w_dim), part of the images' graph.
        direction: (N, C, H, W), drawn from N(0, I).

    Returns:
        (N,), >= 0, differentiable with respect to the generator's weights.
    """
    scale = 1 / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * direction * scale).sum(), ws, create_graph=True)
    return gradient.float().square().sum(dim=2).mean(dim=1).sqrt()  # ws may be bf16


def path_penalty(
    lengths: Tensor, mean_length: Tensor, decay: float = 0.01, *, batch_mean: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Squared distance of path lengths from their running mean.

    Source: Karras et al. 2020 (StyleGAN2), Section 3.2, Eq. 4; the mean is updated first and
    is not detached within the penalty, as in the release.

    Args:
        lengths: (N,), from `path_lengths`.
        mean_length: (), the running mean so far.
        decay: share of the running mean that a batch replaces.
        batch_mean: (), the mean length in the batch, where ``lengths`` are a part of it; None: it
            is theirs.

    Returns:
        The penalty (N,), without its weight, and the new running mean (), detached.
    """
    mean = mean_length.lerp(lengths.mean() if batch_mean is None else batch_mean, decay)
    return (lengths - mean).square(), mean.detach()
