"""``wspace data``: draw, build and inspect datasets."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wspace.cli.data_place import fetched_path
from wspace.cli.progress import progress_bar
from wspace.errors import one_line
from wspace.sizes import read_size

if TYPE_CHECKING:
    from wspace.data.build import Alpha, Fit
    from wspace.data.inspect import DatasetReport

__all__ = ["data_command"]

LISTED = 20  # file names or counts, before "and more"

SIZE_HELP = "Height and width in pixels, such as 64."


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
    with progress_bar("drawing", "pictures") as show:
        write_avatars(out, config, label_by=label_by, progress=show, workers=workers)
    seconds = time.monotonic() - start
    click.echo(f"{out}: {count} {style} pictures of {size} x {size}, {seconds:.0f} s", err=True)


@data_command.command("build")
@click.argument("folder")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--size", required=True, help="Side of squares, or WIDTHxHEIGHT such as 96x64.")
@click.option(
    "--fit",
    type=click.Choice(["crop", "pad", "squash"]),
    default="crop",
    show_default=True,
    help="How other shapes become that.",
)
@click.option(
    "--background",
    default="white",
    show_default=True,
    help="Colour behind transparent and around padded pictures; a name or #rrggbb.",
)
@click.option(
    "--alpha",
    type=click.Choice(["lay", "keep"]),
    help="Lay transparent pictures on the background, or keep alpha: networks of four channels.  "
    "[default: lay; of a dataset, as it was built]",
)
@click.option(
    "--depth",
    type=int,
    help="Bits of pixels that are stored in more than 8: 8, 12, 16 or 32.  [default: as they say]",
)
@click.option("--strict", is_flag=True, help="Stop at the first picture that can't be read.")
@click.option(
    "--labels-from-folders",
    is_flag=True,
    help="The folder of a picture is its class: the topmost, or the first below a lone one.",
)
@click.option(
    "--shards",
    metavar="SIZE",
    help="Write OUT as a folder of tars of at most SIZE, such as 512MB (WebDataset), not as a zip.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: one a core]")
def build_command(
    folder: str,
    out: Path,
    size: str,
    fit: Fit,
    background: str,
    alpha: Alpha | None,
    depth: int | None,
    strict: bool,
    labels_from_folders: bool,
    shards: str | None,
    workers: int | None,
) -> None:
    """Make a dataset OUT (a zip) of all pictures in FOLDER, nested or not, or in a zip or tars.

    Reads png, jpg, webp, bmp, gif (the first frame), tiff, ppm, avif and, with the extra heic,
    heic, known by their content. Grey pictures stay grey. What is left out is named in the end.
    """
    from wspace.data.build import BuildConfig, build_dataset
    from wspace.data.kinds import describe_left_out
    from wspace.data.shards import read_shard_bytes

    config = BuildConfig(
        size=read_size(size).resolution, fit=fit, background=background, alpha=alpha, depth=depth
    )
    place = fetched_path(folder)
    with progress_bar("building", "pictures") as show:
        report = build_dataset(
            place,
            out,
            config,
            strict=strict,
            labels_from_folders=labels_from_folders,
            shard_bytes=None if shards is None else read_shard_bytes(shards),
            progress=show,
            workers=workers,
        )
    colors = {1: "grey", 3: "colour", 4: "colour with alpha"}[report.image_channels]
    shards_line = f", in {report.num_shards} shards" if report.num_shards else ""
    pictures_line = f"{report.num_images} pictures of {config.shape}, {colors}{shards_line}"
    click.echo(f"{out}: {pictures_line}", err=True)
    if alpha == "keep" and report.image_channels != 4:
        click.echo("no picture is transparent: there is no alpha to keep", err=True)
    for note in report.depth_notes:
        click.echo(f"{note}: --depth 8, 12, 16 or 32", err=True)
    if report.left_out:
        click.echo(f"left out: {describe_left_out(report.left_out)}", err=True)
    for line in report.remarks:
        click.echo(line, err=True)
    for line in report.classes.table() if report.classes else ():
        click.echo(line, err=True)
    if report.num_enlarged:
        click.echo(f"{report.num_enlarged} of them were smaller and have been enlarged", err=True)
    if report.unreadable:
        click.echo(f"{len(report.unreadable)} files could not be read and are left out:", err=True)
        _echo_limited(
            [f"{one_line(name)}: {reason}" for name, reason in report.unreadable], err=True
        )


@data_command.command("inspect")
@click.argument("data")
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the contact sheet (PNG).  [default: DATA-sheet.png here]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: one a core]")
def inspect_command(data: str, sheet: Path | None, as_json: bool, workers: int | None) -> None:
    """Say what DATA (a folder, zip or tars) holds, and write a contact sheet of its pictures."""
    from wspace.data.inspect import default_sheet_path, inspect_dataset

    place = fetched_path(data)
    sheet = sheet or default_sheet_path(place)
    with progress_bar("inspecting", "pictures") as show:
        report = inspect_dataset(place, sheet, progress=show, workers=workers)
    if as_json:
        click.echo(json.dumps({**report.to_dict(), "sheet": str(sheet)}, indent=2))
        return
    _echo_report(report)
    click.echo(f"sheet        {sheet}")


def _echo_report(report: DatasetReport) -> None:
    from wspace.data.kinds import describe_left_out

    megabytes = report.num_bytes / 1e6
    click.echo(f"data         {report.path} ({report.kind}, {megabytes:,.1f} MB)")
    click.echo(f"pictures     {report.num_images}")
    for title, counts in (
        ("sizes", report.sizes),
        ("channels", report.channels),
        ("formats", report.formats),
    ):
        click.echo(f"{title:<13}{_counts_line(counts)}")
    click.echo(f"alpha        {report.alpha}")
    by_folder = ", by folder" if report.by_folder else ""
    count = len(report.classes.numbers) if report.classes else "none"
    click.echo(f"classes      {count}{by_folder}")
    for line in report.classes.table() if report.classes else ():
        click.echo(f"  {line}")
    click.echo(f"style        {report.style or 'not stated'}")
    click.echo(f"licence      {report.licence or 'not stated'}")
    click.echo(f"attribution  {report.attribution or 'not stated'}")
    repeated = sum(len(group) - 1 for group in report.duplicates)
    click.echo(f"duplicates   {repeated}")
    _echo_limited([" = ".join(map(one_line, group)) for group in report.duplicates], limit=3)
    click.echo(f"unreadable   {len(report.unreadable)}")
    _echo_limited([f"{one_line(name)}: {reason}" for name, reason in report.unreadable])
    click.echo(f"left out     {describe_left_out(report.left_out) or 'none'}")
    if report.made_ready:
        click.echo("training     wspace train makes pictures of one size of it first")
    else:
        click.echo(f"training     {report.problem or 'ready as it is'}")
    for line in report.remarks:
        click.echo(f"remark       {line}")


def _counts_line(counts: Mapping[str, int]) -> str:
    parts = [f"{name}: {count}" for name, count in list(counts.items())[:LISTED]]
    if len(counts) > LISTED:
        parts.append(f"and {len(counts) - LISTED} more")
    return ", ".join(parts) or "none"


def _echo_limited(lines: list[str], *, limit: int = LISTED, err: bool = False) -> None:
    for line in lines[:limit]:
        click.echo(f"  {line}", err=err)
    if len(lines) > limit:
        click.echo(f"  ... and {len(lines) - limit} more", err=err)
