"""Pictures as training takes them: decoded and checked, in this process or in others."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wspace.data.checks import byte_limit
from wspace.data.parallel import WorkerPool
from wspace.data.pictures import UnreadablePictureError, decode, read_header
from wspace.data.source import PictureSource, source_in_worker
from wspace.errors import WspaceError, one_line
from wspace.sizes import Size

__all__ = ["Decoders", "Pixels", "Shape"]

_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of Pillow, by channels

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True)
class Shape:
    """What all pictures have to be decoded to.

    Attributes:
        size: height and width that they have.
        image_channels: 1, 3 or 4 that they get.
    """

    size: Size
    image_channels: int

    @property
    def num_bytes(self) -> int:
        """Of a picture."""
        return self.image_channels * self.size.area

    def decoded(self, source: PictureSource, name: str) -> Pixels:
        """One picture of a source, (image_channels, H, W), uint8.

        Raises:
            WspaceError: it is damaged, has gone, or is of another size by now.
        """
        content = source.read(name, byte_limit(self.size))
        try:
            # The header is checked again: a folder may have changed since it was opened.
            header = read_header(content)
            if header.size != self.size:
                raise UnreadablePictureError(f"now {header.size}")
            picture = decode(content, keep_alpha=self.image_channels == 4)
            if picture.size != (self.size.width, self.size.height):
                raise UnreadablePictureError(f"upright it is {picture.width} x {picture.height}")
        except UnreadablePictureError as error:
            raise WspaceError(
                f"{source.path}: {one_line(name)} cannot be decoded ({error}): remove or replace "
                "it, or build a dataset without it by `wspace data build`."
            ) from None
        pixels = np.asarray(picture.convert(_MODES[self.image_channels]))
        return np.atleast_3d(pixels).transpose(2, 0, 1)  # (image_channels, H, W)


class Decoders:
    """Processes that read and decode pictures of a source, started when first asked.

    Args:
        source: of the pictures, which each process opens for itself.
        shape: of all of them.
        workers: how many processes, >= 1.
    """

    def __init__(self, source: PictureSource, shape: Shape, workers: int) -> None:
        self._source, self._shape, self._workers = source, shape, workers
        self._pool = WorkerPool(workers)

    def submit(self, stored: Sequence[str]) -> list[tuple[Future[Pixels], int]]:
        """Begin to decode pictures, and return at once.

        Args:
            stored: names as they are stored.

        Returns:
            Of each picture where it will be: a result, (K, image_channels, H, W), and which of
            the K. A result raises as decoding here does, or BrokenProcessPool where a process died.
        """
        share = -(-len(stored) // self._workers)
        places = []
        for start in range(0, len(stored), share or 1):
            names = list(stored[start : start + share])
            future = self._pool.submit(
                _decoded, self._source.path, self._source.stamp, self._shape, names
            )
            places += [(future, row) for row in range(len(names))]
        return places

    def close(self) -> None:
        """End the processes."""
        self._pool.close()


def _decoded(path: Path, stamp: tuple[int, int, int], shape: Shape, names: Sequence[str]) -> Pixels:
    source = source_in_worker(path, stamp)
    return np.stack([shape.decoded(source, name) for name in names])
