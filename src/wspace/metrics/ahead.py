"""Making the next things while the last ones are worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["ahead"]

_T = TypeVar("_T")


def ahead(items: Iterable[_T], most: int = 2) -> Iterator[_T]:
    """The same items in the same order, made by a thread that stays a little ahead.

    What the thread raises is raised here, in its place. A caller that stops early stops the thread.

    Args:
        items: made one after the other.
        most: how many wait to be taken, >= 1.
    """
    waiting: queue.Queue[tuple[bool, _T | BaseException | None]] = queue.Queue(most)
    stopped = threading.Event()

    def put(given: bool, item: _T | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                waiting.put((given, item), timeout=0.1)
                return
            except queue.Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put(True, item)
                if stopped.is_set():
                    return
            put(False, None)
        except BaseException as error:
            put(False, error)

    thread = threading.Thread(target=make, name="wspace-ahead", daemon=True)
    thread.start()
    try:
        while True:
            given, item = waiting.get()
            if not given:
                if isinstance(item, BaseException):
                    raise item
                return
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()
