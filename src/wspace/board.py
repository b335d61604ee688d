"""What the ranks of a group tell each other beside their work: where each stands, why one failed.

Two threads of each rank see to it. One posts once a second where the rank is, and looks whether
another has failed: all end then, with one line from rank 0. The other asks nobody anything, so that
a wait ends in any case: also where the process that keeps the messages stands still.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

__all__ = ["Board", "Place", "following"]

LOOK_SECONDS = 1.0  # from one look of a thread to the next
TOLD_SECONDS = 5.0  # that a rank which failed waits for rank 0 to say so
GRACE_SECONDS = 3.0  # to end by itself, once another rank has failed
ANSWER_SECONDS = 10.0  # within which the store answers, or nobody asks it any more
ORPHAN_SECONDS = 60.0  # to save and end, once torchrun's agent is gone
NAMED = 8  # ranks in a message


class Place(NamedTuple):
    """Where a rank is.

    Attributes:
        where: for people, such as "after the gradients" or, where it waits, "the gradients".
        since: as `time.monotonic` says.
        waits: for the other ranks.
        limited: it waits for so long only as the group has patience.
    """

    where: str
    since: float
    waits: bool = False
    limited: bool = True


class Board:
    """Messages of all ranks.

    Args:
        store: where they lie.
        rank: of this process.
        world_size: of the group.
        place: says where this rank is.
        patience: says for how many seconds a rank waits for the others.
    """

    def __init__(
        self,
        store: Store,
        rank: int,
        world_size: int,
        place: Callable[[], Place],
        patience: Callable[[], float],
    ) -> None:
        self._store, self._rank, self._world_size = store, rank, world_size
        self._place, self._patience = place, patience
        self._telling = threading.Lock()
        self._has_told = False
        self._ended = threading.Event()
        self._beat = 0
        self._answered = time.monotonic()  # when the store last did
        self._failing: tuple[float, str] | None = None  # since when, why this rank has failed
        self._heard = ""  # why another one has
        self._looked = 0.0  # when it was last found out who is missing
        self._beats: list[int] = []  # of all ranks then
        self._threads = [
            threading.Thread(target=target, name=f"wspace{target.__name__}", daemon=True)
            for target in (self._talk, self._guard)
        ]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Post nothing more."""
        self._ended.set()
        for thread in self._threads:
            thread.join(2 * LOOK_SECONDS)  # one may wait for a store that stands still

    def fail(self, message: str) -> str:
        """Tell all ranks that this one cannot go on, and wait a little until rank 0 has said so.

        Returns:
            What is to be printed here: the message of the first rank that failed, on rank 0, once.
            On another rank nothing, unless the message is its own and rank 0 is gone.
        """
        self._failing = time.monotonic(), message
        try:
            first = self._store.compare_set("failed", "", message).decode()
        except RuntimeError:  # the store is gone, and with it who would hear of it
            return "" if self._heard else message
        if self._rank == 0:
            return first if self._first_to_tell() else ""
        return message if first == message and not self._told_soon() else ""

    def look_for_failure(self) -> str:
        """Why another rank has failed, which may become known a moment after it is gone."""
        until = time.monotonic() + GRACE_SECONDS
        with contextlib.suppress(RuntimeError):  # the store may be gone as well
            while not self._heard and time.monotonic() < until:
                if failed := self._failed():
                    return failed
                time.sleep(0.05)
        return self._heard

    def _has(self, key: str) -> bool:
        """Whether somebody has posted that."""
        found = self._store.check([key])
        self._answered = time.monotonic()
        return found

    def _failed(self) -> str:
        return self._store.get("failed").decode() if self._has("failed") else ""

    def _told_soon(self) -> bool:
        """Whether rank 0 says within a little while what went wrong."""
        until = time.monotonic() + TOLD_SECONDS
        with contextlib.suppress(RuntimeError):
            while time.monotonic() < until:
                if self._has("told"):
                    return True
                time.sleep(0.05)
        return False

    def _first_to_tell(self) -> bool:
        """On rank 0: whether nobody has printed the failure yet; from now on somebody has."""
        with self._telling:
            first, self._has_told = not self._has_told, True
        with contextlib.suppress(RuntimeError):
            self._store.set("told", "1")
        return first

    def _talk(self) -> None:
        """Post and look, until the end or as long as the store answers."""
        with contextlib.suppress(RuntimeError):  # it is gone: it would not come back
            self._post()
            while not self._ended.wait(LOOK_SECONDS):
                self._post()
                if failed := self._failed():
                    self._leave(failed)
                if self._waits_too_long() and (missing := self._who_is_missing()):
                    failed = self._store.compare_set("failed", "", missing).decode()
                    self._leave(failed, own=failed == missing)

    def _guard(self) -> None:
        """End the process where the others cannot do it any more."""
        while not self._ended.wait(LOOK_SECONDS):
            now = time.monotonic()
            if now - self._answered < ANSWER_SECONDS:
                continue
            if self._failing is not None and now - self._failing[0] > ANSWER_SECONDS:
                _write_and_exit(self._failing[1])
            if self._waits_too_long():
                _write_and_exit(
                    f"after {self._patience():g} s: rank {self._rank} waits at "
                    f"{self._place().where}, and the process that keeps the messages of all does "
                    "not answer (torchrun's first one, or rank 0): look at its machine."
                )

    def _leave(self, failed: str, *, own: bool = False) -> None:
        """End the process, which may wait for one that never comes, if it does not by itself.

        Rank 0, with which the store may go, is the last.

        Args:
            failed: why.
            own: it is this rank that has found out; it says so where rank 0 does not.
        """
        self._heard = failed
        if self._first_to_tell() if self._rank == 0 else own and not self._told_soon():
            _write(failed)
        if not self._ended.wait(GRACE_SECONDS + (0 if self._rank else 2 * LOOK_SECONDS)):
            os._exit(2)

    def _post(self) -> None:
        place = self._place()
        stands = {
            "where": place.where,
            "seconds": time.monotonic() - place.since,
            "waits": place.waits,
        }
        self._beat += 1
        self._store.set(f"at {self._rank}", f"{self._beat} {json.dumps(stands)}")

    def _read(self, rank: int) -> tuple[int, dict[str, Any]]:
        """How often a rank has posted, and what it has posted last."""
        if not self._has(f"at {rank}"):
            return 0, {}
        beat, _, at = self._store.get(f"at {rank}").decode().partition(" ")
        return int(beat), json.loads(at)

    def _waits_too_long(self) -> bool:
        """For the others, since it came here or since it has looked last."""
        place = self._place()
        since = max(place.since, self._looked)
        return place.waits and time.monotonic() - since > self._patience()

    def _who_is_missing(self) -> str:
        """One line: which rank waits where, and which one does not come.

        Nothing where they have come in the meantime, or may take as long as they like and post
        that they are there.
        """
        place, earlier = self._place(), self._beats
        before = self._beats = [self._read(rank)[0] for rank in range(self._world_size)]
        self._looked = time.monotonic()
        pairs = zip(before, earlier, strict=True) if earlier else ()
        if not place.limited and all(now != then for now, then in pairs):
            return ""
        for _ in range(3):
            time.sleep(LOOK_SECONDS)
            self._post()
            if self._failed() or self._place() != place:
                return ""
        missing: list[str] = []
        waiting: dict[str, list[int]] = {}
        for rank, then in enumerate(before):
            now, at = self._read(rank)
            if at.get("waits") and now != then:
                waiting.setdefault(at["where"], []).append(rank)
                continue
            there = f"waits at {at['where']}" if at.get("waits") else f"is {at.get('where')}"
            seconds = f" for {at['seconds']:.0f} s" if at else ""
            silent = ", and its process does not answer" if now == then else ""
            missing.append(f"rank {rank} {there if at else 'is nowhere'}{seconds}{silent}")
        wait = [f"{_named(ranks)} at {where}" for where, ranks in waiting.items()]
        more = [f"{len(missing) - NAMED} more"] if len(missing) > NAMED else []
        return (
            f"after {self._patience():g} s: {'; '.join(missing[:NAMED] + more + wait)}: look at "
            "what holds it up (a slow disk, a machine that stands still), or allow more time by "
            "--set processes.timeout_seconds=."
        )


@contextlib.contextmanager
def following() -> Iterator[None]:
    """Within it this process ends where torchrun's agent was killed: nobody else would stop it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    agent, ended = os.getppid(), threading.Event()

    def follow() -> None:
        while not ended.wait(LOOK_SECONDS):
            if os.getppid() != agent:
                os.kill(os.getpid(), signal.SIGTERM)  # training saves then
                if not ended.wait(ORPHAN_SECONDS):
                    os._exit(2)
                return

    thread = threading.Thread(target=follow, name="wspace_follow", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _named(ranks: list[int]) -> str:
    """Such as ``rank 3 waits`` or ``ranks 0, 2 and 510 more wait``."""
    if len(ranks) == 1:
        return f"rank {ranks[0]} waits"
    more = f" and {len(ranks) - NAMED} more" if len(ranks) > NAMED else ""
    return f"ranks {', '.join(map(str, ranks[:NAMED]))}{more} wait"


def _write(failed: str) -> None:
    os.write(2, f"wspace: {failed}\n".encode())


def _write_and_exit(failed: str) -> None:
    _write(failed)
    os._exit(2)
