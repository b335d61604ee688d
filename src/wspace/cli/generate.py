"""``wspace generate``: pictures from seeds or from a recipe."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from wspace.cli.common import (
    SteeringOptions,
    again,
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
from wspace.files import check_folder
from wspace.group import Group, current
from wspace.recipe.classes import Classes
from wspace.recipe.syntax import format_seeds, parse_numbers

if TYPE_CHECKING:
    from wspace.figures.sheet import Sheet
    from wspace.networks.generator import Generator
    from wspace.recipe.document import RenderedBy
    from wspace.recipe.recipe import Recipe
    from wspace.rendering.pictures import Pictures

__all__ = ["generate_command"]

DEFAULT_SEEDS = tuple(range(16))
DEFAULT_FOLDER = Path("out")
_TRIED = 64  # recipes that tell whether compiling pays
_NEVER_TOGETHER: dict[str, tuple[str, ...]] = {
    "recipe_file": (
        "seeds", "psi", "cutoff", "centres", "towards", "class_index", "noise",
        "noise_seed", "noise_strength", "precision", "psi_sheet", "classes", "mean",
    ),
    "mean": ("seeds", "psi", "cutoff", "centres", "psi_sheet", "classes"),
    "psi_sheet": ("psi", "title", "compiling", "classes"),
    "classes": ("class_index", "compiling"),
    "shards": ("recipe_file", "mean", "psi_sheet", "classes", "grid", "sidecar"),
}  # fmt: skip


@click.command("generate")
@click.argument("model")
@click.option(
    "--seeds", callback=read_seeds, metavar="SEEDS", help="Such as 0-3,7.  [default: 0-15]"
)
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path),
    help="Render the recipe in this PNG or JSON file instead.",
)
@click.option("--mean", is_flag=True, help="Render the mean picture instead, that of psi 0.")
@click.option(
    "--psi-sheet",
    metavar="PSI,PSI,...",
    help="Write only a sheet, a row for each seed and a column for each psi, such as -1,0,0.5,1.",
)
@click.option(
    "--classes",
    metavar="CLASS,CLASS,...",
    help="Write only a sheet, a row for each class and a column for each seed; all for all.",
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
@click.option(
    "--shards",
    type=click.IntRange(min=1),
    metavar="PICTURES",
    help="Write tars of so many pictures, as WebDataset does; goes on where it was stopped.",
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
    classes: str | None,
    steering: SteeringOptions,
    compiling: str,
    out: Path | None,
    grid: Path | None,
    shards: int | None,
    title: str,
    theme: Literal["light", "dark"],
    sidecar: bool,
    as_json: bool,
) -> None:
    """Make pictures with MODEL: a bundled name, a file or a run folder.

    Every PNG carries its recipe; see `wspace show` and `wspace reproduce`. Values per layer are
    written VALUE@LAYERS,VALUE@LAYERS, such as --psi 0.5@coarse,1@4-. Processes that torchrun
    starts write shards, each its own.
    """
    group = current()
    _refuse_together(context, in_shards=not group.alone)
    if grid is not None:
        file_path(grid, ".png")
    if out is not None or grid is None:
        out = check_folder(out or DEFAULT_FOLDER)
    generator = load_generator(model, steering.device)
    if shards is not None or not group.alone:
        chosen = seeds or DEFAULT_SEEDS
        _draw_shards(generator, chosen, steering, compiling, out, shards, group, as_json)
        return
    if psi_sheet is not None or classes is not None:
        how: dict[str, Any] = {"theme": theme, "batch_size": steering.batch_size}
        if classes is not None:
            chosen = seeds or DEFAULT_SEEDS[:8]
            sheet = _classes_sheet(generator, chosen, classes, steering, title=title, **how)
        else:
            chosen = seeds or DEFAULT_SEEDS[:4]
            sheet = _psi_sheet(generator, chosen, psi_sheet or "", steering, **how)
        name = "psi.png" if classes is None else "classes.png"
        _report([sheet.save(grid or (out or DEFAULT_FOLDER) / name, sidecar=sidecar)], [], as_json)
        return
    seeds = (0,) if mean or recipe_file is not None else seeds or DEFAULT_SEEDS
    wanted = _recipes(generator, seeds, recipe_file, mean, steering)
    layout: dict[str, Any] = {"title": title, "theme": theme}
    if grid is not None:
        wanted, layout["note"] = _check_grid(generator, wanted, len(seeds), layout)
    names = ["mean"] if mean else None
    made = _Made(out, sidecar, names, keeps_pixels=grid is not None, keeps_recipes=as_json)
    try:
        _draw(generator, wanted, len(seeds), compiling, steering.batch_size, made)
    except KeyboardInterrupt:
        if not made.paths:
            raise
        _report(made.paths, made.recipes, as_json, made.rendered_by)
        left = format_seeds(seeds[len(made.paths) :])
        command = again(context, without=("grid", "title", "theme"), seeds=left)
        click.echo(
            f"interrupted: {len(made.paths)} of {len(seeds)} pictures are in {out}; "
            f"go on with: {command}",
            err=True,
        )
        context.exit(130)
    if grid is not None:
        made.paths.append(made.sheet(**layout).save(grid, sidecar=sidecar))
    _report(made.paths, made.recipes, as_json, made.rendered_by)


class _Made:
    """Pictures that are drawn: written at once where they have a folder, kept where asked."""

    def __init__(
        self,
        out: Path | None,
        sidecar: bool,
        names: list[str] | None,
        *,
        keeps_pixels: bool,
        keeps_recipes: bool,
    ) -> None:
        from wspace.rendering.pictures import PictureNames

        self._out, self._sidecar, self._names = out, sidecar, names
        self._seed_names = PictureNames()
        self._keeps_pixels, self._keeps_recipes = keeps_pixels, keeps_recipes
        self._kept: list[Pictures] = []
        self.paths: list[Path] = []
        self.recipes: list[Recipe] = []
        self.rendered_by: RenderedBy | None = None

    def take(self, pictures: Pictures) -> None:
        """Take the pictures of the next batch."""
        self.rendered_by = pictures.rendered_by
        if self._keeps_pixels:
            self._kept.append(pictures)
        if self._keeps_recipes:
            self.recipes += pictures.recipes
        if self._out is not None:
            names = self._names or [self._seed_names.next(recipe) for recipe in pictures.recipes]
            for path in pictures.write(self._out, names, self._sidecar):
                self.paths.append(path)

    def sheet(self, **layout: Any) -> Sheet:
        """All of them on one sheet."""
        from wspace.rendering.pictures import Pictures

        return Pictures.joined(self._kept).grid(**layout)


def _draw(
    generator: Generator,
    recipes: Iterator[Recipe],
    count: int,
    compiling: str,
    batch_size: int | None,
    made: _Made,
) -> None:
    """Draw ``count`` recipes, batch by batch."""
    from wspace.rendering.series import render_each

    first = list(itertools.islice(recipes, _TRIED))
    path = choose_render_path(generator, first, compiling, batch_size, count)
    with progress_bar("rendering", "pictures") as progress:
        for pictures in render_each(
            generator,
            itertools.chain(first, recipes),
            count,
            batch_size=batch_size,
            path=path,
            progress=progress,
        ):
            made.take(pictures)


def _draw_shards(
    generator: Generator,
    seeds: tuple[int, ...],
    steering: SteeringOptions,
    compiling: str,
    out: Path | None,
    per_shard: int | None,
    group: Group,
    as_json: bool,
) -> None:
    """Draw seeds into tars, with the other processes of a group."""
    from wspace.rendering.shards import PER_SHARD, draw_shards

    tried = list(steering.each(generator, seeds[:_TRIED]))
    path = choose_render_path(generator, tried, compiling, steering.batch_size, len(seeds))
    folder = out or DEFAULT_FOLDER
    with progress_bar("rendering", "pictures") as progress:
        drawn = draw_shards(
            generator,
            seeds,
            lambda some: steering.each(generator, some),
            folder,
            group=group,
            per_shard=per_shard or PER_SHARD,
            batch_size=steering.batch_size,
            path=path,
            progress=progress,
        )
    if as_json:
        click.echo(json.dumps({"files": [str(path) for path in drawn.paths]}))
    else:
        click.echo(f"{len(seeds):,} pictures in {len(drawn.paths):,} shards: {folder}")


def _check_grid(
    generator: Generator, recipes: Iterator[Recipe], count: int, layout: dict[str, Any]
) -> tuple[Iterator[Recipe], str]:
    """The recipes again and the note of their sheet, if there can be one of so many."""
    from wspace.figures.sheet import check_sheet, picture_layout
    from wspace.recipe.document import Cell, SheetLayout
    from wspace.rendering.sheets import describe_recipes

    SheetLayout(columns=1).check_fits(count)  # before so many are made
    listed = list(recipes)
    note = describe_recipes(generator, listed)
    shape = (*generator.size, generator.image_channels)
    planned = picture_layout(listed, shape, note=note, **layout)
    check_sheet(planned, [Cell(recipes=(recipe,)) for recipe in listed], shape)
    return iter(listed), note


def _refuse_together(context: click.Context, *, in_shards: bool) -> None:
    """Options that would be ignored are refused; ``in_shards``: as with --shards."""

    def given(name: str) -> bool:
        if name == "shards" and in_shards:
            return True
        return context.get_parameter_source(name) == ParameterSource.COMMANDLINE

    names = {str(p.name): p.opts[0] for p in context.command.params if isinstance(p, click.Option)}
    for chosen, others in _NEVER_TOGETHER.items():
        for name in filter(given, others) if given(chosen) else ():
            raise WspaceError(
                f"{names[chosen]} and {names[name]} exclude each other: leave one out."
            )
    if given("title") and not (given("grid") or given("classes")):
        raise WspaceError("--title is that of a sheet: give --grid FILE.png, too.")


def _recipes(
    generator: Generator,
    seeds: tuple[int, ...],
    recipe_file: Path | None,
    mean: bool,
    steering: SteeringOptions,
) -> Iterator[Recipe]:
    made = steering.each(generator, seeds if recipe_file is None else (recipe_file,))
    return (recipe.replace(psi=0.0) for recipe in made) if mean else made


def _psi_sheet(
    generator: Generator,
    seeds: tuple[int, ...],
    text: str,
    steering: SteeringOptions,
    **how: Any,
) -> Sheet:
    from wspace.rendering.sheets import psi_sheet

    recipes = steering.recipes(generator, seeds)
    values = parse_numbers(text, what="--psi-sheet")
    with progress_bar("rendering", "pictures") as progress:
        return psi_sheet(generator, recipes, values, progress=progress, **how)


def _classes_sheet(
    generator: Generator,
    seeds: tuple[int, ...],
    text: str,
    steering: SteeringOptions,
    **how: Any,
) -> Sheet:
    from wspace.recipe.document import SheetLayout
    from wspace.rendering.sheets import classes_sheet

    numbers = Classes.of(generator).parse_list(text)
    SheetLayout(columns=1).check_fits(len(numbers) * len(seeds))  # before so many are made
    rows = [steering.recipes(generator, [(seed, k) for seed in seeds]) for k in numbers]
    with progress_bar("rendering", "pictures") as progress:
        return classes_sheet(generator, rows, progress=progress, **how)


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
