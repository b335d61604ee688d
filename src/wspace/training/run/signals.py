"""Ctrl-C and SIGTERM end a run after its step, saved."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wspace.group import ALONE, Group

__all__ = ["Stop", "StoppedAtOnceError", "stop_on_signals"]


class StoppedAtOnceError(BaseException):
    """A signal came while nothing had changed yet; no Exception, so that nobody swallows it."""


class Stop:
    """Why the loop should end after its step.

    Args:
        group: of processes, which end together when a signal has reached one of them.

    Attributes:
        reason: "interrupted" (SIGINT), "terminated" (SIGTERM), or empty while it should go on.
        at_once: a signal raises `StoppedAtOnceError` where it strikes. True until the first step is
            done, but not in a group: that one may compile for minutes, and there is nothing new to
            save.
    """

    def __init__(self, group: Group = ALONE) -> None:
        self.reason = ""
        self.at_once = group.alone
        self._group = group

    def agreed(self) -> str:
        """The reason of any process, the same in all of them."""
        reasons = self._group.gather(self.reason, "whether to stop")
        agreed = next(filter(None, reasons), "")
        if agreed:  # else a signal may have come in the meantime
            self.reason = agreed
        return agreed


@contextmanager
def stop_on_signals(group: Group = ALONE) -> Iterator[Stop]:
    """Note SIGINT and SIGTERM for the loop to see; a second signal ends the process.

    Not so in a group: Ctrl-C reaches a process there by itself and by torchrun, which ends those
    that take too long. Nor does one leave the others in the middle of a step.
    """
    stop = Stop(group)

    def wish(number: int, _frame: object) -> None:
        stop.reason = "interrupted" if number == signal.SIGINT else "terminated"
        if group.alone:
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
