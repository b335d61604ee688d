"""How measuring shows what takes long: by a display that the caller gives, or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager

__all__ = ["Show", "quiet"]

# Opens the display of a piece of work: what goes on, and what is counted. Inside, it is told how
# many are done, and how many there are.
Show = Callable[[str, str], AbstractContextManager[Callable[[int, int], None]]]


def quiet(_description: str, _unit: str) -> AbstractContextManager[Callable[[int, int], None]]:
    """Shows nothing."""
    return contextlib.nullcontext(lambda _done, _total: None)
