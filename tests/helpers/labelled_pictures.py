"""Small datasets whose pictures show what their labels say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from wspace.data.writer import png_bytes, write_dataset


def write_shades(path: Path, count: int, seed: int = 0, *, attributes: bool = False) -> Path:
    """A zip of noisy 16² pictures; every third one is bright, and half of these are red.

    Args:
        path: the zip.
        count: pictures.
        seed: of the noise.
        attributes: instead of classes 0 (dark) and 1 (bright): "shade", "colour", and "luck",
            which no picture shows.
    """
    random = np.random.RandomState(seed)
    bright = np.arange(count) % 3 == 0
    red = np.arange(count) % 6 == 0
    luck = random.randint(0, 2, count)
    with write_dataset(path) as writer:
        names = []
        for i in range(count):
            pixels = random.randint(0, 100, (16, 16, 3)) + 150 * int(bright[i])
            if red[i]:
                pixels[:, :, 1:] //= 3
            names.append(writer.add(png_bytes(Image.fromarray(pixels.astype(np.uint8)))))
        metadata: dict[str, object] = {"labels": None}
        if attributes:
            metadata["attributes"] = {
                name: {
                    "shade": "bright" if bright[i] else "dark",
                    "colour": "red" if red[i] else "grey",
                    "luck": int(luck[i]),
                }
                for i, name in enumerate(names)
            }
        else:
            metadata["labels"] = [[name, int(bright[i])] for i, name in enumerate(names)]
            metadata["classes"] = ["dark", "bright"]
        writer.finish(metadata)
    return path
