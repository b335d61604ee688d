"""``wspace mix``: styles of several pictures, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wspace.cli.common import (
    SteeringOptions,
    file_path,
    load_generator,
    read_starts,
    steering_options,
    theme_option,
)
from wspace.cli.progress import progress_bar
from wspace.errors import WspaceError
from wspace.recipe.mixing import layer_by_layer
from wspace.recipe.request import taken_layers
from wspace.recipe.starts import Start, parse_assignment
from wspace.recipe.syntax import Layers

if TYPE_CHECKING:
    from wspace.networks.generator import Generator

__all__ = ["mix_command"]


@click.command("mix")
@click.argument("model")
@click.option(
    "--rows",
    callback=read_starts,
    metavar="SEEDS[:CLASS]|FILE,...",
    help="Of the grid's rows, such as 0-3 or 0-3:boot,5:bag or mine.png,3.",
)
@click.option(
    "--cols",
    callback=read_starts,
    metavar="SEEDS[:CLASS]|FILE,...",
    help="Of the grid's columns, likewise.",
)
@click.option(
    "--layers",
    metavar="LAYERS",
    help="Layers that come from the column: coarse, middle, fine or such as 0-3,6.",
)
@click.option(
    "--crossover",
    metavar="LAYER|block:K",
    help="All layers from here on come from the column; block 0 is 4x4.",
)
@click.option(
    "--assign",
    metavar="SEED[:CLASS]|FILE@LAYERS,...",
    help="One picture instead of a grid, such as 12@0-3,99@4-7,5@8- or 12:boot@coarse,99:bag@4-.",
)
@steering_options
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="mix.png",
    show_default=True,
)
@theme_option
@click.option("--sidecar", is_flag=True, help="Write the recipes as JSON beside it, too.")
def mix_command(
    model: str,
    rows: tuple[Start, ...] | None,
    cols: tuple[Start, ...] | None,
    layers: str | None,
    crossover: str | None,
    assign: str | None,
    steering: SteeringOptions,
    out: Path,
    theme: Literal["light", "dark"],
    sidecar: bool,
) -> None:
    """Mix the styles of pictures that MODEL makes.

    With --rows and --cols, write the paper's grid: each picture takes the named layers from its
    column, the rest from its row. With --assign, write one picture with a seed for each layer.
    Each seed may have a class of its own behind a colon; the others have that of --class. FILE is
    a PNG or JSON that carries a recipe, such as an inverted or edited picture: each of its layers
    brings its own psi and edits.
    """
    grid = [name for name, value in _grid_options(rows, cols, layers, crossover) if value]
    if (assign is not None) == bool(grid):
        raise WspaceError("give either --assign, or --rows, --cols and --layers or --crossover.")
    if assign is None and (not rows or not cols or (layers is None) == (crossover is None)):
        raise WspaceError(
            "a grid needs --rows, --cols and one of --layers and --crossover; given: "
            f"{', '.join(grid)}."
        )
    file_path(out, ".png")
    generator = load_generator(model, steering.device)
    known = Layers.of(generator)
    if assign is not None:
        chosen = parse_assignment(assign, known, what="--assign")
        _write_assigned(generator, steering, chosen, out, sidecar)
        return
    taken = taken_layers(known, named=layers, crossover=crossover)
    from wspace.rendering.sheets import mixing_sheet

    assert rows is not None
    assert cols is not None
    recipes = steering.recipes(generator, rows + cols)
    with progress_bar("rendering", "pictures") as progress:
        sheet = mixing_sheet(
            generator,
            recipes[: len(rows)],
            recipes[len(rows) :],
            taken,
            theme=theme,
            batch_size=steering.batch_size,
            progress=progress,
        )
    click.echo(sheet.save(out, sidecar=sidecar))


def _write_assigned(
    generator: Generator,
    steering: SteeringOptions,
    starts: tuple[Start, ...],
    out: Path,
    sidecar: bool,
) -> None:
    from wspace.rendering.render import render

    distinct = list(dict.fromkeys(starts))
    made = dict(zip(distinct, steering.recipes(generator, distinct), strict=True))
    recipe = layer_by_layer(made[starts[0]], [made[one] for one in starts])
    pictures = render(generator, [recipe], batch_size=steering.batch_size)
    (path,) = pictures.save(out.parent, names=[out.stem], sidecar=sidecar)
    click.echo(path)


def _grid_options(
    rows: tuple[Start, ...] | None,
    cols: tuple[Start, ...] | None,
    layers: str | None,
    crossover: str | None,
) -> list[tuple[str, object]]:
    return [("--rows", rows), ("--cols", cols), ("--layers", layers), ("--crossover", crossover)]
