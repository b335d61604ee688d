"""``wspace train``: start a run, or go on with one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wspace.cli.progress import describe_seconds
from wspace.errors import WspaceError, command_line
from wspace.files import check_folder

if TYPE_CHECKING:
    from wspace.training.loop import Outcome, Progress, Report

__all__ = ["train_command"]

_Command = Callable[..., Any]
WAITING_SHOWN = 0.01  # share of the time
_STATUS = {"done": 0, "time": 0, "terminated": 0, "interrupted": 130}

# Options of the first version, which work for one more release: what stands for them now.
_EARLIER: tuple[tuple[str, type | None, str], ...] = (
    ("--discriminator", str, "discriminator"),
    ("--batch-size", int, "batch_size"),
    ("--learning-rate", float, "adversarial.learning_rate"),
    ("--learning-rate-d", float, "learning_rate_d"),
    ("--r1-gamma", float, "r1_gamma"),
    ("--r1-interval", int, "r1_interval"),
    ("--path-length-weight", float, "path_length_weight"),
    ("--path-length-interval", int, "path_length_interval"),
    ("--reconstruction", float, "reconstruction.weight"),
    ("--attributes/--no-attributes", None, "attributes"),
    ("--pretraining-kimg", float, "reconstruction.kimg"),
    ("--matching-kimg", float, "matching.kimg"),
    ("--mixing", float, "style_mixing_probability"),
    ("--ema-kimg", float, "half_life_kimg"),
    ("--ema-ramp", float, "ramp"),
    ("--warmup-kimg", float, "warmup_kimg"),
    ("--precision", str, "precision"),
    ("--compile", str, "compile"),
    ("--snapshot-kimg", float, "snapshot_kimg"),
    ("--checkpoint-kimg", float, "checkpoint_kimg"),
    ("--checkpoint-minutes", float, "checkpoint_minutes"),
    ("--keep-checkpoints", int, "keep_checkpoints"),
    ("--keep-every", int, "keep_every"),
    ("--seconds", float, "max_seconds"),
)


def _earlier_options(command: _Command) -> _Command:
    """Add `_EARLIER`, hidden from ``--help``; the command gets them as ``earlier``."""

    def gather(**arguments: Any) -> Any:
        earlier = {}
        for declaration, _, name in _EARLIER:
            value = arguments.pop(_parameter(declaration))
            if value is not None:
                earlier[declaration.partition("/")[0]] = (name, value)
        return command(earlier=earlier, **arguments)

    gather.__doc__, gather.__name__ = command.__doc__, command.__name__
    wrapped: _Command = gather
    wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for declaration, kind, _ in reversed(_EARLIER):
        add = click.option(declaration, type=kind, default=None, hidden=True)
        wrapped = add(wrapped)
    return wrapped


def _parameter(declaration: str) -> str:
    return declaration.partition("/")[0].removeprefix("--").replace("-", "_")


@click.command()
@click.argument("data", required=False)
@click.option("--minutes", type=float, help="Time to train for: all is planned to fit it.")
@click.option("--hours", type=float, help="The same in hours.")
@click.option("--kimg", "total_kimg", type=float, help="Or thousands of real pictures to show.")
@click.option("--size", help="Side, or WIDTHxHEIGHT; else what suits.")
@click.option("--fit", help="To that size: crop (default), pad or squash.")
@click.option("--alpha", help="keep transparency, or lay it on white (default).")
@click.option("--preset", help="small (default), compact, medium, paper or stylegan2.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True)
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with this run folder.")
@click.option("--from", "start_from", help="Fine-tune this model.")
@click.option("--labels/--no-labels", default=None, help="Tell classes apart, or not.")
@click.option("--mirror/--no-mirror", default=None, help="Mirror half of the pictures.")
@click.option("--seed", type=int, help="Fixes the whole run.")
@click.option("--device", help="auto, cpu or cuda.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any option of --options."
)
@click.option("--config", type=click.Path(path_type=Path), help="Options in a TOML file.")
@click.option("--options", "list_options", is_flag=True, help="List all options, and stop.")
@click.option("--dry-run", is_flag=True, help="Check everything, print it, train nothing.")
@_earlier_options
def train_command(
    data: str | None,
    out: Path,
    resume: Path | None,
    settings: tuple[str, ...],
    config: Path | None,
    list_options: bool,
    dry_run: bool,
    hours: float | None,
    earlier: dict[str, tuple[str, Any]],
    **options: Any,
) -> None:
    """Train a generator on DATA, any zip, folder or tars of pictures.

    With --resume RUN the run goes on exactly where its newest checkpoint stands; DATA is only
    needed if it has moved. Ctrl-C finishes the step, saves and says how to go on.
    """
    if list_options:
        _list_options()
        return
    given = _gathered(config, settings, earlier)
    given |= {name: value for name, value in options.items() if value is not None}
    if hours is not None:
        given["minutes"] = hours * 60
    if data is not None:
        given["data"] = data
    if resume is not None:
        outcome = _resume(resume, given, dry_run)
    else:
        if not given.get("data"):
            raise WspaceError("there is nothing to train on: give DATA, a zip, a folder or tars.")
        outcome = _start(given, out, dry_run)
    if outcome is None:
        return
    click.echo(_closing_line(outcome))
    sys.exit(_STATUS[outcome.reason])


def _gathered(
    path: Path | None, settings: tuple[str, ...], earlier: dict[str, tuple[str, Any]]
) -> dict[str, Any]:
    """Options of a file, of ``--set`` and of the first version, by whole names; the later wins."""
    from wspace.training.config import read_options, read_setting, whole_name

    given = {} if path is None else read_options(path)
    for text in settings:
        name, value = read_setting(text)
        given[name] = value
    for option, (name, value) in earlier.items():
        shown = str(value).lower() if isinstance(value, bool) else value
        click.echo(f"{option} is now {command_line('--set', f'{name}={shown}')}", err=True)
        given[whole_name(name)] = value
    return given


def _list_options() -> None:
    """Every field of the configuration: its name, default, range, unit and meaning."""
    from wspace.training.config import options

    for option in options().values():
        limits = option.range or ", ".join(map(str, option.choices)) or option.kind
        default = "none" if option.default is None else option.default
        value = f"{default:g}" if isinstance(default, float) else str(default).lower()
        unit = f" {option.unit}" if option.unit else ""
        click.echo(f"{option.name:38} {value or '-'}{unit}   ({limits})")
        click.echo(f"    {option.meaning}")


def _start(given: dict[str, Any], out: Path, dry_run: bool) -> Outcome | None:
    from wspace.training import loop
    from wspace.training.config import TrainConfig
    from wspace.training.setup import preset_to_start_from

    model = given.get("start_from")
    if model is not None and "preset" not in given and (known := preset_to_start_from(model)):
        given = given | {"preset": known}
    config = TrainConfig(**given)
    if dry_run:
        check_folder(out)
        _describe(loop.check(config, report=_say))
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
            f"out, or start a new run with {command_line('--from', run)}."
        )
    if dry_run:
        saved = read_config(run)
        saved.pop("fingerprint", None)
        _describe(loop.check(TrainConfig.from_dict(saved).replace(**given), report=_say))
        return None
    with _live() as report:
        return loop.resume(run, report, **given)


def _say(progress: Progress) -> None:
    click.echo(progress.message, err=True)


def _describe(facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        if isinstance(value, dict):
            _describe({f"{name}.{field}": inner for field, inner in value.items()})
        else:
            click.echo(f"{name:38} {value}")


def _closing_line(outcome: Outcome) -> str:
    ended = {
        "done": "finished",
        "time": "time is up, saved",
        "interrupted": "interrupted, saved",
        "terminated": "terminated, saved",
    }[outcome.reason]
    line = f"{ended} at {outcome.kimg:.1f} kimg: {outcome.run}"
    if outcome.reason == "done":
        command = command_line("wspace", "generate", outcome.run, "--seeds", "0-15")
        return f"{line}\ngenerate with: {command}"
    return f"{line}\ngo on with: {command_line('wspace', 'train', '--resume', outcome.run)}"


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
    shown = (
        ("generator", "G"),
        ("discriminator", "D"),
        ("reconstruction", "reconstruction"),
        ("flow", "flow"),
        ("matching", "matching"),
    )
    values = [f"{label} {losses[name]:.2f}" for name, label in shown if name in losses]
    total = f" / {progress.total_kimg:g}" if progress.total_kimg else ""
    parts = [
        f"{progress.kimg:.1f}{total} kimg",
        f"{progress.images_per_second:.1f} pictures/s",
        f"{describe_seconds(progress.seconds_left)} left",
        " ".join(["loss", *values]),
    ]
    if progress.waiting >= WAITING_SHOWN:
        parts.insert(2, f"waiting for data {progress.waiting:.0%}")
    if progress.last.right is not None:
        real, fake = progress.last.right
        parts.append(f"D right on real {real:.0%}, generated {fake:.0%}")
    if progress.last.augmented is not None:
        parts.append(f"changed {progress.last.augmented[0]:.0%}")
    if progress.fd is not None and progress.best_fd is not None:
        parts.append(f"FD (quick) {progress.fd:.1f}, best {progress.best_fd:.1f}")
    return "  ".join(parts)
