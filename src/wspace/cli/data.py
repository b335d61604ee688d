"""``wspace data``: draw, build and inspect datasets."""

from __future__ import annotations

import time
from pathlib import Path

import click

from wspace.cli.progress import progress_bar

__all__ = ["data_command"]

SIZE_HELP = "Height and width in pixels, a power of two."


@click.group("data")
def data_command() -> None:
    """Draw, build and inspect datasets."""


@data_command.command("avatars")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--style", default="avataaars", show_default=True, help="A style of dicebear.")
@click.option("--count", default=10_000, show_default=True, help="Number of pictures.")
@click.option("--size", default=64, show_default=True, help=SIZE_HELP)
@click.option("--seed", default=0, show_default=True, help="Picture i is drawn from SEED + i.")
@click.option("--label-by", metavar="NAME", help="Attribute whose values become the classes.")
@click.option(
    "--option",
    "options",
    metavar="NAME=VALUE",
    multiple=True,
    help="An option of the style, such as accessoriesProbability=30; may be repeated.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: one a core]")
def avatars_command(
    out: Path,
    style: str,
    count: int,
    size: int,
    seed: int,
    label_by: str | None,
    options: tuple[str, ...],
    workers: int | None,
) -> None:
    """Draw labelled cartoon faces into the dataset OUT (a zip).

    Every option that dicebear resolved for a picture goes into the zip, and the style's licence.
    The same command gives the same bytes.
    """
    from wspace.data.avatars import AvatarConfig, parse_options, write_avatars

    config = AvatarConfig(
        style=style, count=count, size=size, seed=seed, options=parse_options(style, options)
    )
    start = time.monotonic()
    with progress_bar("drawing", count, "pictures") as advance_to:
        write_avatars(out, config, label_by=label_by, progress=advance_to, workers=workers)
    seconds = time.monotonic() - start
    click.echo(f"{out}: {count} {style} pictures of {size} x {size}, {seconds:.0f} s", err=True)
