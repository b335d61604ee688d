"""The pictures that the bundled model `clothes` learned from, as dataset zips.

    python benchmarks/clothes.py clothes.zip clothes-heldout.zip

Fashion-MNIST (MIT licence, Zalando SE 2017; `apt-get install dataset-fashion-mnist`): 60,000 and
10,000 photographs of clothes, grey, 28 x 28 pixels on a ground of 32 x 32, in ten classes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from quality_data import FASHION, read_fashion, write_labelled


def main() -> None:
    """Write the training pictures, then those to measure against."""
    if len(sys.argv) != 3 or not FASHION.is_dir():
        raise SystemExit(f"{__doc__}\nIt needs two places to write to, and {FASHION}.")
    for part, path in zip(("train", "t10k"), sys.argv[1:], strict=True):
        write_labelled(Path(path), *read_fashion(FASHION, part))


if __name__ == "__main__":
    main()
