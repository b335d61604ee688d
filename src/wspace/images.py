"""Image I/O: the one place where [-1, 1] becomes bytes and bytes become [-1, 1].

Images have 1 channel (grey), 3 (red, green, blue) or 4: these and alpha, which says how opaque a
pixel is. Bytes hold straight colours, as files do: what a thing looks like, however little of it is
seen. Tensors, which networks see and make, hold premultiplied ones: the colour times its alpha, all
in [-1, 1], where -1 is black or transparent. So colours that nobody sees are always the same, and
matter to no loss and no discriminator; and sums of pixels, such as blurs, resampling and blending,
are those of what is seen, without seams along edges.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["BACKGROUNDS", "from_uint8", "rgb_of", "to_uint8"]

# What images with alpha are laid on, in turn, for networks that know red, green and blue alone.
# Wrong alpha shows on white where a thing is dark, and on black where it is bright; one background
# alone would hide it wherever the image has its colour. What is seen on both says all of a pixel.
BACKGROUNDS = (0.0, 1.0)  # black, white


def to_uint8(images: Tensor) -> Tensor:
    """Turn images into bytes, as all three official releases do.

    Source: the official releases' ``x * 127.5 + 128`` with a saturating cast (truncation).

    Args:
        images: (N, C, H, W), nominally in [-1, 1]; values outside saturate. With alpha,
            premultiplied; colours brighter than their alpha allows saturate, too.

    Returns:
        (N, H, W, C), uint8, contiguous. With alpha, straight colours; 0 where alpha is 0.
    """
    scaled = (images.float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)
    if images.shape[1] == 4:
        alpha = scaled[:, 3:].float()
        # Divided by the alpha that is written, so that what is seen is as near as can be.
        light = (images[:, :3].float() + 1) * (0.5 * 255 * 255)
        straight = (light / alpha.clamp(min=1) + 0.5).clamp(0, 255)
        scaled[:, :3] = torch.where(alpha > 0, straight, 0).to(torch.uint8)
    return scaled.permute(0, 2, 3, 1).contiguous()  # (N, H, W, C)


def from_uint8(pixels: Tensor) -> Tensor:
    """Turn bytes into images for training: ``x / 127.5 - 1``.

    Args:
        pixels: (N, C, H, W), uint8; with alpha, straight colours.

    Returns:
        (N, C, H, W), float32, in [-1, 1]; with alpha, premultiplied.
    """
    values = pixels.to(torch.float32)
    if pixels.shape[1] == 4:
        values[:, :3] *= values[:, 3:] / 255
    return values.mul_(2 / 255).sub_(1)


def rgb_of(images: Tensor, background: float = 1.0) -> Tensor:
    """What is seen of images of any channels, as networks take it that know RGB alone.

    Args:
        images: (N, C, H, W), in [-1, 1]; with alpha, premultiplied.
        background: brightness behind transparent pixels, 0 to 1: black to white.

    Returns:
        (N, 3, H, W), in [-1, 1], differentiable; grey is repeated without a copy.
    """
    if images.shape[1] != 4:
        return images.expand(-1, 3, -1, -1)
    return images[:, :3] + (1 - images[:, 3:]) * background
