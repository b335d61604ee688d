"""The training loop: pictures in, a run folder out, resumed exactly wherever it was stopped."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.files import remove_leftovers
from wspace.formats.model_file import load_model_file
from wspace.machine import (
    choose_device,
    choose_precision,
    compiler_at_hand,
    compiling_training_pays,
    keep_freed_memory,
)
from wspace.networks.config import DiscriminatorConfig, ProjectedConfig
from wspace.networks.generator import Generator, build_generator
from wspace.networks.presets import preset, projected_discriminator
from wspace.networks.stylegan1.discriminator import build_discriminator
from wspace.training.config import TrainConfig
from wspace.training.growth import grow
from wspace.training.run.clock import Progress
from wspace.training.run.folder import (
    RunLock,
    create_run,
    read_config,
    truncate_log,
    write_config,
)
from wspace.training.run.signals import StoppedAtOnceError, stop_on_signals
from wspace.training.session import Report, Session, newest_state, saved_networks

__all__ = ["RESUME_CHANGES", "Outcome", "Progress", "Report", "check", "resume", "start"]

# What may change when a run goes on: where it lies, when it and its parts end, when it saves; not
# what it computes.
RESUME_CHANGES = frozenset(
    {
        "total_kimg",
        "pretraining_kimg",
        "matching_kimg",
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
        generator, discriminator = _first_networks(config, data)
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
        networks = _first_networks(config, data)  # what is wrong with them leaves no folder
        run = create_run(out, f"{data.name}-{config.preset}")
        with RunLock(run):
            write_config(run, config.to_dict() | {"fingerprint": _fingerprint(config, data)})
            return _train(config, data, run, report, networks)


def resume(run: Path, report: Report = lambda _: None, **changes: Any) -> Outcome:
    """Go on with a run, exactly where its newest whole checkpoint stands.

    Args:
        run: the run folder.
        report: as in `start`.
        changes: fields of the configuration that may change, see `RESUME_CHANGES`; ``data`` is a
            new place of the same data. ``max_seconds`` holds for this time only. Where a part is
            to last longer than the run has come, the run goes back to it.

    Raises:
        WspaceError: the folder is no run, is in use, its data is not what it was, or a part would
            come or go.
    """
    saved = read_config(run)
    fingerprint = saved.pop("fingerprint", None)
    before = TrainConfig.from_dict(saved)
    config = dataclasses.replace(before, **({"max_seconds": None} | changes))
    for part in ("pretraining_kimg", "matching_kimg"):
        old, new = getattr(before, part), getattr(config, part)
        if bool(old) != bool(new):
            raise WspaceError(
                f"{part}={new} cannot change from {old}: a part of a run may last longer or "
                f"shorter, not come or go; start a new run with --from {run}."
            )
    with Dataset.open(config.data, int(config.memory_budget_gb * 2**30)) as data, RunLock(run):
        if _fingerprint(config, data) != fingerprint:
            raise WspaceError(
                f"{config.data} is not the data that {run} was trained on (its pictures or labels "
                "have changed): bring the old data back, or start a new run with "
                f"--from {run / 'model.safetensors'}."
            )
        remove_leftovers(run)
        write_config(run, config.to_dict() | {"fingerprint": fingerprint})
        return _train(config, data, run, report)


def _train(
    config: TrainConfig,
    data: Dataset,
    run: Path,
    report: Report,
    networks: tuple[Generator, nn.Module] | None = None,
) -> Outcome:
    """The loop, from the newest checkpoint (if any) or the networks to start from, to the end."""
    keep_freed_memory()
    saved = newest_state(run, lambda message: report(Progress(message=message)))
    if networks is None:
        networks = _first_networks(config, data) if saved is None else saved_networks(saved)
    session = Session(config, data, run, networks, report)
    if saved is None:
        session.checkpoint()  # from the first moment on there is something to go back to
    else:
        session.restore(saved)
    state, health, clock = session.state, session.health, session.clock
    truncate_log(run, state.step)
    clock.start(state.seen_images)
    with session.logging() as log, stop_on_signals() as stop:
        try:
            while not (reason := clock.over(state.seen_images) or stop.reason):
                real, c, values = session.next_batch()
                result = state.run(real, c, values)
                stop.at_once = False

                event = health.observe(state.step, result.losses, result.finite, result.right)
                if event is not None and event.kind == "rollback":
                    session.roll_back(event.message)
                    continue
                if event is not None:
                    session.tell(event.message, event.kind)
                if event is not None and event.kind == "stop":
                    raise WspaceError(event.message)

                report(clock.progress(state, result))
                if state.step % LOG_INTERVAL_STEPS == 0:
                    log.write(clock.record(state, result))
                if state.step % DIVERSITY_INTERVAL_STEPS == 0:
                    session.watch_diversity(real)
                if clock.snapshot_due(state.seen_images):
                    session.go_on_without(session.snapshot)
                if clock.checkpoint_due(state.seen_images) and not health.skipped_in_a_row:
                    session.go_on_without(session.checkpoint)
        except StoppedAtOnceError:  # before the first step was over: nothing new to save
            return Outcome(run=run, kimg=clock.kimg, reason=stop.reason)
        stop.at_once = False
        if session.unsaved:
            session.checkpoint()
        if stop.reason:  # whoever asked to stop may not wait for a sheet to be drawn
            session.save_model()
        else:
            session.snapshot()
    return Outcome(run=run, kimg=clock.kimg, reason=reason)


def _fingerprint(config: TrainConfig, data: Dataset) -> str:
    """What tells whether the data is still what a run began with."""
    attributes = data.attributes if config.attributes else None
    return data.fingerprint + ("" if attributes is None else attributes.fingerprint)


def _decide(config: TrainConfig, data: Dataset) -> TrainConfig:
    """Replace every "auto" by what this machine and run call for."""
    if config.labels and data.labels is None:
        raise WspaceError(
            f"{config.data} has no labels: make it with --label-by, or train without --labels."
        )
    if config.attributes and data.attributes is None:
        raise WspaceError(
            f"{config.data} has no attributes that tell its pictures apart: train without "
            "--attributes."
        )
    device = choose_device(config.device)
    changes: dict[str, Any] = {"device": str(device)}
    precision = config.precision
    if precision == "auto":
        precision = changes["precision"] = choose_precision(device.type)
    if config.compile == "auto":
        long = config.total_kimg >= COMPILE_FROM_KIMG and config.max_seconds is None
        pays = long and compiling_training_pays(device.type, precision)
        changes["compile"] = "on" if pays else "off"
    elif config.compile == "on" and device.type == "cpu" and not compiler_at_hand():
        raise WspaceError(
            "compile=on needs a C++ compiler here: install g++ or give --compile off."
        )
    return dataclasses.replace(config, **changes)


def _first_networks(config: TrainConfig, data: Dataset) -> tuple[Generator, nn.Module]:
    """The networks to start from: fresh ones of the preset, or a model's."""
    torch.manual_seed(config.seed)
    num_classes = data.num_classes if config.labels else 0
    configs = preset(config.preset, resolution=data.resolution, num_classes=num_classes)
    judge: DiscriminatorConfig | ProjectedConfig = configs[1]
    if config.discriminator == "projected":
        judge = projected_discriminator(resolution=data.resolution, num_classes=num_classes)
    if config.start_from is None:
        return build_generator(configs[0]), build_discriminator(judge)
    model = load_model_file(config.start_from)
    if not isinstance(getattr(model.discriminator, "config", None), type(judge)):
        model = dataclasses.replace(model, discriminator=None)  # of the other kind
    own = model.generator
    if own.resolution < data.resolution and own.num_classes == num_classes:
        return grow(model, configs[0], judge)
    if own.resolution != data.resolution or own.num_classes != num_classes:
        raise WspaceError(
            f"{config.start_from} makes {own.resolution}² pictures with {own.num_classes} classes, "
            f"the data is {data.resolution}² with {num_classes}: scale it with `wspace data build`."
        )
    if model.discriminator is not None:
        return own, model.discriminator
    return own, build_discriminator(judge)
