"""Training by 1, 2 and 4 processes beside each other: python benchmarks/agreement.py DATA.

One process trains on DATA (pictures of 8² or so) by the small preset at its own rates, through all
objectives of the default recipe, and by the preset's own discriminator with R1 and path length,
with and without augmentation. From a checkpoint of each objective 1, 2 and 4 processes go on for 50
steps, and their losses are compared with those of one process.

A GAN makes a rounding error larger with every step. How much is said by one process more, whose
weights are moved by their last bit. That rounding is all of the difference is said by --double:
the same, with whatever is float32 in twice as many bits.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wspace.group import joined
from wspace.training import loop
from wspace.training.config import ONE_STAGE, TrainConfig
from wspace.training.run.checkpoint import load_checkpoint, save_checkpoint

BATCH = 16  # four for each of four processes
STEPS = 50
SHOWN = (1, 10, STEPS)  # differences are told up to these steps
LEAST = 1e-3  # a loss below it counts as large as this
COUNTS = (1, 2, 4)
MOVED = "one, a last bit moved"

# By recipe: what is set, and the objectives by the step that they are compared from.
PRESETS_OWN: dict[str, Any] = {
    **ONE_STAGE,
    "discriminator": "preset",
    "path_length_weight": 2.0,
    "augment": "none",
}
RECIPES: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "stages": (
        {
            "reconstruction.kimg": 2 * STEPS * BATCH / 1000,
            "matching.kimg": 2 * STEPS * BATCH / 1000,
            "flow_share": 0.5,
        },
        {
            "reconstruction": STEPS,
            "flow": 2 * STEPS,
            "matching": 3 * STEPS,
            "adversarial, projected": 4 * STEPS,
        },
    ),
    "preset": (PRESETS_OWN, {"adversarial, preset's own": STEPS}),
    "ada": (
        PRESETS_OWN | {"augment": "ada", "augment_strength": 0.3, "augment_kimg": 20.0},
        {"the same, augmented": STEPS},
    ),
}


class EnoughError(BaseException):
    """Ends a run without another word."""


@contextlib.contextmanager
def in_double(on: bool) -> Iterator[None]:
    """Within it float32 is float64, for all that is made and computed."""
    if not on:
        yield
        return
    single, to_single = torch.float32, Tensor.float
    torch.set_default_dtype(torch.float64)
    torch.float32, Tensor.float = torch.float64, Tensor.double  # type: ignore[misc, assignment]
    try:
        yield
    finally:
        torch.float32, Tensor.float = single, to_single  # type: ignore[misc, method-assign]
        torch.set_default_dtype(single)


def config_of(data: str, recipe: str) -> TrainConfig:
    settings, objectives = RECIPES[recipe]
    steps = max(objectives.values()) + 2 * STEPS  # rates fall to the end, which is not reached
    return TrainConfig(
        data=data,
        preset="small",
        batch_size=BATCH,
        total_kimg=steps * BATCH / 1000,
        checkpoint_kimg=STEPS * BATCH / 1000,
        keep_checkpoints=20,
        snapshot_kimg=1000.0,
        measure=False,
        report=False,
        labels=False,
        compile="off",
        precision="fp32",
        device="cpu",
        **settings,
    )


def losses_of(run: Callable[[loop.Report], object], steps: int) -> list[dict[str, float]]:
    """Losses of the first steps of a run, which then ends without another word."""
    found: list[dict[str, float]] = []

    def report(progress: loop.Progress) -> None:
        if progress.last is not None:
            if len(found) == steps:  # the last of them is saved by now
                raise EnoughError
            found.append(dict(progress.last.losses))

    with contextlib.suppress(EnoughError):
        run(report)
    return found


def begin(data: str, folder: Path) -> None:
    """Runs of all recipes, as far as their last objectives."""
    for recipe, (_, objectives) in RECIPES.items():
        start = functools.partial(loop.start, config_of(data, recipe), folder / recipe)
        losses_of(start, max(objectives.values()))


def go_on(folder: Path, steps: int) -> dict[str, list[dict[str, float]]]:
    """Losses of so many steps by objective, of the runs that lie in a folder by its name."""
    found = {}
    with joined():
        for run in sorted(folder.iterdir()):
            found[run.name] = losses_of(functools.partial(loop.resume, run), steps)
    return found


def processes(count: int, words: list[str]) -> Any:
    """What rank 0 of so many processes prints that run this script with other words."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    shared = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    started = [
        subprocess.Popen(
            [sys.executable, __file__, *words],
            env=os.environ | shared | {"RANK": str(rank), "WORLD_SIZE": str(count)},
            stdout=subprocess.PIPE,
        )
        for rank in range(count)
    ]
    said = [one.communicate()[0] for one in started]
    assert not any(one.returncode for one in started)
    return json.loads(said[0])


def copy_at(run: Path, step: int, place: Path, *, moved: bool) -> None:
    """A run folder with no checkpoint but that of a step; on demand moved by its last bits."""
    shutil.copytree(run, place, ignore=shutil.ignore_patterns("checkpoints", "log.jsonl"))
    name = f"kimg-{step * BATCH / 1000:010.3f}"
    if not moved:
        shutil.copytree(run / "checkpoints" / name, place / "checkpoints" / name)
        return
    saved = load_checkpoint(run / "checkpoints" / name)
    chance = torch.Generator().manual_seed(0)
    for part in ("generator", "discriminator", "autoencoder", "flow"):
        for tensor in saved["state"].get(part, {}).values():
            if tensor.is_floating_point():
                up = torch.rand(tensor.shape, generator=chance, device="cpu") < 0.5
                limit = torch.where(up, torch.inf, -torch.inf).to(tensor.dtype)
                moved_to = torch.nextafter(tensor, limit)
                tensor.copy_(torch.where(tensor == 0, tensor, moved_to))  # 0: nothing yet
    folder = place / "checkpoints"
    save_checkpoint(folder, saved, kimg=step * BATCH / 1000, keep=1, keep_every=0)


def furthest(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> float:
    """The largest relative difference of any loss."""
    assert [list(one) for one in ours] == [list(one) for one in theirs]
    return max(
        abs(one[name] - other[name]) / max(abs(other[name]), LEAST)
        for one, other in zip(ours, theirs, strict=True)
        for name in one
    )


def compare(data: str, folder: Path, steps: int, *, double: bool) -> Iterator[dict[str, Any]]:
    """A row for each objective, and for what is compared with one process."""
    words = [data, "--steps", str(steps), *(["--double"] if double else [])]
    begun = folder / "begun"
    processes(1, [*words, "--begin", str(begun)])
    alone: dict[str, list[dict[str, float]]] = {}
    for who in (*COUNTS, MOVED):
        place = folder / f"of {who}"
        for recipe, (_, objectives) in RECIPES.items():
            (run,) = (begun / recipe).iterdir()
            for objective, step in objectives.items():
                copy_at(run, step, place / objective, moved=who == MOVED)
        found = processes(who if isinstance(who, int) else 1, [*words, "--go-on", str(place)])
        alone = alone or found
        for objective, ours in found.items() if who != 1 else ():
            assert len(ours) == steps
            yield {
                "type": "float64" if double else "float32",
                "objective": objective,
                "losses": sorted({name for one in ours for name in one}),
                "beside one process": who,
                **{
                    f"to step {n}": furthest(ours[:n], alone[objective][:n])
                    for n in SHOWN
                    if n <= steps
                },
            }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--double", action="store_true", help="in float64")
    parser.add_argument("--steps", type=int, default=STEPS, help="to compare, 50 at most")
    parser.add_argument("--begin", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--go-on", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.begin is not None or arguments.go_on is not None:
        with in_double(arguments.double):
            if arguments.begin is not None:
                begin(arguments.data, arguments.begin)
            found = None if arguments.go_on is None else go_on(arguments.go_on, arguments.steps)
        print(json.dumps(found))
        return
    with tempfile.TemporaryDirectory() as folder:
        for row in compare(arguments.data, Path(folder), arguments.steps, double=arguments.double):
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
