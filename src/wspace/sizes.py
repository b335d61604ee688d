"""Height and width of pictures, and which of them networks can make.

A network begins with a small block and doubles it: square pictures of a power of two begin with
4x4, pictures of 96x64 pixels with 6x4. Where people read and write a size, it is WIDTHxHEIGHT, as
cameras and screens say it; arrays, tensors and model files have the height first, as always.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from wspace.errors import WspaceError, shown

__all__ = ["LARGEST_SIDE", "Resolution", "Size", "nearest_size", "read_size", "size_of"]

LARGEST_SIDE = 4096
SMALLEST_OF_BLOCK = 3
LARGEST_BLOCK = 9, 16  # its shorter and its longer side: 16:9 begins with that
_SMALL_BLOCK = 8  # a side of what is proposed

# What networks are asked for: the side of square pictures, or height and width.
Resolution = int | tuple[int, int]


class Size(NamedTuple):
    """Height and width of pictures or maps, in pixels; written the width first.

    >>> print(Size(height=64, width=96))
    96 x 64
    """

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width} x {self.height}"

    @property
    def short(self) -> str:
        """As options and names of files have it: "64" for a square, else such as "96x64"."""
        return f"{self.width}" if self.width == self.height else f"{self.width}x{self.height}"

    @property
    def area(self) -> int:
        """Pixels in all."""
        return self.height * self.width

    @property
    def resolution(self) -> Resolution:
        """The side where it is square, else height and width: as configurations write it."""
        return self.height if self.height == self.width else (self.height, self.width)

    @property
    def doublings(self) -> int:
        """How often a network doubles its first block.

        Sides are halved together as long as both stay whole and at least 3.

        >>> Size(64, 64).doublings, Size(64, 96).doublings, Size(144, 256).doublings
        (4, 4, 4)
        """
        count = 0
        while all(
            side % 2 ** (count + 1) == 0 and side // 2 ** (count + 1) >= SMALLEST_OF_BLOCK
            for side in self
        ):
            count += 1
        return count

    @property
    def block(self) -> Size:
        """What a network begins with.

        >>> Size(64, 64).block, Size(64, 96).block, Size(144, 256).block
        (Size(height=4, width=4), Size(height=4, width=6), Size(height=9, width=16))
        """
        return self.halved(self.doublings)

    @property
    def square_side(self) -> int:
        """Side of the square of a power of two that comes nearest in pixels.

        >>> Size(64, 64).square_side, Size(64, 96).square_side, Size(9, 16).square_side
        (64, 64, 16)
        """
        return 1 << round(math.log2(self.area) / 2)

    def halved(self, times: int) -> Size:
        """With both sides halved that often, rounded down."""
        return Size(self.height // 2**times, self.width // 2**times)

    def fits_networks(self, smallest: int = 1) -> bool:
        """Whether a network can make it: a power of two times a block of 3 x 3 to 16 x 9 pixels.

        Args:
            smallest: doublings at least: 1, or 0 for the toys that come from elsewhere.
        """
        if not all(1 <= side <= LARGEST_SIDE for side in self):
            return False
        shorter, longer = sorted(self.block)
        small = shorter <= LARGEST_BLOCK[0] and longer <= LARGEST_BLOCK[1]
        return shorter >= SMALLEST_OF_BLOCK and small and self.doublings >= smallest


def size_of(resolution: Resolution) -> Size:
    """The size that a configuration writes as a side, or as height and width."""
    if isinstance(resolution, int):
        return Size(resolution, resolution)
    return Size(*resolution)


def read_size(text: str) -> Size:
    """Read a size that people write: "64", or WIDTHxHEIGHT such as "96x64".

    >>> read_size("96x64")
    Size(height=64, width=96)

    Raises:
        WspaceError: not of that form; whether networks can make it is not asked.
    """
    match = re.fullmatch(r"\s*([0-9]{1,9})(?:\s*[xX×]\s*([0-9]{1,9}))?\s*", text)
    if match is None:
        raise WspaceError(
            f"size {shown(text)} is no size: give the side of a square, such as 64, or "
            "WIDTHxHEIGHT, such as 96x64."
        )
    width, height = int(match[1]), int(match[2] or match[1])
    return Size(height, width)


def nearest_size(size: Size, smallest: int) -> Size:
    """The size that networks can make whose sides are most like another's.

    >>> nearest_size(Size(height=60, width=100), 8).short
    '96x64'

    Args:
        size: of any sides >= 1.
        smallest: side of the result at least, a power of two.
    """
    found = []
    for doublings in range(1, LARGEST_SIDE.bit_length()):
        step = 2**doublings
        least = max(SMALLEST_OF_BLOCK, smallest // step)
        height, width = (step * min(max(round(side / step), least), _SMALL_BLOCK) for side in size)
        if Size(height, width).fits_networks():
            unlike = abs(math.log(height / size.height)) + abs(math.log(width / size.width))
            found.append((unlike, Size(height, width)))
    return min(found)[1]
