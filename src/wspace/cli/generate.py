"""``wspace generate``: pictures from seeds or from a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from wspace.cli.common import (
    SteeringOptions,
    choose_render_path,
    compile_option,
    file_path,
    load_generator,
    read_seeds,
    steering_options,
    theme_option,
)
from wspace.cli.progress import progress_bar
from wspace.errors import WspaceError
from wspace.recipe.syntax import parse_numbers

if TYPE_CHECKING:
    from wspace.figures.sheet import Sheet
    from wspace.networks.generator import Generator
    from wspace.recipe.document import RenderedBy
    from wspace.recipe.recipe import Recipe

__all__ = ["generate_command"]

DEFAULT_SEEDS = tuple(range(16))
DEFAULT_FOLDER = Path("out")
_NEVER_WITH_RECIPE = (
    "seeds", "psi", "cutoff", "centres", "class_index", "noise", "noise_seed", "noise_strength",
    "precision", "psi_sheet", "mean",
)  # fmt: skip


@click.command("generate")
@click.argument("model")
@click.option(
    "--seeds", callback=read_seeds, metavar="SEEDS", help="Such as 0-3,7.  [default: 0-15]"
)
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path),
    help="Render the recipe in this JSON file instead.",
)
@click.option("--mean", is_flag=True, help="Render the mean picture instead, that of psi 0.")
@click.option(
    "--psi-sheet",
    metavar="PSI,PSI,...",
    help="Write only a sheet, a row for each seed and a column for each psi, such as -1,0,0.5,1.",
)
@steering_options
@compile_option
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the PNGs.  [default: out; none with a sheet]",
)
@click.option(
    "--grid", type=click.Path(dir_okay=False, path_type=Path), help="Write one sheet, FILE.png."
)
@click.option("--title", default="", help="Of the sheet.")
@theme_option
@click.option("--sidecar", is_flag=True, help="Write each PNG's recipe as JSON beside it, too.")
@click.option("--json", "as_json", is_flag=True, help="Print paths and recipes as JSON.")
@click.pass_context
def generate_command(
    context: click.Context,
    model: str,
    seeds: tuple[int, ...] | None,
    recipe_file: Path | None,
    mean: bool,
    psi_sheet: str | None,
    steering: SteeringOptions,
    compiling: str,
    out: Path | None,
    grid: Path | None,
    title: str,
    theme: Literal["light", "dark"],
    sidecar: bool,
    as_json: bool,
) -> None:
    """Make pictures with MODEL: a bundled name, a file or a run folder.

    Every PNG carries its recipe; see `wspace show` and `wspace reproduce`. Values per layer are
    written VALUE@LAYERS,VALUE@LAYERS, such as --psi 0.5@coarse,1@4-.
    """
    _refuse_together(context, recipe_file, mean, psi_sheet, title, grid)
    if grid is not None:
        file_path(grid, ".png")
    generator = load_generator(model, steering.device)
    if psi_sheet is not None:
        recipes = steering.recipes(generator, seeds or DEFAULT_SEEDS[:4])
        sheet = _psi_sheet(generator, recipes, psi_sheet, theme, steering.batch_size)
        path = sheet.save(grid or (out or DEFAULT_FOLDER) / "psi.png", sidecar=sidecar)
        _report([path], [], as_json)
        return
    recipes = _recipes(generator, seeds, recipe_file, mean, steering)
    from wspace.rendering.render import render

    size = steering.batch_size
    drawn = choose_render_path(generator, recipes, compiling, size)
    with progress_bar("rendering", "pictures") as progress:
        pictures = render(generator, recipes, batch_size=size, path=drawn, progress=progress)
    paths: list[Path] = []
    if out is not None or grid is None:
        names = ["mean"] if mean else None
        paths += pictures.save(out or DEFAULT_FOLDER, names=names, sidecar=sidecar)
    if grid is not None:
        from wspace.rendering.sheets import describe_recipes

        note = describe_recipes(generator, recipes)
        sheet = pictures.grid(title=title, note=note, theme=theme)
        paths.append(sheet.save(grid, sidecar=sidecar))
    _report(paths, list(pictures.recipes), as_json, pictures.rendered_by)


def _refuse_together(
    context: click.Context,
    recipe_file: Path | None,
    mean: bool,
    psi_sheet: str | None,
    title: str,
    grid: Path | None,
) -> None:
    """Options that would be ignored are refused."""

    def given(name: str) -> bool:
        return context.get_parameter_source(name) == ParameterSource.COMMANDLINE

    def option(name: str) -> str:
        names = {"class_index": "class", "compiling": "compile"}
        return f"--{names.get(name, name).replace('_', '-')}"

    clashes: list[tuple[str, tuple[str, ...]]] = []
    if recipe_file is not None:
        clashes.append(("--recipe", _NEVER_WITH_RECIPE))
    if mean:
        clashes.append(("--mean", ("seeds", "psi", "cutoff", "centres", "psi_sheet")))
    if psi_sheet is not None:
        clashes.append(("--psi-sheet", ("psi", "title", "compiling")))
    for chosen, others in clashes:
        for name in filter(given, others):
            raise WspaceError(f"{chosen} and {option(name)} exclude each other: leave one out.")
    if title and grid is None:
        raise WspaceError("--title is that of a sheet: give --grid FILE.png, too.")


def _recipes(
    generator: Generator,
    seeds: tuple[int, ...] | None,
    recipe_file: Path | None,
    mean: bool,
    steering: SteeringOptions,
) -> tuple[Recipe, ...]:
    if recipe_file is not None:
        from wspace.recipe.document import read_recipe

        return (read_recipe(recipe_file),)
    if mean:
        return tuple(recipe.replace(psi=0.0) for recipe in steering.recipes(generator, (0,)))
    return steering.recipes(generator, seeds or DEFAULT_SEEDS)


def _psi_sheet(
    generator: Generator,
    recipes: tuple[Recipe, ...],
    text: str,
    theme: Literal["light", "dark"],
    batch_size: int | None,
) -> Sheet:
    from wspace.rendering.sheets import psi_sheet

    values = parse_numbers(text, what="--psi-sheet")
    with progress_bar("rendering", "pictures") as progress:
        return psi_sheet(
            generator, recipes, values, theme=theme, batch_size=batch_size, progress=progress
        )


def _report(
    paths: list[Path],
    recipes: list[Recipe],
    as_json: bool,
    rendered_by: RenderedBy | None = None,
) -> None:
    if not as_json:
        for path in paths:
            click.echo(path)
        return
    import dataclasses

    data: dict[str, Any] = {"files": [str(path) for path in paths]}
    if rendered_by is not None:
        data["recipes"] = [recipe.to_dict() for recipe in recipes]
        data["rendered_by"] = dataclasses.asdict(rendered_by)
    click.echo(json.dumps(data))
