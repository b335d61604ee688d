"""Editing, measured: what named directions, inversion and dragging do, and that they come again.

    python benchmarks/editing.py directions      named directions, by judges that did not find them
    python benchmarks/editing.py inversion       pictures of the world as recipes
    python benchmarks/editing.py drag            points that are pulled elsewhere
    python benchmarks/editing.py recipes         random recipes, made again to the bit

Each takes --help.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

__all__ = ["main"]

PARTS = ("directions", "inversion", "drag", "recipes")


def main(argv: Sequence[str] | None = None) -> None:
    """Run the part that is named first."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in PARTS:
        print(__doc__)
        raise SystemExit(0 if words in ([], ["--help"], ["-h"]) else 2)
    importlib.import_module(f"editing_{words[0]}").main(words[1:])


if __name__ == "__main__":
    main()
