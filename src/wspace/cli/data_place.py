"""DATA on the command line: a path, or an address, from where it is fetched."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["fetched_path", "say"]


def say(line: str) -> None:
    """Tell people what takes long, beside what is printed."""
    click.echo(line, err=True)


def fetched_path(data: str | Path) -> Path:
    """The path of data on this machine; what lies elsewhere is fetched, with lines that say so."""
    from wspace.data.remote.fetch import fetched

    return fetched(data, say).path
