"""Ctrl-C and SIGTERM end a run after its step, saved."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Stop", "StoppedAtOnceError", "stop_on_signals"]


class StoppedAtOnceError(BaseException):
    """A signal came while nothing had changed yet; no Exception, so that nobody swallows it."""


class Stop:
    """Why the loop should end after its step.

    Attributes:
        reason: "interrupted" (SIGINT), "terminated" (SIGTERM), or empty while it should go on.
        at_once: a signal raises `StoppedAtOnceError` where it strikes. True until the first step is
            done: that one may compile for minutes, and there is nothing new to save.
    """

    reason = ""
    at_once = True


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Note SIGINT and SIGTERM for the loop to see; a second signal ends the process."""
    stop = Stop()

    def wish(number: int, _frame: object) -> None:
        stop.reason = "interrupted" if number == signal.SIGINT else "terminated"
        signal.signal(number, old[number])
        if stop.at_once:
            raise StoppedAtOnceError

    old: dict[int, Any] = {}
    try:
        for number in (int(signal.SIGINT), int(signal.SIGTERM)):
            old[number] = signal.signal(number, wish)
    except ValueError:  # not in the main thread: whoever runs us handles signals
        pass
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
