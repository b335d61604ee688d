"""How fast a network trains: whole steps, and what they are made of."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from wspace.bench.timing import PeakMemory, gflop_of, time_calls, waiter
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import DiscriminatorConfig, GeneratorConfig
from wspace.training.config import ONE_STAGE, TrainConfig
from wspace.training.state import TrainingState

__all__ = ["TrainingSpeed", "measure_training"]


@dataclass(frozen=True, kw_only=True)
class TrainingSpeed:
    """Speed of training steps; a regulariser counts by the share of steps that it runs in.

    Attributes:
        precision: "fp32" or "bf16".
        path: "eager" or "compiled".
        batch: real images a step.
        pictures_per_second: real images, with the fastest plain step.
        cpu_seconds_per_picture: processor seconds, all threads together.
        step_seconds: of the fastest step without regularisers.
        section_seconds: by the names of `SECTIONS`, on a step where all of them run.
        regularizer_seconds: what R1, and path length where it is on, add to a step that has them.
        gflop_per_picture: 10⁹ floating-point operations, regularisers at their share.
        gflops: such operations a second.
        peak_memory_gib: see `PeakMemory`.
    """

    precision: str
    path: str
    batch: int
    pictures_per_second: float
    cpu_seconds_per_picture: float
    step_seconds: float
    section_seconds: dict[str, float]
    regularizer_seconds: dict[str, float]
    gflop_per_picture: float
    gflops: float
    peak_memory_gib: float


def measure_training(
    networks: tuple[GeneratorConfig, DiscriminatorConfig],
    config: TrainConfig,
    *,
    seconds: float,
) -> TrainingSpeed:
    """Train freshly initialised networks against each other on noise, whatever stages a run has.

    Args:
        networks: generator and discriminator.
        config: precision, compile and device decided, not "auto".
        seconds: stop after this long, see `time_calls`.
    """
    device = torch.device(config.device)
    gflop = _gflop_per_picture(networks, config, device)
    memory = PeakMemory(device)
    steps = _Steps(networks, config, device)
    steps.with_regularizers()  # warms up; the optimizers make their moments
    sections = steps.section_seconds()
    timing = time_calls(steps.plain, device, seconds=seconds, least=2)
    regularizers = {name: sections[name] for name in steps.intervals}
    extra = sum(sections[name] / interval for name, interval in steps.intervals.items())
    whole = timing.best + extra
    return TrainingSpeed(
        precision=config.precision,
        path="compiled" if config.compile == "on" else "eager",
        batch=config.batch_size,
        pictures_per_second=config.batch_size / whole,
        # regularisers keep as many cores busy as plain steps do
        cpu_seconds_per_picture=timing.best_cpu * whole / timing.best / config.batch_size,
        step_seconds=timing.best,
        section_seconds=sections,
        regularizer_seconds=regularizers,
        gflop_per_picture=gflop,
        gflops=gflop * config.batch_size / whole,
        peak_memory_gib=memory.gib(),
    )


class _Steps:
    """Training steps on the same noise, with or without lazy regularisers, repeated at will.

    Attributes:
        intervals: steps from one lazy regulariser to the next, by its section; those that run at
            every step are in plain ones, too, and not here.
    """

    def __init__(
        self,
        networks: tuple[GeneratorConfig, DiscriminatorConfig],
        config: TrainConfig,
        device: torch.device,
    ) -> None:
        generator, discriminator = build_generator(networks[0]), build_discriminator(networks[1])
        config = config.replace(**ONE_STAGE)
        self.state = TrainingState(generator, discriminator, config, device)
        own = config.adversarial
        lazy = {
            "r1": own.r1_interval if self.state.adversarial.r1_gamma else 1,
            "path length": own.path_length_interval if own.path_length_weight else 1,
        }
        self.intervals = {name: interval for name, interval in lazy.items() if interval > 1}
        n = config.batch_size
        self._real = torch.randn(n, generator.image_channels, *generator.size, device=device).tanh()
        classes = torch.arange(n, device=device) % max(generator.num_classes, 1)
        self._c = (
            F.one_hot(classes, generator.num_classes).float() if generator.num_classes else None
        )

    def plain(self) -> None:
        """A step without lazy regularisers."""
        self.state.step = 1
        self.state.run(self._real, self._c)

    def with_regularizers(self) -> None:
        """A step with all of them."""
        self.state.step = 0
        self.state.run(self._real, self._c)

    def section_seconds(self) -> dict[str, float]:
        """Seconds of each section of a step with all regularisers."""
        seconds: dict[str, float] = {}
        wait = waiter(self.state.device)

        @contextlib.contextmanager
        def stopwatch(name: str) -> Iterator[None]:
            start = time.perf_counter()
            yield
            wait()
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start

        context = self.state.context
        before, context.section = context.section, stopwatch
        self.with_regularizers()
        context.section = before
        return seconds


def _gflop_per_picture(
    networks: tuple[GeneratorConfig, DiscriminatorConfig],
    config: TrainConfig,
    device: torch.device,
) -> float:
    """Operations a real picture, counted on a small uncompiled batch."""
    small = dataclasses.replace(config, batch_size=4, compile="off", precision="fp32")
    steps = _Steps(networks, small, device)
    plain, whole = gflop_of(steps.plain), gflop_of(steps.with_regularizers)
    steps.state.adversarial.r1_gamma = 0.0
    without_r1 = gflop_of(steps.with_regularizers)
    parts = {"r1": whole - without_r1, "path length": without_r1 - plain}
    lazy = sum(parts[name] / interval for name, interval in steps.intervals.items())
    return (plain + lazy) / small.batch_size
