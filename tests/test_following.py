"""A process that torchrun started ends after its agent: nobody else would end it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from ranks import ROOT

AGENT = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", sys.argv[1]]).pid, flush=True)
time.sleep(300)
"""
WORKER = """
import time
from wspace.group import joined
with joined():
    print("here", flush=True)
    time.sleep(300)
"""

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")


@contextlib.contextmanager
def started(told: Mapping[str, str]) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """An agent with one worker, and the worker's id; neither is there afterwards."""
    shared = {"TORCHELASTIC_RUN_ID": "one", "RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    path = {"PYTHONPATH": str(ROOT / "src"), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", AGENT, WORKER],
        env=os.environ | path | shared | told,
        stdout=subprocess.PIPE,
        text=True,
    ) as agent:
        assert agent.stdout is not None
        worker = int(agent.stdout.readline())
        try:
            yield agent, worker
        finally:
            agent.kill()
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)


def has_ended(process: int, seconds: float) -> bool:
    """Whether a process ends within so many seconds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


def test_the_only_one_ends_after_its_agent() -> None:
    with started({}) as (agent, worker):
        assert agent.stdout is not None
        assert agent.stdout.readline() == "here\n"
        agent.kill()
        assert has_ended(worker, 20)


def test_one_that_still_looks_for_the_others_does_so_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as meeting:
        meeting.settimeout(100)
        told = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_PORT": str(meeting.getsockname()[1])}
        with started(told) as (agent, worker):
            connection, _ = meeting.accept()  # it is there, and nobody answers
            with connection:
                agent.kill()
                assert has_ended(worker, 20)
