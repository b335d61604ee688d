"""``wspace train``: start a run, or go on with one."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wspace.errors import WspaceError

if TYPE_CHECKING:
    from wspace.training.loop import Outcome, Progress, Report

__all__ = ["train_command"]

_STATUS = {"done": 0, "time": 0, "terminated": 0, "interrupted": 130}


@click.command()
@click.argument("data", required=False)
@click.option("--preset", help="compact (default), medium, paper or stylegan2.")
@click.option(
    "--discriminator",
    help="preset (default); projected: sees through a pretrained network, learns from fewer.",
)
@click.option("--kimg", "total_kimg", type=float, help="Thousands of real pictures to show.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with this run folder.")
@click.option("--from", "start_from", help="Start with the weights of this model.")
@click.option("--batch-size", type=int, help="Pictures a step, a multiple of 4.")
@click.option("--seed", type=int, help="Fixes the whole run.")
@click.option("--learning-rate", type=float, help="Adam's, for both networks.")
@click.option("--learning-rate-d", type=float, help="The discriminator's, if it differs.")
@click.option("--r1-gamma", type=float, help="Weight of R1; 0 turns it off.")
@click.option("--r1-interval", type=int, help="Steps between two R1 terms.")
@click.option("--path-length-weight", type=float, help="0 turns it off.")
@click.option("--path-length-interval", type=int, help="Steps between two path length terms.")
@click.option(
    "--reconstruction",
    "reconstruction_weight",
    type=float,
    help="Weight of reconstructing real pictures through an encoder; 0 (default): none.",
)
@click.option(
    "--attributes/--no-attributes", default=None, help="Tell the encoder the dataset's attributes."
)
@click.option("--pretraining-kimg", type=float, help="First learn from that alone, this long.")
@click.option(
    "--matching-kimg", type=float, help="Then mapping learns where z belong in W, this long."
)
@click.option(
    "--mixing",
    "style_mixing_probability",
    type=float,
    help="Share of batches with mixed styles, 0 to 1.",
)
@click.option("--ema-kimg", "ema_half_life_kimg", type=float, help="Half-life of the average.")
@click.option("--ema-ramp", type=float, help="Half-life at most this share of the pictures seen.")
@click.option("--warmup-kimg", type=float, help="The discriminator first learns alone, this long.")
@click.option("--mirror/--no-mirror", default=None, help="Mirror half of the pictures.")
@click.option("--labels/--no-labels", default=None, help="Train on the dataset's classes.")
@click.option("--precision", help="auto, fp32 or bf16.")
@click.option("--compile", "compile", help="auto, on or off.")
@click.option("--device", help="auto, cpu or cuda.")
@click.option(
    "--snapshot-kimg",
    type=float,
    help="Thousands of pictures between sample sheets, each with a model file.",
)
@click.option("--checkpoint-kimg", type=float, help="Thousands of pictures between checkpoints.")
@click.option(
    "--checkpoint-minutes", type=float, help="Minutes between checkpoints, if that is sooner."
)
@click.option("--keep-checkpoints", type=int, help="Newest checkpoints to keep.")
@click.option("--keep-every", type=int, help="Keep every Nth checkpoint for good.")
@click.option("--seconds", "max_seconds", type=float, help="Save and end after this long.")
@click.option("--dry-run", is_flag=True, help="Check everything, print it, train nothing.")
def train_command(
    data: str | None, out: Path, resume: Path | None, dry_run: bool, **options: Any
) -> None:
    """Train a generator on DATA, a zip or a folder of pictures.

    With --resume RUN the run goes on exactly where its newest checkpoint stands; DATA is only
    needed if it has moved. Ctrl-C finishes the step, saves and says how to go on.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if data is not None:
        given["data"] = data
    if resume is not None:
        outcome = _resume(resume, given, dry_run)
    else:
        if data is None:
            raise WspaceError("there is nothing to train on: give DATA, a zip or a folder.")
        outcome = _start(given, out, dry_run)
    if outcome is None:
        return
    click.echo(_closing_line(outcome))
    sys.exit(_STATUS[outcome.reason])


def _start(given: dict[str, Any], out: Path, dry_run: bool) -> Outcome | None:
    from wspace.training import loop
    from wspace.training.config import TrainConfig

    config = TrainConfig(**given)
    if dry_run:
        _describe(loop.check(config))
        return None
    with _live() as report:
        return loop.start(config, out, report)


def _resume(run: Path, given: dict[str, Any], dry_run: bool) -> Outcome | None:
    from wspace.training import loop
    from wspace.training.config import TrainConfig, whole_name
    from wspace.training.run.folder import read_config

    if fixed := sorted(name for name in given if whole_name(name) not in loop.RESUME_CHANGES):
        raise WspaceError(
            f"--resume goes on exactly, so {fixed[0]}={given[fixed[0]]!r} cannot change: leave it "
            f"out, or start a new run with --from {run}."
        )
    if dry_run:
        saved = read_config(run)
        saved.pop("fingerprint", None)
        _describe(loop.check(TrainConfig.from_dict(saved).replace(**given)))
        return None
    with _live() as report:
        return loop.resume(run, report, **given)


def _describe(facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        click.echo(f"{name:26} {value}")


def _closing_line(outcome: Outcome) -> str:
    ended = {
        "done": "finished",
        "time": "time is up, saved",
        "interrupted": "interrupted, saved",
        "terminated": "terminated, saved",
    }[outcome.reason]
    line = f"{ended} at {outcome.kimg:.1f} kimg: {outcome.run}"
    if outcome.reason == "done":
        return f"{line}\ngenerate with: wspace generate {outcome.run} --seeds 0-15"
    return f"{line}\ngo on with: wspace train --resume {outcome.run}"


class _live:  # noqa: N801 - used as a context manager function
    """A live line on a terminal, a line now and then elsewhere; messages on lines of their own."""

    def __enter__(self) -> Report:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=2, transient=True)
        if self._console.is_terminal:
            self._live.start()
        self._next_kimg = 0.0
        return self._report

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def _report(self, progress: Progress) -> None:
        if progress.message is not None:
            self._console.print(progress.message, markup=False, highlight=False, soft_wrap=True)
            return
        if self._console.is_terminal:
            self._live.update(_line(progress))
        elif progress.kimg >= self._next_kimg:
            self._next_kimg = progress.kimg + 1
            click.echo(_line(progress), err=True)


def _line(progress: Progress) -> str:
    assert progress.last is not None
    losses = progress.last.losses
    rate = progress.images_per_second
    left = (progress.total_kimg - progress.kimg) * 1000 / rate if rate > 0 else math.inf
    hours, minutes = divmod(min(left, 1e7) / 60, 60)
    shown = (
        ("generator", "G"),
        ("discriminator", "D"),
        ("reconstruction", "reconstruction"),
        ("matching", "matching"),
    )
    values = [f"{label} {losses[name]:.2f}" for name, label in shown if name in losses]
    parts = [
        f"{progress.kimg:.1f} / {progress.total_kimg:g} kimg",
        f"{rate:.1f} pictures/s",
        f"{int(hours)}:{int(minutes):02} left",
        " ".join(["loss", *values]),
    ]
    if progress.last.right is not None:
        real, fake = progress.last.right
        parts.append(f"D right on real {real:.0%}, generated {fake:.0%}")
    return "  ".join(parts)
