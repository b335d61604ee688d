"""A folder of small pictures."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_pictures(folder: Path, count: int, seed: int = 0) -> Path:
    """Write ``count`` PNGs of 16 x 16 smooth random colours into a new folder."""
    folder.mkdir()
    draws = np.random.RandomState(seed)
    for i in range(count):
        coarse = Image.fromarray(draws.randint(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((16, 16), Image.Resampling.BICUBIC).save(folder / f"{i:03d}.png")
    return folder
