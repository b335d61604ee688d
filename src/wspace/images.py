"""Image I/O: the one place where [-1, 1] becomes bytes and bytes become [-1, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["from_uint8", "to_uint8"]


def to_uint8(images: Tensor) -> Tensor:
    """Turn images into bytes, as all three official releases do.

    Source: the official releases' ``x * 127.5 + 128`` with a saturating cast (truncation).

    Args:
        images: (N, C, H, W), nominally in [-1, 1]; values outside saturate.

    Returns:
        (N, H, W, C), uint8, contiguous.
    """
    scaled = (images.float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous()  # (N, H, W, C)


def from_uint8(pixels: Tensor) -> Tensor:
    """Turn bytes into images for training: ``x / 127.5 - 1``.

    Args:
        pixels: (N, C, H, W), uint8.

    Returns:
        (N, C, H, W), float32, in [-1, 1].
    """
    return pixels.to(torch.float32).mul_(2 / 255).sub_(1)
