"""How much pictures differ, pixel by pixel, as a grey tile."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wspace.figures.transparency import premultiplied

__all__ = ["deviation_map", "grey_tile"]


def deviation_map(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """How much pictures differ, pixel by pixel.

    Args:
        pixels: (N, H, W, C), uint8, N >= 2. With alpha, what is seen counts: colours by how opaque
            they are, and alpha itself.

    Returns:
        (H, W), the standard deviation over the pictures in steps of 1/255, the root mean square
        over the channels.
    """
    deviation: npt.NDArray[np.float64] = np.sqrt(premultiplied(pixels).var(axis=0).mean(axis=2))
    return deviation


def grey_tile(deviation: npt.NDArray[np.float64], white: float) -> npt.NDArray[np.uint8]:
    """Draw a deviation map, black for 0 and white for ``white``.

    Args:
        deviation: (H, W), >= 0.
        white: in steps of 1/255, as large as the largest deviation; 0 where all are 0.

    Returns:
        (H, W, 3).
    """
    shown = np.rint(deviation * (255 / white if white > 0 else 0)).astype(np.uint8)
    return np.repeat(shown[:, :, None], 3, axis=2)
