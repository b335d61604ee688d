"""The training loop: pictures in, a run folder out, resumed exactly wherever it was stopped."""

from __future__ import annotations

import dataclasses
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wspace.data.dataset import Dataset, ShuffledOrder
from wspace.errors import WspaceError
from wspace.formats.model_file import load_model_file, save
from wspace.images import from_uint8
from wspace.machine import choose_device, choose_precision, compiler_at_hand
from wspace.networks.discriminator import build_discriminator
from wspace.networks.generator import Generator, build_generator
from wspace.networks.presets import preset
from wspace.training.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint
from wspace.training.config import TrainConfig
from wspace.training.growth import grow
from wspace.training.health import HealthMonitor, picture_diversity
from wspace.training.run_folder import (
    Log,
    RunLock,
    create_run,
    read_config,
    truncate_log,
    write_config,
)
from wspace.training.samples import save_samples
from wspace.training.step import StepResult, TrainingState

__all__ = ["RESUME_CHANGES", "Outcome", "Progress", "check", "resume", "start"]

# What may change when a run goes on: where it lies and when it ends or saves, not what it computes.
RESUME_CHANGES = frozenset(
    {
        "total_kimg",
        "max_seconds",
        "data",
        "snapshot_kimg",
        "checkpoint_kimg",
        "checkpoint_minutes",
        "keep_checkpoints",
        "keep_every",
    }
)

LOG_INTERVAL_STEPS = 20
DIVERSITY_INTERVAL_STEPS = 200
# Compiling pays once it has run this long: shorter runs are over before it has paid.
COMPILE_FROM_KIMG = 100.0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands, for a live display.

    Attributes:
        kimg, total_kimg: thousands of real images seen, and to be seen.
        images_per_second: over the last steps.
        last: what the newest step measured.
        message: something to tell the user once, or None.
    """

    kimg: float
    total_kimg: float
    images_per_second: float
    last: StepResult | None = None
    message: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        run: the run folder.
        kimg: thousands of real images seen in all.
        reason: "done", "time" (max_seconds), "interrupted" (Ctrl-C) or "terminated" (SIGTERM).
    """

    run: Path
    kimg: float
    reason: str


Report = Callable[[Progress], None]


def check(config: TrainConfig) -> dict[str, Any]:
    """Everything that a run would use, decided and built once, nothing written.

    Args:
        config: as in `start`.

    Returns:
        Facts by name, for people to read: the configuration, the data, parameters.

    Raises:
        WspaceError: as `start`.
    """
    with Dataset.open(config.data, int(config.memory_budget_gb * 2**30)) as data:
        config = _decide(config, data)
        generator, discriminator = _networks(config, data)
        return config.to_dict() | {
            "pictures": len(data),
            "resolution": data.resolution,
            "r1_gamma": config.r1_gamma_for(data.resolution),
            "generator parameters": sum(p.numel() for p in generator.parameters()),
            "discriminator parameters": sum(p.numel() for p in discriminator.parameters()),
        }


def start(config: TrainConfig, out: Path, report: Report = lambda _: None) -> Outcome:
    """Start a new run.

    Args:
        config: what to train; ``config.data`` names the pictures.
        out: the run folder is made in here.
        report: called after every step and with messages.

    Raises:
        WspaceError: the data, the configuration or the folder cannot be used.
    """
    with Dataset.open(config.data, int(config.memory_budget_gb * 2**30)) as data:
        config = _decide(config, data)
        run = create_run(out, f"{data.name}-{config.preset}")
        with RunLock(run):
            write_config(run, config.to_dict() | {"fingerprint": data.fingerprint})
            return _train(config, data, run, report)


def resume(run: Path, report: Report = lambda _: None, **changes: Any) -> Outcome:
    """Go on with a run, exactly where its newest whole checkpoint stands.

    Args:
        run: the run folder.
        report: as in `start`.
        changes: fields of the configuration that may change, see `RESUME_CHANGES`; ``data`` is a
            new place of the same data. ``max_seconds`` holds for this time only.

    Raises:
        WspaceError: the folder is no run, is in use, or its data is not what it was.
    """
    saved = read_config(run)
    fingerprint = saved.pop("fingerprint", None)
    config = dataclasses.replace(TrainConfig.from_dict(saved), **({"max_seconds": None} | changes))
    with Dataset.open(config.data, int(config.memory_budget_gb * 2**30)) as data, RunLock(run):
        if data.fingerprint != fingerprint:
            raise WspaceError(
                f"{config.data} is not the data that {run} was trained on (its pictures or labels "
                "have changed): bring the old data back, or start a new run with "
                f"--from {run / 'model.safetensors'}."
            )
        write_config(run, config.to_dict() | {"fingerprint": fingerprint})
        return _train(config, data, run, report)


def _train(config: TrainConfig, data: Dataset, run: Path, report: Report) -> Outcome:
    """The loop, from the newest checkpoint (if any) to the end."""
    device = torch.device(config.device)
    torch.manual_seed(config.seed)  # the networks' first weights
    state = TrainingState(*_networks(config, data), config, device)
    order = ShuffledOrder(len(data), config.seed)
    health = HealthMonitor()
    clock = _Clock(config)

    def restore() -> bool:
        checkpoint, torn = newest_checkpoint(run / "checkpoints")
        for message in torn:
            tell(message)
        if checkpoint is None:
            return False
        saved = load_checkpoint(checkpoint)
        state.load_state_dict(saved["state"])
        order.restore(saved["order"])
        health.load_state_dict(saved["health"])
        return True

    def tell(message: str) -> None:
        report(clock.progress(state, message=message))

    def snapshot() -> None:
        metadata = _metadata(config, data, state)
        save(
            state.generator_ema,
            run / "model.safetensors",
            discriminator=state.discriminator,
            metadata=metadata,
        )
        save_samples(state.generator_ema, run / f"samples-{state.seen_images // 1000:06d}.png")

    def checkpoint() -> None:
        save_checkpoint(
            run / "checkpoints",
            {
                "state": state.state_dict(),
                "order": order.state(),
                "health": health.state_dict(),
            },
            kimg=state.seen_images / 1000,
            keep=config.keep_checkpoints,
            keep_every=config.keep_every,
        )
        clock.checkpointed(state.seen_images)

    if not restore():
        checkpoint()  # from the first moment on there is something to go back to
    truncate_log(run, state.step)
    clock.start(state.seen_images)
    with Log(run / "log.jsonl", tell) as log, _signals() as stopped:
        while not (reason := clock.over(state.seen_images) or stopped.reason):
            indices = order.next(config.batch_size)
            real = _augmented(from_uint8(data.images(indices).to(device)), config, state.random)
            c = data.one_hot(indices).to(device) if config.labels else None
            result = state.run(real, c)

            event = health.observe(
                state.step, result.losses, result.finite, result.right_real, result.right_fake
            )
            if event is not None:
                log.write({"step": state.step, "event": event.kind, "message": event.message})
                tell(event.message)
            if event is not None and event.kind == "stop":
                raise WspaceError(event.message)
            if event is not None and event.kind == "rollback":
                halved = health.state_dict()
                restore()
                health.load_state_dict(halved)
                state.halve_learning_rate()
                checkpoint()
                continue

            report(clock.progress(state, last=result))
            if state.step % LOG_INTERVAL_STEPS == 0:
                log.write(clock.record(state, result))
            if state.step % DIVERSITY_INTERVAL_STEPS == 0:
                _watch_diversity(state, real, health, log, tell)
            if clock.snapshot_due(state.seen_images):
                snapshot()
            if clock.checkpoint_due(state.seen_images):
                checkpoint()
        checkpoint()
        snapshot()
    return Outcome(run=run, kimg=state.seen_images / 1000, reason=reason)


def _decide(config: TrainConfig, data: Dataset) -> TrainConfig:
    """Replace every "auto" by what this machine and run call for."""
    if config.labels and data.labels is None:
        raise WspaceError(
            f"{config.data} has no labels: make it with --label-by, or train without --labels."
        )
    device = choose_device(config.device)
    changes: dict[str, Any] = {"device": str(device)}
    if config.precision == "auto":
        changes["precision"] = choose_precision(device.type)
    if config.compile == "auto":
        long = config.total_kimg >= COMPILE_FROM_KIMG and config.max_seconds is None
        changes["compile"] = "on" if long and compiler_at_hand() else "off"
    elif config.compile == "on" and device.type == "cpu" and not compiler_at_hand():
        raise WspaceError(
            "compile=on needs a C++ compiler here: install g++ or give --compile off."
        )
    return dataclasses.replace(config, **changes)


def _networks(config: TrainConfig, data: Dataset) -> tuple[Generator, nn.Module]:
    """The networks to start from: fresh ones of the preset, or a model's."""
    num_classes = data.num_classes if config.labels else 0
    configs = preset(config.preset, resolution=data.resolution, num_classes=num_classes)
    if config.start_from is None:
        return build_generator(configs[0]), build_discriminator(configs[1])
    model = load_model_file(config.start_from)
    own = model.generator
    if own.resolution < data.resolution and own.num_classes == num_classes:
        return grow(model, configs[0], configs[1])
    if own.resolution != data.resolution or own.num_classes != num_classes:
        raise WspaceError(
            f"{config.start_from} makes {own.resolution}² pictures with {own.num_classes} classes, "
            f"the data is {data.resolution}² with {num_classes}: scale it with `wspace data build`."
        )
    if model.discriminator is not None:
        return own, model.discriminator
    return own, build_discriminator(configs[1])


def _augmented(images: Tensor, config: TrainConfig, random: torch.Generator) -> Tensor:
    """Mirror each image with probability one half, if the run asks for it."""
    if not config.mirror:
        return images
    mirrored = torch.rand(len(images), generator=random, device=images.device) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def _watch_diversity(
    state: TrainingState,
    real: Tensor,
    health: HealthMonitor,
    log: Log,
    tell: Callable[[str], None],
) -> None:
    """Compare how different generated and real pictures of one batch are."""
    z = torch.randn(
        len(real), state.generator.z_dim, generator=torch.Generator().manual_seed(state.step)
    ).to(state.device)
    c = torch.zeros(len(real), state.generator.num_classes, device=state.device)
    if state.generator.num_classes:
        c[:, 0] = 1
    with torch.no_grad():
        generated = state.generator_ema(z, c if state.generator.num_classes else None)
    event = health.observe_diversity(
        state.step, picture_diversity(generated), picture_diversity(real)
    )
    if event is not None:
        log.write({"step": state.step, "event": event.kind, "message": event.message})
        tell(event.message)


def _metadata(config: TrainConfig, data: Dataset, state: TrainingState) -> dict[str, Any]:
    """What a model file says of its training."""
    return {
        "trained_on": data.name,
        "pictures": len(data),
        "fingerprint": data.fingerprint,
        "licence": data.licence,
        "attribution": data.attribution,
        "kimg": round(state.seen_images / 1000, 3),
        "training": config.to_dict() | {"data": Path(config.data).name, "start_from": None},
    }


class _Stop:
    """Why the loop should end after its step; empty while it should not."""

    reason = ""


@contextmanager
def _signals() -> Iterator[_Stop]:
    """Turn SIGINT and SIGTERM into a wish that the loop sees after its step."""
    stop = _Stop()

    def wish(number: int, _frame: object) -> None:
        stop.reason = "interrupted" if number == signal.SIGINT else "terminated"
        signal.signal(number, old[signal.Signals(number)])  # a second one ends the process at once

    old: dict[signal.Signals, Any] = {}
    try:
        for which in (signal.SIGINT, signal.SIGTERM):
            old[which] = signal.signal(which, wish)
    except ValueError:  # not in the main thread: whoever runs us handles signals
        pass
    try:
        yield stop
    finally:
        for which, handler in old.items():
            signal.signal(which, handler)


class _Clock:
    """When things are due, and how fast the run goes."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._began = self._last_checkpoint = self._last_step = time.monotonic()
        self._rate = math.nan
        self._next_snapshot = self._next_checkpoint = 0
        self._seen = 0

    def start(self, seen_images: int) -> None:
        """The loop begins at ``seen_images``."""
        self._began = self._last_step = time.monotonic()
        self._seen = seen_images
        self._next_snapshot = self._after(seen_images, self._config.snapshot_kimg)

    def over(self, seen_images: int) -> str:
        """Why the run is over, or nothing."""
        if seen_images >= self._config.total_kimg * 1000:
            return "done"
        limit = self._config.max_seconds
        return "time" if limit is not None and time.monotonic() - self._began >= limit else ""

    def progress(
        self, state: TrainingState, *, last: StepResult | None = None, message: str | None = None
    ) -> Progress:
        """What to show of a step that just ended, or of a message."""
        if last is not None:
            now = time.monotonic()
            rate = (state.seen_images - self._seen) / max(now - self._last_step, 1e-9)
            self._rate = rate if math.isnan(self._rate) else 0.95 * self._rate + 0.05 * rate
            self._last_step, self._seen = now, state.seen_images
        return Progress(
            kimg=state.seen_images / 1000,
            total_kimg=self._config.total_kimg,
            images_per_second=0.0 if math.isnan(self._rate) else self._rate,
            last=last,
            message=message,
        )

    def record(self, state: TrainingState, result: StepResult) -> dict[str, Any]:
        """A line for the log."""
        return {
            "step": state.step,
            "kimg": state.seen_images / 1000,
            "seconds": round(time.monotonic() - self._began, 3),
            "images_per_second": round(self._rate, 2),
            "right_real": result.right_real,
            "right_fake": result.right_fake,
            **{f"loss_{name}": value for name, value in result.losses.items()},
        }

    def checkpointed(self, seen_images: int) -> None:
        """A checkpoint was written."""
        self._last_checkpoint = time.monotonic()
        self._next_checkpoint = self._after(seen_images, self._config.checkpoint_kimg)

    def checkpoint_due(self, seen_images: int) -> bool:
        """Whether enough images or minutes have passed since the last one."""
        minutes = (time.monotonic() - self._last_checkpoint) / 60
        return seen_images >= self._next_checkpoint or minutes >= self._config.checkpoint_minutes

    def snapshot_due(self, seen_images: int) -> bool:
        """Whether a sample sheet is due; says so once."""
        if seen_images < self._next_snapshot:
            return False
        self._next_snapshot = self._after(seen_images, self._config.snapshot_kimg)
        return True

    @staticmethod
    def _after(seen_images: int, kimg: float) -> int:
        """The next multiple of ``kimg`` thousand images after ``seen_images``."""
        interval = max(round(kimg * 1000), 1)
        return (seen_images // interval + 1) * interval
