"""Pictures with alpha where there is none: on sheets, in films, and where pixels are compared.

Pixels are bytes with straight colours, see `images`; here they need no torch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["on_checks", "on_colour", "premultiplied", "with_alpha"]

Pixels = npt.NDArray[np.uint8]  # (H, W, C), C 1, 3 or 4

# Brightnesses of the checkerboard behind transparent pixels: near the theme's own background, and
# far enough from each other to be seen.
_CHECKS = {"light": (255, 222), "dark": (28, 58)}
_CHECKS_ACROSS = 16  # fields along the longer side of a picture


def on_colour(pixels: Pixels, colour: tuple[int, int, int] = (255, 255, 255)) -> Pixels:
    """What is seen of a picture on a colour.

    Args:
        pixels: (H, W, C).
        colour: red, green, blue in 0..255.

    Returns:
        (H, W, 3); grey and colour without alpha cover it.
    """
    return _laid(pixels, np.array(colour, dtype=np.float32))


def on_checks(pixels: Pixels, theme: str) -> Pixels:
    """What is seen of a picture on a checkerboard, which tells transparent from white.

    Args:
        pixels: (H, W, C).
        theme: "light" or "dark".

    Returns:
        (H, W, 3); grey and colour without alpha cover it.
    """
    height, width = pixels.shape[:2]
    side = max(1, max(height, width) // _CHECKS_ACROSS)
    rows, columns = np.arange(height)[:, None] // side, np.arange(width) // side
    fields = np.array(_CHECKS[theme], dtype=np.float32)[(rows + columns) % 2]  # (H, W)
    return _laid(pixels, fields[:, :, None])


def premultiplied(pixels: Pixels) -> npt.NDArray[np.float64]:
    """Pixels as numbers that differ as much as what is seen of them.

    Args:
        pixels: (..., C), C 1, 3 or 4.

    Returns:
        (..., C), in 0..255; with alpha, colours are multiplied by it.
    """
    values = pixels.astype(np.float64)
    if pixels.shape[-1] == 4:
        values[..., :3] *= values[..., 3:] / 255
    return values


def with_alpha(pixels: Pixels) -> Pixels:
    """Pixels of any channels as red, green, blue and straight alpha.

    Args:
        pixels: (..., C), C 1, 3 or 4.

    Returns:
        (..., 4); what had no alpha is opaque.
    """
    if pixels.shape[-1] == 4:
        return pixels
    filled = np.full((*pixels.shape[:-1], 4), 255, dtype=np.uint8)
    filled[..., :3] = pixels  # grey is repeated
    return filled


def _laid(pixels: Pixels, ground: npt.NDArray[np.float32]) -> Pixels:
    """On a ground of shape (3,) or (H, W, 1)."""
    if pixels.shape[2] != 4:
        return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
    alpha = pixels[:, :, 3:].astype(np.float32) / 255
    laid = pixels[:, :, :3] * alpha + ground * (1 - alpha)
    return np.rint(laid).astype(np.uint8)
