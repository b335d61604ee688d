"""What ``wspace bench --scaling`` measures here, and what it means for machines like this one."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from wspace.bench.hardware import describe_machine
from wspace.bench.reducing import Reducing, measure_reducing
from wspace.bench.report import BenchConfig, Say, networks_of, precisions_of, train_configs
from wspace.bench.scaling import Cluster, Link, Prediction, predict
from wspace.bench.step_costs import Cost, StepCosts, costs_by_batch
from wspace.bench.timing import time_calls
from wspace.bench.training import TrainingSpeed, measure_training
from wspace.errors import WspaceError
from wspace.machine import choose_device, keep_freed_memory

__all__ = ["LINKS", "Measured", "ScalingReport", "measure_scaling"]

SECONDS = 4.0  # for each measured thing; quick: a fifth
LEAST_BATCH = 4  # a group of minibatch deviation: a worker has no less
ETHERNET_LATENCY = 50e-6  # a message of TCP between machines of one switch
LINKS = tuple(
    Link(name=name, bits=bits, latency=ETHERNET_LATENCY)
    for name, bits in (
        ("100 Mbit/s", 1e8),
        ("1 Gbit/s", 1e9),
        ("10 Gbit/s", 1e10),
        ("100 Gbit/s", 1e11),
    )
)
WORKERS = (2, 4, 8, 16, 64)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A training step on this machine, by real images.

    Attributes:
        fixed_seconds: whatever the batch.
        picture_seconds: for each real image; lazy phases by the share of steps that they run in.
        draw_seconds: for each byte of random numbers.
    """

    fixed_seconds: float
    picture_seconds: float
    draw_seconds: float = 0.0

    @classmethod
    def between(
        cls, small: tuple[int, float], large: tuple[int, float], *, draw_seconds: float = 0.0
    ) -> Measured:
        """The line through two measured steps, each of (real images, seconds)."""
        slope = (large[1] - small[1]) / (large[0] - small[0])
        slope = min(max(slope, 0.0), large[1] / large[0])  # clocks are not exact
        fixed = large[1] - slope * large[0]
        return cls(fixed_seconds=fixed, picture_seconds=slope, draw_seconds=draw_seconds)

    def seconds(self, costs: StepCosts) -> float:
        """Of a step."""
        others = costs.phases.get("draws of others", Cost()).bytes
        own = self.fixed_seconds + self.picture_seconds * costs.batch
        return own + self.draw_seconds * others


@dataclass(frozen=True, kw_only=True)
class ScalingReport:
    """What was measured and what is predicted.

    Attributes:
        machine: see `describe_machine`.
        model: the networks' name.
        precision: of training.
        batch: real images in the larger measured step.
        costs: of that step, counted.
        steps: seconds of a step by its real images, measured.
        reducing: gradients between processes of this machine.
        each: predictions, ``batch`` images for each worker, by the link's name.
        split: predictions, ``batch`` images for all of them together, likewise.
    """

    machine: dict[str, Any]
    model: str
    precision: str
    batch: int
    costs: StepCosts
    steps: dict[int, float]
    reducing: Reducing
    each: dict[str, list[Prediction]]
    split: dict[str, list[Prediction]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        data = dataclasses.asdict(self)
        data["costs"]["step"] = dataclasses.asdict(self.costs.step)
        for name in ("each", "split"):
            for link, predictions in getattr(self, name).items():
                for entry, prediction in zip(data[name][link], predictions, strict=True):
                    shared = prediction.busy_share if name == "each" else prediction.efficiency
                    entry["efficiency"] = shared
                    entry["pictures_per_second"] = prediction.pictures_per_second
        return data


def measure_scaling(config: BenchConfig, say: Say = lambda _: None) -> ScalingReport:
    """Measure a step and a reduction on this machine, and predict what more of it would do.

    Args:
        config: which networks; ``train_batch`` is the batch of each machine.
        say: told what is being measured.

    Raises:
        WspaceError: there is no such model or device; the model has no discriminator to train with;
            the batch is too small to be split.
    """
    if config.train_batch <= LEAST_BATCH:
        raise WspaceError(
            f"train_batch={config.train_batch} cannot be split: give a multiple of {LEAST_BATCH} "
            f"above {LEAST_BATCH}, as --train-batch {4 * LEAST_BATCH}."
        )
    keep_freed_memory()
    device = choose_device(config.device)
    generator, discriminator, name = networks_of(config)
    if discriminator is None:
        raise WspaceError(
            f"{config.model} has no discriminator, so nothing says how it was trained: measure a "
            "preset, as --preset compact."
        )
    networks = generator.config, discriminator
    precision = precisions_of(config, device)[0][-1]
    seconds = SECONDS / 5 if config.quick else SECONDS
    speeds: dict[int, TrainingSpeed] = {}
    for batch in (LEAST_BATCH, config.train_batch):
        say(f"training, {precision}, batch {batch}")
        own = dataclasses.replace(config, train_batch=batch)
        (train,) = train_configs(own, name, [precision], ["folded"], device)
        speeds[batch] = measure_training(networks, train, seconds=seconds)
    steps = {batch: batch / speed.pictures_per_second for batch, speed in speeds.items()}
    measured = Measured.between(*steps.items(), draw_seconds=_draw_seconds(device))
    say("operations and bytes of a step")
    costs = costs_by_batch(networks, train.adversarial)
    whole = costs(config.train_batch)
    say("gradients between two processes of this machine")
    reducing = measure_reducing(device, max(whole.reduced_bytes), seconds=seconds / 4)
    each, split = _predictions(costs, measured, reducing, config.train_batch)
    return ScalingReport(
        machine=describe_machine(device),
        model=generator.name,
        precision=precision,
        batch=config.train_batch,
        costs=whole,
        steps=steps,
        reducing=reducing,
        each=each,
        split=split,
    )


def _draw_seconds(device: torch.device) -> float:
    """Of a byte of random numbers."""
    random = torch.Generator(device)
    call = functools.partial(torch.randn, 2**18, generator=random, device=device)
    return time_calls(call, device, seconds=0.0, least=5).best / 2**20


def _predictions(
    costs: Callable[[int], StepCosts], measured: Measured, reducing: Reducing, batch: int
) -> tuple[dict[str, list[Prediction]], dict[str, list[Prediction]]]:
    """By the link's name: a batch for each worker, and one for all of them."""
    each: dict[str, list[Prediction]] = {}
    split: dict[str, list[Prediction]] = {}
    for link in LINKS:
        own = dataclasses.replace(
            link.beside(reducing.bits), latency=link.latency + reducing.latency
        )
        cluster = Cluster(per_machine=1, within=own, between=own)
        go = functools.partial(predict, costs, measured.seconds, cluster)
        each[link.name] = [go(workers=p, batch=p * batch) for p in WORKERS]
        split[link.name] = [
            go(workers=p, batch=batch) for p in WORKERS if batch % (p * LEAST_BATCH) == 0
        ]
    return each, split
