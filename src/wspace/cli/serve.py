"""``wspace serve``: models over HTTP, for programs."""

from __future__ import annotations

import importlib.util
import ipaddress
from pathlib import Path

import click

from wspace.cli.common import read_secret
from wspace.errors import WspaceError

__all__ = ["serve_command"]

NEEDED = ("starlette", "uvicorn", "h11", "prometheus_client")
TOKEN_VARIABLE = "WSPACE_SERVE_TOKEN"
LEAST_TOKEN = 16  # characters


@click.command("serve")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="To listen on; 0 for any that is free.  [default: 8766]",
)
@click.option(
    "--listen",
    metavar="ADDRESS",
    help="Let other machines ask, too, by this address of this machine (0.0.0.0: by any). They "
    "need the token.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help=f"Its first line is the token that requests must show; or set ${TOKEN_VARIABLE}.",
)
@click.option(
    "--allow-host",
    "hosts",
    metavar="NAME",
    multiple=True,
    help="A name that the server is asked by, besides its address; as often as needed.",
)
@click.option(
    "--queue",
    "most_waiting",
    type=click.IntRange(min=1),
    default=256,
    show_default=True,
    help="Pictures that may wait. A request that finds no room is answered 429.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    help="The most pictures at once; 1: a picture is the same to the bit whatever waits beside it.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def serve_command(
    models: tuple[str, ...],
    port: int | None,
    listen: str | None,
    token_file: Path | None,
    hosts: tuple[str, ...],
    most_waiting: int,
    batch_size: int | None,
    device: str,
) -> None:
    """Draw for programs, over HTTP: recipes in, PNG or WebP out.

    What can be asked for is documented at /openapi.json. It listens to this machine alone, unless
    told otherwise. Ctrl-C or SIGTERM ends it, when it has drawn what it was asked for.
    """
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        raise WspaceError("serving needs a few packages more: pip install 'wspace[serve]'")
    from wspace.serving.entry import Hosts
    from wspace.serving.models import open_models
    from wspace.serving.serve import FIRST_PORT, serve
    from wspace.serving.server import address_of, bind

    token = read_secret(token_file, TOKEN_VARIABLE)
    if token is not None and len(token) < LEAST_TOKEN:
        raise WspaceError(f"the token is short: give {LEAST_TOKEN} characters or more.")
    if listen is not None and token is None and not _is_loopback(listen):
        raise WspaceError(
            f"--listen {listen} needs a token: give --token-file FILE or set {TOKEN_VARIABLE}."
        )
    with bind(FIRST_PORT if port is None else port, listen) as listening:
        names = Hosts(listening.getsockname()[1], address=listen, names=hosts)
        opened = open_models(models, device)
        address = address_of(listening, listen)

        def ready() -> None:
            click.echo(f"{', '.join(opened)} at {address}")
            if listen is not None and not _is_loopback(listen):
                click.echo("it is not encrypted: who shares the network can read along", err=True)
            click.echo("Ctrl-C ends it", err=True)

        serve(
            listening,
            opened,
            hosts=names,
            token=token,
            most_waiting=most_waiting,
            batch_size=batch_size,
            ready=ready,
        )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() == "localhost"
