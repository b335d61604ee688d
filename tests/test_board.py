"""What ranks tell each other: who stands where, who has failed; and that none waits for ever."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from ranks import ended, start_ranks
from torch.distributed import HashStore

from wspace import board
from wspace.board import Board, Place

# Each rank does its own; it says when it begins.
STANDING = """
import sys, time
from wspace import board
from wspace.errors import WspaceError
from wspace.group import joined
board.ANSWER_SECONDS = 3.0

with joined() as group:
    group.timeout_seconds = 2.0
    print("here", flush=True)
    try:
        if group.rank == {busy}:
            with group.doing("writing a checkpoint"):
                time.sleep(60)
        while True:
            group.barrier("a step")
            time.sleep(0.01)
    except WspaceError as error:
        if told := group.fail(str(error)):
            print("wspace:", told, file=sys.stderr, flush=True)
        sys.exit(2)
"""


@contextlib.contextmanager
def standing(world_size: int, busy: int = -1) -> Iterator[list[subprocess.Popen[str]]]:
    """Ranks that take steps together, once all are there; one may be busy with something else."""
    processes = start_ranks(world_size, ["-c", STANDING.format(busy=busy)])
    try:
        for one in processes:
            assert one.stdout is not None
            assert one.stdout.readline() == "here\n", one.communicate()
        yield processes
    finally:
        for one in processes:
            one.kill()
            one.communicate()


def test_a_time_out_names_every_rank_and_where_it_is() -> None:
    with standing(3, busy=0) as (first, second, third):
        second.send_signal(signal.SIGSTOP)
        ran = ended([first, third])
    assert [status for status, _, _ in ran] == [2, 2]
    assert ran[1][2] == ""
    (line,) = ran[0][2].splitlines()
    assert line.startswith("wspace: after 2 s: rank 0 is writing a checkpoint for ")
    assert "; rank 1 " in line
    assert " s, and its process does not answer; rank 2 waits at a step: look at what" in line


def test_where_rank_0_stands_still_the_one_that_waits_says_so() -> None:
    with standing(2) as (first, second):
        first.send_signal(signal.SIGSTOP)  # the messages of all lie there
        ((status, _, err),) = ended([second])
    assert status == 2
    (line,) = err.splitlines()
    assert line.startswith("wspace: after 2 s: rank 1 waits at a step, and the process that keeps")


def test_where_rank_0_has_died_another_one_says_so() -> None:
    with standing(2) as (first, second):
        first.kill()
        ((status, _, err),) = ended([second])
    assert status == 2
    (line,) = [line for line in err.splitlines() if line.startswith("wspace: ")]
    assert line.startswith("wspace: rank 1 has lost the others at a step (")
    # a store that is gone is not asked again and again: torch writes thirty lines each time
    assert err.count("TCPStore.cpp") <= 4, err


class Gone:
    """A store whose process has ended."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("connection closed")


def test_what_was_heard_is_not_told_twice_though_the_store_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(board, "GRACE_SECONDS", 600.0)  # nothing ends this process
    monkeypatch.setattr(board, "LOOK_SECONDS", 0.01)
    store = HashStore()
    store.set("failed", "rank 1 has no disk")
    own = Board(store, 2, 3, lambda: Place("a step", time.monotonic()), lambda: 600.0)
    try:
        until = time.monotonic() + 60
        while not own._heard and time.monotonic() < until:
            time.sleep(0.01)
        monkeypatch.setattr(own, "_store", Gone())
        assert own.look_for_failure() == "rank 1 has no disk"
        assert own.fail("rank 2 has lost the others") == ""
    finally:
        own.end()


def test_what_nobody_has_told_is_told_where_the_store_has_gone() -> None:
    own = Board(HashStore(), 2, 3, lambda: Place("a step", time.monotonic()), lambda: 600.0)
    own.end()
    own._store = Gone()  # type: ignore[assignment]
    assert own.fail("rank 2 has lost the others") == "rank 2 has lost the others"
