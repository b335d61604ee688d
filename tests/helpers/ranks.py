"""Several processes as torchrun starts them, on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_ranks(
    world_size: int,
    arguments: Sequence[str],
    extra: Mapping[str, str] | None = None,
    of_rank_1: Sequence[str] = (),
) -> list[subprocess.Popen[str]]:
    """Python processes, each told its rank and the leader of a session of its own.

    They have the same arguments, rank 1 some more.
    """
    shared = {
        "WORLD_SIZE": str(world_size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests/helpers")]),
    }
    return [
        subprocess.Popen(
            [sys.executable, *arguments, *(of_rank_1 if rank == 1 else ())],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)} | (extra or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for rank in range(world_size)
    ]


def ended(
    processes: list[subprocess.Popen[str]], seconds: float = 60
) -> list[tuple[int, str, str]]:
    """Status, stdout and stderr of each; none is alive afterwards, whatever happens."""
    until = time.monotonic() + seconds
    try:
        said = [one.communicate(timeout=max(until - time.monotonic(), 0.1)) for one in processes]
    finally:
        for one in processes:
            one.kill()
            one.communicate()
    return [(one.returncode, *texts) for one, texts in zip(processes, said, strict=True)]


def run_ranks(
    world_size: int,
    arguments: Sequence[str],
    extra: Mapping[str, str] | None = None,
    seconds: float = 60,
) -> list[tuple[int, str, str]]:
    """Start ranks and wait for their end: status, stdout and stderr of each."""
    return ended(start_ranks(world_size, arguments, extra), seconds)


def left_behind(processes: list[subprocess.Popen[str]], seconds: float) -> dict[int, str]:
    """What is alive so long after the first of these has ended: they, and all that they started.

    Ids, and what each of them is. None has written more than a pipe holds.
    """
    while all(one.poll() is None for one in processes):
        time.sleep(0.05)
    until = time.monotonic() + seconds
    while (found := _of_sessions([one.pid for one in processes])) and time.monotonic() < until:
        time.sleep(0.05)
        for one in processes:
            one.poll()
    return found


def _of_sessions(leaders: list[int]) -> dict[int, str]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) in leaders and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has just ended
            continue
    return found
