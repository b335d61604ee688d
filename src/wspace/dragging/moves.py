"""Which points of a picture go where, and what may move with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wspace.data.pictures import UnreadablePictureError, decode
from wspace.data.source import MAX_FILE_BYTES
from wspace.errors import WspaceError, shown
from wspace.files import read_limited
from wspace.sizes import Size

__all__ = [
    "MAX_MOVES",
    "Mask",
    "Move",
    "Point",
    "check_mask",
    "check_moves",
    "mask_of_bytes",
    "pair_points",
    "parse_points",
    "read_mask",
]

Point = tuple[float, float]  # right, down: pixels from the centre of the upper left one
Move = tuple[Point, Point]  # from, to
Mask = npt.NDArray[np.bool_]  # (H, W), where things may move

MAX_MOVES = 64
HALF = 128  # of a mask's values: what is darker is held


def parse_points(text: str) -> tuple[Point, ...]:
    """Read points such as ``20,31`` or ``20,31 40.5,12``.

    >>> parse_points("20,31 40.5,12")
    ((20.0, 31.0), (40.5, 12.0))

    Raises:
        WspaceError: something else.
    """
    points = []
    for part in text.split():
        match = re.fullmatch(r"(-?\d{1,6}(?:\.\d{1,6})?),(-?\d{1,6}(?:\.\d{1,6})?)", part, re.ASCII)
        if match is None:
            raise WspaceError(
                f"point {shown(part)} is none: write RIGHT,DOWN in pixels, such as 20,31."
            )
        points.append((float(match[1]), float(match[2])))
    if not points:
        raise WspaceError(f"{shown(text)} names no point: write RIGHT,DOWN in pixels.")
    return tuple(points)


def pair_points(starts: Sequence[Point], ends: Sequence[Point]) -> tuple[Move, ...]:
    """The first goes to the first, and so on.

    Raises:
        WspaceError: not as many of one as of the other.
    """
    if len(starts) != len(ends):
        raise WspaceError(
            f"{len(starts)} points to drag and {len(ends)} places to go to: give one for each."
        )
    return tuple(zip(starts, ends, strict=True))


def check_moves(moves: Sequence[Move], size: Size) -> None:
    """Whether a picture of that size has those points.

    Raises:
        WspaceError: there is none, or too many; one is outside, goes where it is, or is another's.
    """
    if not 1 <= len(moves) <= MAX_MOVES:
        raise WspaceError(f"{len(moves)} points to drag: give 1 to {MAX_MOVES}.")
    for x, y in (point for move in moves for point in move):
        inside = 0 <= x <= size.width - 1 and 0 <= y <= size.height - 1  # not where it is NaN
        if not inside:
            raise WspaceError(
                f"point {_written((x, y))} is outside the picture: give 0,0 to "
                f"{size.width - 1},{size.height - 1}."
            )
    for start, end in moves:
        if start == end:
            raise WspaceError(
                f"point {_written(start)} is dragged to where it is: name another place."
            )
    starts, ends = ([move[end] for move in moves] for end in (0, 1))
    for what, places in (("is dragged", starts), ("is to be reached", ends)):
        twice = next((place for place in places if places.count(place) > 1), None)
        if twice is not None:
            raise WspaceError(f"point {_written(twice)} {what} twice: name it once.")


def check_mask(mask: Mask, size: Size) -> None:
    """Whether a mask fits a picture of that size.

    Raises:
        WspaceError: another size or type, or nothing may move.
    """
    if mask.dtype != np.bool_ or mask.shape != tuple(size):
        shape = " x ".join(str(side) for side in reversed(mask.shape))
        raise WspaceError(
            f"the mask is {shape} of {mask.dtype}, the picture {size.width} x {size.height}: give "
            "true or false for each pixel."
        )
    if not mask.any():
        raise WspaceError("the mask lets nothing move: make white what may move.")


def read_mask(path: Path, size: Size) -> Mask:
    """Read a mask from a picture file: what is white may move, what is black or clear is held.

    Raises:
        WspaceError: no picture, one of another size, or one without white.
    """
    try:
        picture = decode(read_limited(path, MAX_FILE_BYTES), (0, 0, 0)).convert("L")
    except UnreadablePictureError as error:
        raise WspaceError(f"{path} is no picture that can be read: {error}.") from None
    if (picture.height, picture.width) != tuple(size):
        raise WspaceError(
            f"{path} is {picture.width} x {picture.height}, the pictures of this model are "
            f"{size.width} x {size.height}: a mask needs a pixel for each of theirs."
        )
    mask: Mask = np.asarray(picture) >= HALF
    if not mask.any():
        raise WspaceError(f"{path} lets nothing move: make white what may move.")
    return mask


def mask_of_bytes(content: bytes, size: Size) -> Mask:
    """A mask from a byte for each pixel, row by row: 0 is held, all others may move.

    Raises:
        WspaceError: not as many bytes as pixels.
    """
    if len(content) != size.area:
        raise WspaceError(
            f"the mask has {len(content)} bytes, the picture {size} pixels: give one for each."
        )
    mask: Mask = np.frombuffer(content, dtype=np.uint8).reshape(size) != 0
    return mask


def _written(point: Point) -> str:
    return ",".join(f"{value:g}" for value in point)
