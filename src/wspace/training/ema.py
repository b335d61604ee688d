"""Running average of the generator's weights: the generator to sample from."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ema_decay", "update_ema"]


def ema_decay(
    batch_size: int, half_life_kimg: float, *, seen_images: int, ramp: float | None
) -> float:
    """Share of the average that one step leaves.

    Source: Karras et al. 2018 (ProGAN), Section 4.1; ramp-up as in StyleGAN2-ADA's release.

    Args:
        batch_size: images a step.
        half_life_kimg: after this many thousand images half of the average is new; >= 0.
        seen_images: images that training has seen so far.
        ramp: the half-life is at most this share of the images seen; None for no ramp-up.

    Returns:
        A number in [0, 1).
    """
    half_life = half_life_kimg * 1000
    if ramp is not None:
        half_life = min(half_life, seen_images * ramp)
    return float(0.5 ** (batch_size / max(half_life, 1e-8)))


@torch.no_grad()
def update_ema(average: nn.Module, current: nn.Module, decay: float) -> None:
    """Move ``average`` in place a step towards ``current``; buffers are copied.

    Args:
        average: the running average, of the same architecture.
        current: the network that trains.
        decay: share of the average that stays, in [0, 1].
    """
    torch._foreach_lerp_(
        [p.data for p in average.parameters()], [p.data for p in current.parameters()], 1 - decay
    )
    for mine, theirs in zip(average.buffers(), current.buffers(), strict=True):
        mine.copy_(theirs)
