"""Noise maps as texts, for recipes that hold maps of their own.

A map of height x width numbers is its rows as float16, low byte first, in base64.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from wspace.errors import WspaceError, shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["MAX_NOISE", "map_from_text", "map_to_text"]

MAX_NOISE = 100.0  # of a map's values; the model's own are N(0, 1)
MAX_VALUES = 4096**2  # of the largest map that any network takes
MAX_TEXT = -(-2 * MAX_VALUES // 3) * 4


def map_to_text(values: npt.NDArray[np.floating]) -> str:
    """A noise map as text; numbers are rounded to float16.

    Args:
        values: (height, width), at most `MAX_NOISE` in size.

    Raises:
        WspaceError: numbers that are none, or larger than that.
    """
    _check(values)
    return base64.b64encode(values.astype("<f2").tobytes()).decode()


def map_from_text(text: str) -> npt.NDArray[np.float32]:
    """The inverse of `map_to_text`.

    Returns:
        (height * width,), float32.

    Raises:
        WspaceError: it is no such text.
    """
    import numpy as np  # every command reads recipes, and few of them hold maps

    if len(text) > MAX_TEXT:
        raise WspaceError(f"recipe: a noise map of {len(text)} characters is too large.")
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content or len(content) % 2:
        raise WspaceError(
            f"recipe: noise map {shown(text)} is no base64 of 16 bit numbers: it is damaged."
        )
    values = np.frombuffer(content, dtype="<f2").astype(np.float32)
    _check(values)
    return values


def _check(values: npt.NDArray[np.floating]) -> None:
    if not bool((abs(values) <= MAX_NOISE).all()):  # NaN is in no range
        raise WspaceError(
            f"recipe: a noise map has values outside -{MAX_NOISE:g} to {MAX_NOISE:g}: "
            "it is damaged."
        )
