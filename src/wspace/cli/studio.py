"""``wspace studio``: steer models live in the browser."""

from __future__ import annotations

import importlib.util
import sys
import webbrowser
from pathlib import Path

import click

from wspace.cli.common import read_secret
from wspace.errors import WspaceError

__all__ = ["studio_command"]

NEEDED = ("starlette", "uvicorn", "websockets", "h11")
PASSWORD_VARIABLE = "WSPACE_STUDIO_PASSWORD"


@click.command("studio")
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="To listen on; 0 for any that is free.  [default: 8765, or a free one where it is taken]",
)
@click.option("--no-browser", is_flag=True, help="Print the address only.")
@click.option(
    "--listen",
    metavar="ADDRESS",
    help="Let other machines in, too, by this address of this machine (0.0.0.0: by any). They "
    f"need the password: from --password-file, ${PASSWORD_VARIABLE}, or asked for.",
)
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="Its first line is the password for --listen.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def studio_command(
    models: tuple[str, ...],
    port: int | None,
    no_browser: bool,
    listen: str | None,
    password_file: Path | None,
    device: str,
) -> None:
    """Open a page that steers generators, where the picture follows the hand.

    It shows MODELs (files, run folders, bundled names) and the bundled ones, at an address of this
    machine alone that holds a secret. Ctrl-C ends it.
    """
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        raise WspaceError("the studio needs a few packages more: pip install 'wspace[studio]'")
    from wspace.serving.server import address_of, bind
    from wspace.serving.shelf import Shelf
    from wspace.studio.access import Access, kept_key
    from wspace.studio.serve import FIRST_PORT, serve

    if listen is None and password_file is not None:
        raise WspaceError("--password-file is that of --listen: give --listen ADDRESS, too.")
    shelf = Shelf(models, device)
    password = None if listen is None else _password(password_file)
    wanted = FIRST_PORT if port is None else port
    with bind(wanted, listen, or_another=port is None) as listening:
        number = listening.getsockname()[1]
        access = Access(number, address=listen, password=password, key=kept_key())
        address = f"{address_of(listening, listen)}/?token="

        def ready() -> None:
            click.echo(f"the studio is at {address}{access.token}")
            if listen is not None:
                click.echo("it is not encrypted: who shares the network can read along", err=True)
            click.echo("Ctrl-C ends it", err=True)
            if not no_browser:
                webbrowser.open(address + access.new_token_for_once())

        serve(listening, access, shelf, ready=ready)


def _password(file: Path | None) -> str:
    """The password, from where no other user of the machine sees it.

    Raises:
        WspaceError: the file cannot be read, or nobody can be asked.
    """
    if (password := read_secret(file, PASSWORD_VARIABLE)) is not None:
        return password
    if not sys.stdin.isatty():
        raise WspaceError(
            f"--listen needs a password: give --password-file FILE or set {PASSWORD_VARIABLE}."
        )
    asked: str = click.prompt("Password for those who come in", hide_input=True, err=True)
    return asked
