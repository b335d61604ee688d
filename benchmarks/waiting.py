"""How much of a training run's time its data takes: python benchmarks/waiting.py DATA.

A real run on DATA, in a folder that is thrown away; pictures are fetched, turned into numbers and
mirrored between steps, so all the time that takes is time that training waits.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from wspace.training import loop, session
from wspace.training.config import TrainConfig


class TimedSession(session.Session):
    """A session that adds up how long its batches take."""

    waited = 0.0
    batches = 0
    first = 0.0

    def next_batch(self) -> Any:
        start = time.perf_counter()
        batch = super().next_batch()
        if TimedSession.batches == 0:
            TimedSession.first = start
        TimedSession.waited += time.perf_counter() - start
        TimedSession.batches += 1
        return batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("--preset", default="compact")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, help="of torch")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    loop.Session = TimedSession  # type: ignore[misc]
    config = TrainConfig(
        data=arguments.data,
        preset=arguments.preset,
        batch_size=arguments.batch,
        device=arguments.device,
        mirror=True,
        total_kimg=1e6,
        snapshot_kimg=1e6,
        checkpoint_kimg=1e6,
        max_seconds=arguments.seconds,
    )
    last = 0.0

    def report(progress: loop.Progress) -> None:
        nonlocal last
        if progress.last is not None:
            last = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        loop.start(config, Path(folder), report)
    whole = last - TimedSession.first
    print(
        f"{TimedSession.batches} steps of {arguments.batch} in {whole:.1f} s; data "
        f"{TimedSession.waited:.3f} s, {TimedSession.waited / whole:.2%} of the time"
    )


if __name__ == "__main__":
    main()
