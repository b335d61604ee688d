"""``wspace interpolate``: walks through latent space as films."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import click

from wspace.cli.common import (
    SteeringOptions,
    choose_render_path,
    compile_option,
    load_generator,
    steering_options,
)
from wspace.cli.progress import progress_bar
from wspace.errors import WspaceError
from wspace.files import check_file, check_folder
from wspace.recipe.starts import parse_starts
from wspace.recipe.syntax import Layers, parse_layers

__all__ = ["interpolate_command"]


@click.command("interpolate")
@click.argument("model")
@click.option(
    "--seeds",
    "walks",
    multiple=True,
    required=True,
    metavar="SEEDS[:CLASS]|FILE,...",
    help="What to pass through, such as 1,2,3,1 or 1:boot,2:bag or plain.png,edited.png; repeat "
    "the option for another walk beside it.",
)
@click.option("--frames", type=click.IntRange(1, 100_000), default=240, show_default=True)
@click.option("--fps", type=click.IntRange(1, 100), default=30, show_default=True)
@click.option("--loop", is_flag=True, help="Go on from the last picture to the first.")
@click.option(
    "--path",
    "kind",
    type=click.Choice(["linear", "spline", "slerp"]),
    default="linear",
    show_default=True,
    help="linear and spline go through w, slerp through z.",
)
@click.option("--layers", metavar="LAYERS", help="Only these layers move, such as coarse.")
@click.option("--columns", type=click.IntRange(min=1), help="Walks in a row.  [default: a square]")
@steering_options
@compile_option
@click.option(
    "--scale",
    type=click.IntRange(1, 64),
    help="Enlarge by this number.  [default: small pictures to about 256 pixels]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="walk.mp4",
    show_default=True,
    help=".mp4, .webp, .gif, or a folder of PNGs that carry their recipes.",
)
def interpolate_command(
    model: str,
    walks: tuple[str, ...],
    frames: int,
    fps: int,
    loop: bool,
    kind: Literal["linear", "spline", "slerp"],
    layers: str | None,
    columns: int | None,
    steering: SteeringOptions,
    compiling: str,
    scale: int | None,
    out: Path,
) -> None:
    """Walk from picture to picture through the latent space of MODEL.

    FILE is a PNG or JSON that carries a recipe, such as an inverted or edited picture: its psi and
    edits go along. The noise stands still, or stays away with --noise none. Ctrl-C finishes the
    film with the frames made so far.
    """
    from wspace.figures.video import film_kind
    from wspace.rendering.film import write_walks
    from wspace.steering.interpolation import walk_recipes

    starts = [parse_starts(text) for text in walks]
    if film_kind(out) == "folder" and scale is not None:
        raise WspaceError("--scale is for films: frames in a folder keep their size.")
    check_folder(out) if film_kind(out) == "folder" else check_file(out)
    generator = load_generator(model, steering.device)
    moving = None if layers is None else parse_layers(layers, Layers.of(generator))
    recipes = [
        walk_recipes(
            generator,
            steering.recipes(generator, keys),
            frames,
            kind=kind,
            loop=loop,
            layers=moving,
        )
        for keys in starts
    ]
    together = [recipe for frame in zip(*recipes, strict=True) for recipe in frame]
    drawn = choose_render_path(generator, together, compiling, steering.batch_size)
    start = time.monotonic()
    with progress_bar("rendering", "frames") as progress:
        done = write_walks(
            generator,
            recipes,
            out,
            fps=fps,
            loop=loop,
            columns=columns,
            scale=scale,
            batch_size=steering.batch_size,
            path=drawn,
            progress=progress,
        )
    seconds = time.monotonic() - start
    click.echo(out)
    if done < frames:
        click.echo(f"interrupted: {out} has {done} of {frames} frames", err=True)
        click.get_current_context().exit(130)
    click.echo(f"{frames} frames in {seconds:.1f} s, {frames / seconds:.1f} a second", err=True)
