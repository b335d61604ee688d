"""Points of a picture that are on their way, drawn on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from wspace.figures.transparency import on_colour

__all__ = ["mark_moves"]

_SIDE = 256  # small pictures are enlarged to about this
_POINT, _TARGET, _EDGE = (230, 30, 30), (30, 90, 230), (255, 255, 255)


def mark_moves(
    pixels: npt.NDArray[np.uint8],
    moves: Sequence[tuple[tuple[float, float], tuple[float, float]]],
) -> npt.NDArray[np.uint8]:
    """A picture, enlarged if it is small, with each point red, where it is to go blue.

    Args:
        pixels: (H, W, C), uint8; what is transparent is shown on white.
        moves: where each point is and where it is to go; right and down in pixels, 0 the centre of
            the first.

    Returns:
        (H', W', 3), uint8.
    """
    scale = max(1, _SIDE // min(pixels.shape[:2]))
    shown = np.repeat(np.repeat(on_colour(pixels), scale, axis=0), scale, axis=1)
    image = Image.fromarray(shown)
    draw = ImageDraw.Draw(image)
    radius = max(2, min(image.size) // 60)
    for move in moves:
        (x, y), (u, v) = (((right + 0.5) * scale, (down + 0.5) * scale) for right, down in move)
        draw.line((x, y, u, v), fill=_EDGE, width=max(1, radius // 2))
        for right, down, colour in ((u, v, _TARGET), (x, y, _POINT)):
            box = (right - radius, down - radius, right + radius, down + radius)
            draw.ellipse(box, fill=colour, outline=_EDGE)
    return np.array(image)
