"""The ``wspace`` command: one group, its commands imported only when they are asked for."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import click

from wspace.errors import WspaceError, WspaceWarning, reason
from wspace.group import ALONE, Group, joined

__all__ = ["main"]

# name -> (module in wspace.cli, help line): `wspace --help` answers without importing torch.
COMMANDS: dict[str, tuple[str, str]] = {
    "data": ("data", "Draw, build and inspect datasets."),
    "train": ("train", "Train a generator on pictures, or go on with a run."),
    "generate": ("generate", "Make pictures from seeds or a recipe."),
    "mix": ("mix", "Mix the styles of several pictures, layer by layer."),
    "interpolate": ("interpolate", "Walk through latent space as a video."),
    "studio": ("studio", "Steer models live in the browser."),
    "serve": ("serve", "Draw for programs, over HTTP."),
    "noise": ("noise", "Show what the noise inputs do."),
    "directions": ("directions", "Find, show and name directions for edits."),
    "invert": ("invert", "Find what draws pictures of your own."),
    "encoder": ("encoder", "Teach a model's encoder, for inversion at once."),
    "drag": ("drag", "Drag points of a picture elsewhere."),
    "text": ("text", "Change a picture until it is what a text says."),
    "show": ("show", "Print the recipe that a picture carries."),
    "reproduce": ("reproduce", "Make a picture again from its recipe."),
    "measure": ("measure", "Measure a model against a dataset."),
    "claims": ("claims", "Put the article's claims to the test on a model."),
    "import": ("import_", "Turn an official StyleGAN pickle into a wspace model, safely."),
    "card": ("card", "Write the page of a model: data, licence, figures, pictures."),
    "push": ("push", "Put a model on a model hub, with its page."),
    "explorer": ("explorer", "Write models as a web page that draws in the browser."),
    "export": ("export", "Write a model as ONNX graphs, which run without wspace."),
    "bench": ("bench", "Measure this machine's speed with a model."),
    "models": ("models", "List the models that come with the package."),
}
IN_GROUPS = ("train", "generate", "measure")  # commands that torchrun may start in many processes


class LazyGroup(click.Group):
    """A group that imports ``wspace.cli.MODULE`` only when its command is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"wspace.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, COMMANDS[cmd_name][0].rstrip("_") + "_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="wspace")
def wspace() -> None:
    """A StyleGAN to install, train on your own pictures, steer by hand, measure and ship."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; the exit status is 0 done, 2 wrong input, 130 interrupted.

    In a group of processes rank 0 alone prints, an error of any other one, too.
    """
    group = ALONE
    try:
        with joined() as group:
            sys.exit(_run(sys.argv[1:] if arguments is None else arguments, group))
    except WspaceError as error:  # there is no group yet
        click.echo(f"wspace: {error}", err=True)
        sys.exit(2)


def _run(arguments: list[str], group: Group) -> int:
    """The exit status of a command."""
    try:
        with warnings.catch_warnings(), _only_first_prints(group):
            warnings.simplefilter("always", WspaceWarning)
            usual = warnings.showwarning
            warnings.showwarning = functools.partial(_show_warning, usual)
            if not group.alone and arguments and arguments[0] not in (*IN_GROUPS, "-h", "--help"):
                raise WspaceError(
                    f"wspace {arguments[0]:.40} works in one process, not in "
                    f"{group.world_size}: start it without torchrun, which is for "
                    f"{', '.join(IN_GROUPS)}."
                )
            status = wspace.main(args=arguments, standalone_mode=False)
    except WspaceError as error:
        if told := group.fail(str(error)):
            click.echo(f"wspace: {told}", err=True)
        return 2
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.ClickException as error:
        if told := group.fail(_in_a_line(error)):
            click.echo(f"wspace: {told}", err=True)
        return 2
    except (click.Abort, KeyboardInterrupt):
        if group.is_first:
            click.echo("wspace: interrupted", err=True)
        return 130
    except Exception as error:
        group.fail(f"rank {group.rank} has stopped with {type(error).__name__}: {reason(error)}")
        raise
    return status if isinstance(status, int) else 0


def _in_a_line(error: click.ClickException) -> str:
    """What click says of a wrong command line, and where its options are listed."""
    said = " ".join(error.format_message().split())
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = context.command_path if context is not None else "wspace"
    return f"{said}{'' if said.endswith(('.', '?')) else '.'} See {where} --help."


@contextlib.contextmanager
def _only_first_prints(group: Group) -> Iterator[None]:
    """Within it what other ranks print goes nowhere."""
    if group.is_first:
        yield
        return
    with (
        open(os.devnull, "w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def _show_warning(usual: Callable[..., Any], message: Any, category: Any, *where: Any) -> None:
    """Print a warning that is for users as a line; others as ever."""
    if issubclass(category, WspaceWarning):
        click.echo(f"warning: {message}", err=True)
    else:
        usual(message, category, *where)
