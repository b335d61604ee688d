"""The training loop: pictures in, a run folder out, resumed exactly wherever it was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError, command_line
from wspace.files import atomic_write_text, check_folder, remove_leftovers
from wspace.group import Group, current
from wspace.machine import (
    keep_freed_memory,
)
from wspace.networks.generator import Generator
from wspace.training.agreement import check_alike
from wspace.training.config import TrainConfig
from wspace.training.growing import check_growing
from wspace.training.opening import open_pictures, reopen_pictures
from wspace.training.run.clock import Progress
from wspace.training.run.command import COMMAND_FILE, command_of
from wspace.training.run.folder import (
    RunLock,
    create_run,
    read_config,
    truncate_log,
    write_config,
)
from wspace.training.run.launch import begun_run, forget_launch, remember_launch
from wspace.training.run.signals import StoppedAtOnceError, stop_on_signals
from wspace.training.run.tensorboard import require_tensorboard
from wspace.training.session import Report, Session, newest_state, saved_networks
from wspace.training.setup import (
    decide,
    fingerprint_of,
    first_networks,
    is_data_of,
    with_whole_paths,
)
from wspace.training.stages.adversarial import lowest_blocks

__all__ = ["RESUME_CHANGES", "Outcome", "Progress", "Report", "check", "resume", "start"]

# What may change when a run goes on: where its data lies, when it and its stages end, when it
# saves; not what it computes.
RESUME_CHANGES = frozenset(
    {
        "data",
        "minutes",
        "total_kimg",
        "max_seconds",
        "reconstruction.kimg",
        "matching.kimg",
        "saving.snapshot_kimg",
        "saving.checkpoint_kimg",
        "saving.checkpoint_minutes",
        "saving.keep_checkpoints",
        "saving.keep_every",
        "saving.measure",
        "saving.measurements",
        "saving.report",
        "saving.tensorboard",
        "processes.compare_steps",
        "processes.timeout_seconds",
    }
)

LOG_INTERVAL_STEPS = 20


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


def check(config: TrainConfig, report: Report = lambda _: None) -> dict[str, Any]:
    """Everything that a run would use, decided and built once; nothing is kept but made pictures.

    Args:
        config: as in `start`.
        report: called with messages.

    Returns:
        Facts by name, for people to read: the configuration, the data, parameters.

    Raises:
        WspaceError: as `start`.
    """
    config, opened = open_pictures(config, lambda said: report(Progress(message=said)))
    with opened as data:
        config = decide(config, data)
        said: list[str] = []
        generator, discriminator = first_networks(config, data, said.append)
        check_growing(config, generator, discriminator)
        lowest_blocks(discriminator, config.adversarial.freeze_d)
        start = {"start": said[0]} if said else {}
        about = {"the data": "\n".join(["", *lines])} if (lines := _about(config, data)) else {}
        return config.to_dict() | {
            **start,
            **about,
            "pictures": len(data),
            "resolution": data.size.short,
            "r1_gamma": config.r1_gamma_for(data.resolution),
            "generator parameters": sum(p.numel() for p in generator.parameters()),
            "discriminator parameters": sum(p.numel() for p in discriminator.parameters()),
        }


def start(config: TrainConfig, out: Path, report: Report = lambda _: None) -> Outcome:
    """Start a new run; or go on with it, where torchrun starts its processes once more.

    Args:
        config: what to train; ``config.data`` names the pictures.
        out: the run folder is made in here.
        report: called after every step and with messages.

    Raises:
        WspaceError: the data, the configuration or the folder cannot be used.
    """
    if config.saving.tensorboard:
        require_tensorboard()
    command, group = command_of(config), current()
    group.timeout_seconds = config.processes.timeout_seconds
    check_alike(group, {"its task": "a new run"})
    begun = group.from_first(
        lambda: begun_run(check_folder(out), command), "what torchrun has begun"
    )
    if begun is not None:
        report(Progress(message=f"torchrun has begun {begun}: it goes on"))
        return resume(begun, report, max_seconds=config.max_seconds)

    def tell(said: str) -> None:
        report(Progress(message=said))

    with group.first_here_first("the pictures are made ready"):
        config, opened = open_pictures(config, tell)
    with opened as data:
        config = decide(config, data)
        # what is wrong with them leaves no folder
        networks = first_networks(config, data, tell)
        check_growing(config, *networks)
        lowest_blocks(networks[1], config.adversarial.freeze_d)
        for line in _about(config, data):
            tell(line)
        name = f"{data.name}-{config.preset}"
        run = group.from_first(lambda: create_run(out, name), "the run folder")
        tell(
            f"{run}: report.html in it shows how it goes" if config.saving.report else f"run: {run}"
        )
        config = with_whole_paths(config)  # the run may go on from another folder
        with _held(run, group):
            if group.is_first:
                write_config(run, config.to_dict() | {"fingerprint": fingerprint_of(config, data)})
            # however long it takes to read all pictures for that
            group.barrier("the fingerprint of the pictures", limited=False)
            if group.is_first:
                atomic_write_text(run / COMMAND_FILE, command + "\n")
                remember_launch(run)
            return _train(config, data, run, report, group, networks)


def resume(run: Path, report: Report = lambda _: None, **changes: Any) -> Outcome:
    """Go on with a run, exactly where its newest whole checkpoint stands.

    Args:
        run: the run folder.
        report: as in `start`.
        changes: fields of the configuration that may change, see `RESUME_CHANGES`; ``data`` is a
            new place of the same data. ``max_seconds`` holds for this time only. If a stage
            that is over is now to last longer than the run has come, the run goes on with it.

    Raises:
        WspaceError: the folder is no run, is in use, its data is not what it was, or a stage
            would come or go.
    """
    group = current()
    check_alike(group, {"its task": f"to go on with {run}"})
    saved = group.from_first(lambda: read_config(run), "the configuration")
    fingerprint = saved.pop("fingerprint", None)
    before = TrainConfig.from_dict(saved)
    config = before.replace(**({"max_seconds": None} | changes))
    for stage, was, there in (
        ("reconstruction", before.reconstruction.alone, config.reconstruction.alone),
        ("matching", before.matching.on, config.matching.on),
    ):
        if was != there:
            old, new = getattr(before, stage).kimg, getattr(config, stage).kimg
            raise WspaceError(
                f"{stage}.kimg={new} cannot change from {old}: a stage of a run may last longer or "
                f"shorter, not come or go; start a new run with {command_line('--from', run)}."
            )
    if config.saving.tensorboard:
        require_tensorboard()
    config = with_whole_paths(config)
    group.timeout_seconds = config.processes.timeout_seconds
    with group.first_here_first("the pictures are made ready"):
        config, opened = reopen_pictures(
            config, fingerprint, lambda said: report(Progress(message=said))
        )
    if opened is None:
        raise WspaceError(
            f"{config.data}: no such file or folder, and {run} learns from it: if it has moved, "
            f"say where it is by {command_line('wspace', 'train', 'DATA', '--resume', run)}."
        )
    with opened as data, _held(run, group):
        if not is_data_of(config, data, fingerprint):
            raise WspaceError(
                f"{config.data} is not the data that {run} was trained on (its pictures or labels "
                "have changed): bring the old data back, or start a new run with "
                f"{command_line('--from', run / 'model.safetensors')}."
            )
        group.barrier("the fingerprint of the pictures", limited=False)
        if group.is_first:
            remove_leftovers(run)
            write_config(run, config.to_dict() | {"fingerprint": fingerprint_of(config, data)})
        lasting = (config.minutes, config.total_kimg) != (before.minutes, before.total_kimg)
        lasting |= "minutes" in changes
        return _train(config, data, run, report, group, lasting=lasting)


@contextmanager
def _held(run: Path, group: Group) -> Iterator[None]:
    """While a run goes on, its folder is locked; by the first process of a group, which writes."""
    if not group.is_first:
        yield
        return
    with RunLock(run):
        yield


def _about(config: TrainConfig, data: Dataset) -> list[str]:
    """Lines of what a run begins with that may not be what was expected."""
    lines = list(data.remarks)
    if config.labels and data.classes is not None:
        lines += data.classes.table()
        lines.append("the model tells these classes apart; with --no-labels it does not")
    return lines


def _train(
    config: TrainConfig,
    data: Dataset,
    run: Path,
    report: Report,
    group: Group,
    networks: tuple[Generator, nn.Module] | None = None,
    lasting: bool = False,
) -> Outcome:
    """The loop, from the newest checkpoint (if any) or the networks to start from, to the end.

    ``lasting``: the configuration says anew how long the run is.
    """
    keep_freed_memory()
    saved = group.from_first(
        lambda: newest_state(run, lambda message: report(Progress(message=message))),
        "the newest checkpoint",
    )
    if networks is None:
        networks = first_networks(config, data) if saved is None else saved_networks(saved)
    session = Session(config, data, run, networks, report, group)
    if saved is not None:
        session.restore(saved)
        if lasting:
            session.state.plan.extend(config, session.state.seen_images)
    session.check_agreement()
    if saved is None:
        session.checkpoint()  # from the first moment on there is something to go back to
    state, health, clock = session.state, session.health, session.clock
    if group.is_first:
        truncate_log(run, state.step)
    clock.start(state.plan, state.seen_images)
    with session.logging(), stop_on_signals(group) as stop:
        try:
            while not (reason := clock.over(state.seen_images) or stop.agreed()):
                result = state.run(*session.next_batch())
                stop.at_once = False
                if state.grown:
                    session.tell(state.grown, "growing")

                event = health.observe(state.step, result.losses, result.finite, result.right)
                if event is None and result.right is not None:
                    event = health.observe_swings(state.seen_images, result.right)
                if event is not None and event.kind == "calm":
                    state.context.halve_rate("discriminator")
                if event is not None and event.kind == "rollback":
                    session.roll_back(event.message)
                    continue
                if event is not None:
                    session.tell(event.message, event.kind)
                if event is not None and event.kind == "stop":
                    raise WspaceError(event.message)

                report(clock.progress(state, result, session.quality))
                if state.step % LOG_INTERVAL_STEPS == 0:
                    session.record(clock.record(state, result))
                if session.collapsed(result):
                    continue
                well = not health.skipped_in_a_row
                measured = well and session.quality.due(state.plan, state.seen_images)
                if measured:
                    session.go_on_without(session.measure)
                if clock.snapshot_due(state.seen_images):
                    session.go_on_without(session.snapshot)
                if well and (measured or clock.checkpoint_due(state.seen_images)):
                    session.go_on_without(session.checkpoint)
                session.compare()
        except StoppedAtOnceError:  # before the first step was over: nothing new to save
            return Outcome(run=run, kimg=clock.kimg, reason=stop.reason)
        stop.at_once = False
        if session.unsaved:
            session.checkpoint()
        if stop.reason:  # whoever asked to stop may not wait for a sheet to be drawn
            session.save_newest()
        else:
            session.snapshot()
        # what rank 0 cannot write at the end is an error of all
        group.barrier("the last files of the run", limited=False)
        if group.is_first and reason != "terminated":
            forget_launch(run)
    return Outcome(run=run, kimg=clock.kimg, reason=reason)
