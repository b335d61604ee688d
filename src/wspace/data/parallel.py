"""Work on all cores: a function over many items, results in order; processes that wait for work."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import types
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

from wspace.errors import WspaceError

__all__ = ["WorkerPool", "num_cores", "ordered_map"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(
    function: Callable[[Sequence[Item]], list[Result]],
    items: Sequence[Item],
    *,
    workers: int | None = None,
    chunk: int = 32,
) -> Iterator[Result]:
    """Yield the results of all items, in the order of the items.

    Args:
        function: maps a chunk of items to a list of as many results; it must be picklable and lie
            in a module that can be imported, as the processes are spawned.
        items: what to map.
        workers: processes; by default one a core, and none for a single chunk, which is mapped in
            this process.
        chunk: items that go to a process at a time.

    Raises:
        WspaceError: a process was killed, for instance for want of memory.
        Exception: whatever ``function`` raises; what has not started is cancelled.
    """
    chunks = [items[start : start + chunk] for start in range(0, len(items), chunk)]
    workers = min(num_cores() if workers is None else workers, len(chunks))
    if workers <= 1:
        for part in chunks:
            yield from function(part)
        return
    pool = WorkerPool(workers)
    try:
        todo = iter(chunks)
        # A bounded window: results that nobody has taken yet must not fill the memory.
        running: deque[Future[list[Result]]] = deque()
        while True:
            room = 4 * workers - len(running)
            running.extend(pool.submit(function, part) for part in islice(todo, room))
            if not running:
                return
            yield from running.popleft().result()
    except BrokenProcessPool:
        raise WspaceError(
            "a worker process was killed, most likely because memory ran out: close other programs "
            "or use --workers 1."
        ) from None
    finally:
        pool.close()


class WorkerPool:
    """Processes that do what they are given, in the order in which it is; they end with this one.

    Args:
        workers: how many; they start when they are first needed.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ProcessPoolExecutor(
            workers, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
        )

    def submit(self, function: Callable[..., Result], *arguments: object) -> Future[Result]:
        """Have a function called, which must be picklable as in `ordered_map`.

        Raises:
            BrokenProcessPool: a process was killed; so do results that are not there yet.
        """
        with _without_main():
            return self._pool.submit(function, *arguments)

    def close(self) -> None:
        """End the processes; what has not started is cancelled."""
        self._pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Processes that start here do not run the caller's script again.

    A spawned process imports its parent's main module first. What is mapped never lies in there,
    and a script without ``if __name__ == "__main__"`` would begin anew in every process.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    warnings.simplefilter("ignore")  # decoders' remarks would tear the progress bar


def _end_with_parent() -> None:
    """A process that is killed tells nobody, and its workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
