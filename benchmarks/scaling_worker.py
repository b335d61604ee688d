"""What each process of `benchmarks/scaling.py` does: learn, and say what took how long."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wspace.group import Group, joined
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.presets import preset
from wspace.training.config import TrainConfig
from wspace.training.state import TrainingState

POLL_SECONDS = 0.1


def state_of(name: str, side: int, batch: int, group: Group) -> TrainingState:
    """Fresh networks, the same in every process."""
    torch.manual_seed(0)
    generator, discriminator = preset(name, resolution=side)
    networks = build_generator(generator), build_discriminator(discriminator)
    config = TrainConfig(
        preset=name,
        discriminator="preset",
        batch_size=batch,
        precision="fp32",
        compile="off",
        device="cpu",
        total_kimg=1000.0,
        **{"reconstruction.weight": 0.0, "reconstruction.share": 0.0, "matching.share": 0.0},
    )
    return TrainingState(*networks, config, torch.device("cpu"), 0, group)


class Clock:
    """Where the time of steps goes: work, waiting for the slowest process, and reducing."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.reduce_seconds = self.reduce_cpu = self.wait_seconds = 0.0
        self._average = group.average
        group.average = self.average  # type: ignore[method-assign]

    def average(self, tensors: Sequence[Tensor], where: str) -> None:
        """Gradients, once all processes have come to that."""
        start = time.perf_counter()
        self.group.barrier("the slowest")
        here, cpu = time.perf_counter(), time.process_time()
        self._average(tensors, where)
        self.group.barrier("the last")
        done = time.perf_counter()
        self.reduce_cpu += time.process_time() - cpu
        self.wait_seconds += here - start
        self.reduce_seconds += done - here


def measure(state: TrainingState, group: Group, clock: Clock, steps: int) -> dict[str, Any]:
    """Steps without lazy regularisers: medians of seconds, and the least of each.

    "work" is processor time, which others on the same core do not add to.
    """
    share = state.batch_size // group.world_size
    channels, size = state.generator.image_channels, state.generator.size
    whole = torch.randn(
        state.batch_size, channels, *size, generator=torch.Generator().manual_seed(1)
    ).tanh()
    real = group.own(whole).contiguous()
    assert len(real) == share
    rows = []
    for _ in range(steps + 1):
        state.step = 1
        clock.reduce_seconds = clock.reduce_cpu = clock.wait_seconds = 0.0
        wall, cpu = time.perf_counter(), time.process_time()
        state.run(real, None)
        rows.append(
            {
                "wall": time.perf_counter() - wall,
                "reduce": clock.reduce_seconds,
                "wait": clock.wait_seconds,
                "work": time.process_time() - cpu - clock.reduce_cpu,
            }
        )
    rows = rows[1:]  # the first makes moments and buffers
    found = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    return found | {f"least {name}": min(row[name] for row in rows) for name in rows[0]}


def losses(state: TrainingState, group: Group, steps: int) -> list[dict[str, float]]:
    """What so many steps measure, on noise that is the same for any number of processes."""
    channels, size = state.generator.image_channels, state.generator.size
    random = torch.Generator().manual_seed(2)
    found = []
    for _ in range(steps):
        whole = torch.randn(state.batch_size, channels, *size, generator=random).tanh()
        found.append(state.run(group.own(whole).contiguous(), None).losses)
    return found


def jolted(state: TrainingState) -> TrainingState:
    """The same networks, but for rounding: every weight moved by about its last bit."""
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for network in (state.generator, state.discriminator):
            for parameter in network.parameters():
                drawn = torch.randn(parameter.shape, generator=random)
                parameter.mul_(1 + torch.finfo(torch.float32).eps * drawn)
    return state


def main() -> None:
    """NAME SIDE BATCH STEPS FOLDER LINKS: losses, then steps at each link that FOLDER asks for.

    Rank 0 writes FOLDER/losses.json, and FOLDER/N.json when FOLDER/N.go is there.
    """
    name, side, batch, steps, folder, links = (
        sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]),
        int(sys.argv[6]),
    )  # fmt: skip
    with joined() as group:
        state = state_of(name, side, batch, group)
        found: Any = losses(state, group, steps)
        if group.is_first:
            (folder / "losses.json").write_text(json.dumps(found))
        if group.alone:
            found = losses(jolted(state_of(name, side, batch, group)), group, steps)
            (folder / "jolted.json").write_text(json.dumps(found))
        state = state_of(name, side, batch, group)
        clock = Clock(group)
        for number in range(links):
            while group.is_first and not (folder / f"{number}.go").exists():
                time.sleep(POLL_SECONDS)
            group.barrier("the next link", limited=False)
            found = group.gather(measure(state, group, clock, steps), "what was measured")
            if group.is_first:
                (folder / f"{number}.part").write_text(json.dumps(found))
                (folder / f"{number}.part").rename(folder / f"{number}.json")


if __name__ == "__main__":
    main()
