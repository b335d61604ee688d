"""Kills training processes, finishes their runs and compares them with one left in peace."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Iterable
from multiprocessing.context import ForkServerContext
from pathlib import Path

from tiny_run import BATCH, differences_of_runs, make_config, start_or_resume

from wspace.training import loop
from wspace.training.run.checkpoint import newest_checkpoint

RUN = "00000-data-compact"  # the name of the first run on tiny_run's data


def fork_server() -> ForkServerContext:
    """Starts processes that have imported everything already.

    Its server starts with the first process; until then the environment must say OMP_NUM_THREADS=1
    and have this folder in PYTHONPATH.
    """
    assert str(Path(__file__).parent) in os.environ["PYTHONPATH"].split(os.pathsep)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tiny_run"])
    return context


def kill_at_random(folder: Path, kills: int, *, steps: int) -> Counter[str]:
    """Kill -9 processes at random moments, over as many runs as that takes.

    Returns:
        Counts: "runs", "killed", "while writing a checkpoint", "compared" with a run left in
        peace, and what must be 0: "did not resume", "checkpoints lost", "torn", "differ".
    """
    context, moments = fork_server(), random.Random(0)
    count: Counter[str] = Counter()
    config = make_config(folder, steps=steps, checkpoint_kimg=2 * BATCH / 1000)
    straight = loop.start(config, folder / "straight").run
    while count["killed"] < kills:
        run = folder / f"run{count['runs']}" / RUN
        count["runs"] += 1
        status: int | None = -signal.SIGKILL
        while status == -signal.SIGKILL:
            process = context.Process(target=start_or_resume, args=(run, config.to_dict()))
            process.start()
            before = None
            if count["killed"] < kills:
                process.join(moments.uniform(0.0, 1.0))
                before, _ = newest_checkpoint(run / "checkpoints")
                process.kill()
            process.join()
            status = process.exitcode
            if status == -signal.SIGKILL:
                count["killed"] += 1
                count["while writing a checkpoint"] += _in_writing(run)
                after, torn = newest_checkpoint(run / "checkpoints")
                count["torn"] += len(torn)
                count["checkpoints lost"] += before is not None and (
                    after is None or after.name < before.name
                )
        count["did not resume"] += status != 0
        count["compared"] += 1
        count["differ"] += status != 0 or differences_of_runs(straight, _made(run)) != []
    return count


def kill_at_operations(folder: Path, operations: Iterable[int]) -> Counter[str]:
    """End a process, as a kill would, right before one of its file operations; then finish.

    Args:
        folder: everything is made in here.
        operations: which ones, counted from 1; those that a run does not reach end the count.

    Returns:
        Counts: "killed", "compared", and what must be 0: "torn", "did not resume", "differ".
    """
    context = fork_server()
    count: Counter[str] = Counter()
    config = make_config(folder, steps=3, checkpoint_kimg=BATCH / 1000, keep_checkpoints=1)
    straight = loop.start(config, folder / "straight").run
    for operation in operations:
        run = folder / f"at{operation}" / RUN
        statuses = []
        for die_at in (operation, None):
            arguments = (run, config.to_dict(), die_at)
            process = context.Process(target=start_or_resume, args=arguments)
            process.start()
            process.join()
            statuses.append(process.exitcode)
            count["torn"] += len(newest_checkpoint(run / "checkpoints")[1])
        if statuses[0] == 0:
            break
        count["killed"] += 1
        count["compared"] += 1
        count["did not resume"] += statuses != [137, 0]
        count["differ"] += differences_of_runs(straight, _made(run)) != []
    return count


def _in_writing(run: Path) -> bool:
    """Whether a kill struck while a checkpoint was written or an old one deleted."""
    folder = run / "checkpoints"
    return folder.exists() and any(path.name.startswith(".") for path in folder.iterdir())


def _made(run: Path) -> Path:
    """The run, or the next one: killed before its configuration was written it is none yet."""
    return next(p for p in sorted(run.parent.iterdir()) if (p / "config.json").exists())
