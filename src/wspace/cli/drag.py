"""``wspace drag``: points of a picture pulled elsewhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from wspace.cli.common import (
    FILMS,
    SteeringOptions,
    file_path,
    load_generator,
    one_start,
    steering_options,
    theme_option,
)
from wspace.cli.progress import progress_bar
from wspace.recipe.syntax import MAX_SEED, Layers, parse_layers

__all__ = ["drag_command"]


@click.command("drag")
@click.argument("model")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), help="Of the picture.  [default: 0]")
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path),
    help="Drag the picture of this PNG's or JSON file's recipe instead.",
)
@click.option(
    "--from",
    "starts",
    multiple=True,
    required=True,
    metavar="RIGHT,DOWN",
    help="What to drag, in pixels from the upper left one; again, or several in quotes, for more.",
)
@click.option(
    "--to",
    "ends",
    multiple=True,
    required=True,
    metavar="RIGHT,DOWN",
    help="Where to, one for each --from.",
)
@click.option(
    "--mask",
    "mask_file",
    type=click.Path(path_type=Path),
    help="A picture of the model's size: what is white may move, what is black stays.",
)
@click.option("--steps", type=int, default=150, show_default=True, help="At most.")
@click.option(
    "--layers", metavar="LAYERS", help="That may change, such as coarse or 0-5.  [by the model]"
)
@steering_options
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="dragged.png",
    show_default=True,
    help="The picture in the end, with its recipe.",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The picture before and after, with the points, as FILE.png.",
)
@click.option("--film", type=click.Path(path_type=Path), help="Each step: .mp4, .webp or .gif.")
@theme_option
@click.option("--json", "as_json", is_flag=True, help="Print path, points and recipe as JSON.")
@click.pass_context
def drag_command(
    context: click.Context,
    model: str,
    seed: int | None,
    recipe_file: Path | None,
    starts: tuple[str, ...],
    ends: tuple[str, ...],
    mask_file: Path | None,
    steps: int,
    layers: str | None,
    steering: SteeringOptions,
    out: Path,
    sheet: Path | None,
    film: Path | None,
    theme: Literal["light", "dark"],
    as_json: bool,
) -> None:
    """Drag points of a picture of MODEL, and what hangs on them, as far as the model can draw that.

    The result is a PNG with its recipe: drag it on, mix it, edit it like any other. Ctrl-C keeps
    what there is.
    """
    from wspace.dragging.drag import DragConfig
    from wspace.dragging.moves import pair_points, parse_points, read_mask
    from wspace.dragging.pictures import drag_picture

    start = one_start(context, steering, seed, recipe_file)
    for picture in (out, sheet):
        if picture is not None:
            file_path(picture, ".png")
    if film is not None:
        file_path(film, *FILMS)
    moves = pair_points(
        [point for text in starts for point in parse_points(text)],
        [point for text in ends for point in parse_points(text)],
    )
    generator = load_generator(model, steering.device)
    chosen = None if layers is None else parse_layers(layers, Layers.of(generator))
    config = DragConfig(steps=steps, layers=chosen)
    mask = None if mask_file is None else read_mask(mask_file, generator.size)
    (recipe,) = steering.recipes(generator, [start])
    with progress_bar("dragging", "steps") as progress:
        made = drag_picture(
            generator, recipe, moves, mask=mask, config=config, film=film, progress=progress
        )
    last = made.last
    (path,) = made.pictures.save(out.parent, names=[out.stem])
    if sheet is not None:
        made.save_sheet(sheet, theme=theme)
    if as_json:
        points = [{"is": list(start), "to": list(end)} for start, end in last.moves]
        row = {"file": str(path), "points": points, "steps": last.step, "arrived": last.arrived}
        click.echo(json.dumps(row | {"recipe": made.pictures.recipes[0].to_dict()}))
    else:
        click.echo(f"{path}: {made.ended}")
    if made.interrupted:
        click.echo("interrupted: this is the last picture before it", err=True)
        context.exit(130)
