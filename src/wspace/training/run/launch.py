"""Runs that torchrun starts anew: which run folder the same launch has begun.

When a worker dies, torchrun starts all of them again with the command that they had. It names no
run folder, so a run remembers the launch that it belongs to.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
from pathlib import Path

from wspace.errors import WspaceError
from wspace.files import atomic_write_text, read_limited
from wspace.training.run.command import COMMAND_FILE

__all__ = ["begun_run", "forget_launch", "remember_launch"]

LAUNCH_FILE = "launch.json"  # in the run folder, until the run is over
MAX_BYTES = 2**16


def begun_run(out: Path, command: str) -> Path | None:
    """The run that an earlier start of this launch has begun, and not finished.

    A launch is one of ``--rdzv-id``, if that was given, also where a scheduler has started torchrun
    anew; else what one torchrun starts, which is known where it is not the first time.

    Args:
        out: where run folders lie.
        command: that the run was started with.
    """
    launch = _launch()
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    if launch is None or (restarts == "0" and not _has_a_name()):
        return None
    for path in sorted(out.glob(f"*/{LAUNCH_FILE}"), reverse=True):
        with contextlib.suppress(WspaceError, OSError, ValueError):
            same = json.loads(read_limited(path, MAX_BYTES)) == launch
            told = read_limited(path.with_name(COMMAND_FILE), MAX_BYTES).decode()
            if same and told == command + "\n":
                return path.parent
    return None


def remember_launch(run: Path) -> None:
    """Note which launch a run belongs to, where torchrun has started it; raises WspaceError."""
    if (launch := _launch()) is not None:
        atomic_write_text(run / LAUNCH_FILE, json.dumps(launch) + "\n")


def forget_launch(run: Path) -> None:
    """The run has ended as it should: the same launch begins another one."""
    with contextlib.suppress(OSError):
        (run / LAUNCH_FILE).unlink(missing_ok=True)


def _has_a_name() -> bool:
    """Whether the launch has an ``--rdzv-id``, or one of its own by ``--standalone``."""
    return os.environ.get("TORCHELASTIC_RUN_ID", "none") != "none"


def _launch() -> dict[str, str] | None:
    """What tells this launch from others; None where torchrun has not started this process."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    if name is None:
        return None
    if _has_a_name():
        return {"id": name}
    return {"agent": f"{os.getppid()} on {socket.gethostname()}"}
