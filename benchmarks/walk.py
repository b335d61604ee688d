"""Compares the rate of a walk, film and all, with the rate of plain rendering.

    python benchmarks/walk.py MODEL [--frames 240] [--rounds 3]

Rounds alternate, and CPU seconds are shown beside the clock's, so that other work on the machine
does not decide.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import wspace
from wspace.rendering.film import write_walks
from wspace.rendering.render import default_batch_size
from wspace.steering.interpolation import walk_recipes


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Clock and CPU seconds of a call."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--frames", type=int, default=240)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    generator = wspace.load(arguments.model)
    plain = wspace.recipes(seeds=range(arguments.frames), psi=0.7)
    size = default_batch_size(generator)
    wspace.render(generator, plain[: 2 * size])

    def walk(path: Path) -> None:
        keys = wspace.recipes(seeds=[1, 2, 3], psi=0.7)
        recipes = walk_recipes(generator, keys, arguments.frames, loop=True)
        write_walks(generator, [recipes], path)

    raw, films = [], []
    with tempfile.TemporaryDirectory() as folder:
        walk(Path(folder) / "first.mp4")
        for _ in range(arguments.rounds):
            raw.append(seconds(lambda: wspace.render(generator, plain)))
            films.append(seconds(lambda: walk(Path(folder) / "walk.mp4")))
    best_raw, best_film = (
        [min(times[i] for times in rounds) for i in (0, 1)] for rounds in (raw, films)
    )
    print(
        json.dumps(
            {
                "model": generator.name,
                "resolution": generator.resolution,
                "frames": arguments.frames,
                "raw_per_second": round(arguments.frames / best_raw[0], 2),
                "walk_per_second": round(arguments.frames / best_film[0], 2),
                "walk_share_of_raw_by_clock": round(best_raw[0] / best_film[0], 3),
                "walk_share_of_raw_by_cpu": round(best_raw[1] / best_film[1], 3),
            }
        )
    )


if __name__ == "__main__":
    main()
