"""Noise inputs: which map each layer adds; its learned strength lives in the layer.

Source: Karras et al. 2019 (StyleGAN), Section 2, "B" in Figure 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["NOISE_MODES", "Noise", "noise_maps"]

NOISE_MODES = ("const", "none", "random")

Noise = str | Sequence[Tensor | None]


def noise_maps(noise: Noise, const_noise: Sequence[Tensor], batch: int) -> list[Tensor | None]:
    """The map that each noise layer adds, None where it adds nothing.

    Args:
        noise: "const" (the stored maps), "none", "random" (fresh from torch's default
            generator), or one entry a layer: None or a map (N or 1, 1, H, W).
        const_noise: the stored maps, (1, 1, H, W) a noise layer.
        batch: images in the batch, N.

    Returns:
        One entry a noise layer.

    Raises:
        ValueError: an unknown mode or a wrong number of maps, which only a bug brings here.
    """
    if not isinstance(noise, str):
        if len(noise) != len(const_noise):
            raise ValueError(f"{len(noise)} noise maps for {len(const_noise)} noise layers")
        return list(noise)
    if noise == "const":
        return list(const_noise)
    if noise == "none":
        return [None] * len(const_noise)
    if noise == "random":
        return [
            torch.randn(batch, 1, *stored.shape[2:], device=stored.device, dtype=stored.dtype)
            for stored in const_noise
        ]
    raise ValueError(f"noise={noise!r} is none of {NOISE_MODES}")
