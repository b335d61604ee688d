"""Who is served next: one piece of work at a time, and no client costs the others their turn.

torch is never asked by two at once here. Short work is done in one thread. Work that takes long has
a thread of its own, and gives its turn away between its steps: either that thread runs, or another.
Whose turn is next is decided by how long each client was served so far.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

__all__ = ["Client", "StoppedError", "Turns", "Work"]

_log = logging.getLogger(__name__)

MOST_WAITING = 64  # pieces of work of a client
MOST_LONG = 4  # of a client that have begun and not ended
MOST_LONG_IN_ALL = 16  # likewise, of all clients: each holds memory
LAG_BYTES = 16 * 2**20  # answers that a client may lie behind; until it has read on, it has no turn
LEAD_SECONDS = 0.2  # by which one client may be ahead of the others, or behind
END_SECONDS = 5.0  # that work which has begun gets to come to an end


class StoppedError(Exception):
    """Raised in long work that is to end: its client asked for that, or is gone."""


class Work:
    """Something to do for a client.

    Attributes:
        name: that the client gave it, its own number.
        slot: see `Client.add`.
        size: bytes that it holds while it waits.
    """

    def __init__(
        self,
        name: int,
        do: Callable[[Work], None],
        *,
        slot: str | None = None,
        long: bool = False,
        size: int = 0,
        drop: Callable[[], None] = lambda: None,
    ) -> None:
        """Say what is to be done.

        Args:
            name: see the attributes.
            do: is given this work, so that it can `pause`.
            slot: see the attributes.
            long: runs in a thread of its own.
            size: see the attributes.
            drop: called where it is not done, since newer work of its slot came.
        """
        self.name, self.slot, self.size, self.drop = name, slot, size, drop
        self.long = long
        self._do = do
        self._client: Client | None = None
        self._stopped = False
        self._ended = False
        self._thread: threading.Thread | None = None
        self._goes_on, self._rests = threading.Semaphore(0), threading.Semaphore(0)

    def stop(self) -> None:
        """Have it end at its next pause."""
        self._stopped = True

    @property
    def is_stopped(self) -> bool:
        """Whether it is to end."""
        return self._stopped

    def pause(self) -> None:
        """Let others have a turn, and go on when it is this one's again; of short work, nothing.

        Raises:
            StoppedError: it is to end.
        """
        if self.long:
            assert self._client is not None
            self._client.wait_again(self)
            self._rests.release()
            self._goes_on.acquire()
        if self._stopped:
            raise StoppedError

    def take_turn(self, client: Client) -> bool:
        """Do it, or long work up to its next pause; whether it has ended."""
        self._client = client
        if not self.long:
            self._do(self)
            return True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wspace-long", daemon=True)
            self._thread.start()
        else:
            self._goes_on.release()
        self._rests.acquire()
        return self._ended

    def _run(self) -> None:
        try:
            self._do(self)
        finally:
            self._ended = True
            self._rests.release()


class Client:
    """One that asks: what waits for it, and what of it has begun.

    Made by `Turns.new_client`; its methods may be called from any thread.
    """

    def __init__(self, condition: threading.Condition) -> None:
        self._condition = condition
        self._waiting: deque[Work] = deque()  # long work that has begun among it, in its turn
        self._begun: set[Work] = set()
        self._gone = False
        self._lag = 0
        self.served_seconds = 0.0

    def add(self, work: Work) -> bool:
        """Have work done after what waits already, unless too much waits: then False.

        Work of the same slot that has not begun is dropped.
        """
        with self._condition:
            stale = [
                one
                for one in self._waiting
                if work.slot is not None and one.slot == work.slot and one not in self._begun
            ]
            for one in stale:
                self._waiting.remove(one)
            taken = len(self._waiting) < MOST_WAITING and not self._gone
            if taken:
                self._waiting.append(work)
                self._condition.notify_all()
        for one in stale:
            one.drop()
        return taken

    @property
    def waiting_bytes(self) -> int:
        """What work that waits holds."""
        with self._condition:
            return sum(work.size for work in self._waiting)

    def stop(self, name: int) -> bool:
        """End long work of that name; whether there is any. What has not begun is dropped."""
        with self._condition:
            for work in self._begun:
                if work.name == name:
                    work.stop()
                    self._condition.notify_all()
                    return True
            waiting = [work for work in self._waiting if work.name == name]
            for work in waiting:
                self._waiting.remove(work)
        for work in waiting:
            work.drop()
        return bool(waiting)

    def leave(self) -> None:
        """The client is gone: nothing more is begun for it, and what has begun ends."""
        with self._condition:
            self._gone = True
            self._waiting = deque(work for work in self._waiting if work in self._begun)
            for work in self._begun:
                work.stop()
            self._condition.notify_all()

    def lies_behind(self, by: int) -> None:
        """Count bytes that were sent to it and not read yet; negative ones when it has read on."""
        with self._condition:
            self._lag += by
            self._condition.notify_all()

    def wait_again(self, work: Work) -> None:
        """Put long work that pauses behind what waits."""
        with self._condition:
            self._waiting.append(work)

    # What follows is for `Turns`, which holds the condition.

    def next_work(self, begins_long: bool) -> Work | None:
        """What is to be done next, long work only where more may begin; None where nothing can."""
        for work in self._waiting:
            if work.is_stopped:
                return work
            if self._lag > LAG_BYTES:
                continue
            new = work.long and work not in self._begun
            if new and not (begins_long and len(self._begun) < MOST_LONG):
                continue
            return work
        return None

    @property
    def long_count(self) -> int:
        """Pieces of long work that have begun."""
        return len(self._begun)

    def begin(self, work: Work) -> None:
        """Take it out of what waits."""
        self._waiting.remove(work)
        if work.long:
            self._begun.add(work)

    def end(self, work: Work) -> None:
        """Forget it."""
        self._begun.discard(work)

    @property
    def is_over(self) -> bool:
        """Whether it is gone, and nothing of it is left to end."""
        return self._gone and not self._begun and not self._waiting


class Turns:
    """Does the work of all clients, one piece at a time."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._clients: list[Client] = []
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="wspace-studio", daemon=True)
        self._thread.start()

    def new_client(self) -> Client:
        """Somebody new; as if it had been served as long as the one that was served least."""
        client = Client(self._condition)
        with self._condition:
            client.served_seconds = min((one.served_seconds for one in self._clients), default=0.0)
            self._clients.append(client)
        return client

    @property
    def clients(self) -> list[Client]:
        """Those that are there, or have work that is not ended."""
        with self._condition:
            return [client for client in self._clients if not client.is_over]

    def end(self) -> None:
        """Begin nothing more, and wait a moment for what has begun."""
        with self._condition:
            clients = list(self._clients)
            self._ended = True
            self._condition.notify_all()
        for client in clients:
            client.leave()
        self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while True:
            with self._condition:
                while (found := self._next()) is None:
                    if self._ended:
                        return
                    self._condition.wait()
                client, work = found
                client.begin(work)
            started = time.monotonic()
            try:
                ended = work.take_turn(client)
            except Exception:  # a bug in one piece of work is not the end of all
                _log.exception("work failed")
                ended = True
            with self._condition:
                client.served_seconds += time.monotonic() - started
                if ended:
                    client.end(work)

    def _next(self) -> tuple[Client, Work] | None:
        """The work of the client that was served least."""
        self._clients = [client for client in self._clients if not client.is_over]
        begins_long = sum(client.long_count for client in self._clients) < MOST_LONG_IN_ALL
        able = [
            (client, work)
            for client in self._clients
            if (work := client.next_work(begins_long)) is not None
        ]
        if not able:
            return None
        client, work = min(able, key=lambda pair: pair[0].served_seconds)
        # Who asked for nothing for a while has no claim for that time; who had a long turn (such
        # as the one in which a model was opened) need not wait for as long.
        least = client.served_seconds
        for one in self._clients:
            one.served_seconds = min(
                max(one.served_seconds, least - LEAD_SECONDS), least + LEAD_SECONDS
            )
        return client, work
