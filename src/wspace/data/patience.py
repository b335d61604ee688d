"""Lines for people who wait: the first after a few seconds, then one now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["PROGRESS_SECONDS", "Say", "now_and_then", "silent"]

PROGRESS_SECONDS = (3.0, 20.0)  # to the first line, and from one to the next

Say = Callable[[str], None]


def silent(_line: str) -> None:
    """Tell nobody."""


def now_and_then(say: Say, line: Callable[[int, int], str]) -> Callable[[int, int], None]:
    """What is called with (things done, all things), and says how far it is.

    Args:
        say: told the lines; by one thread at a time.
        line: what is said of (things done, all things); nothing once all are done.
    """
    next_time = time.monotonic() + PROGRESS_SECONDS[0]
    lock = threading.Lock()

    def show(done: int, total: int) -> None:
        nonlocal next_time
        with lock:
            if done < total and time.monotonic() >= next_time:
                next_time = time.monotonic() + PROGRESS_SECONDS[1]
                say(line(done, total))

    return show
