"""``wspace directions``: find, show, rename and remove named directions of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wspace.cli.common import (
    SteeringOptions,
    file_path,
    load_generator,
    steering_options,
    theme_option,
)
from wspace.cli.data_place import fetched_path, say
from wspace.cli.progress import progress_bar
from wspace.errors import WspaceError, command_line
from wspace.recipe.starts import Start
from wspace.recipe.syntax import MAX_SEED, Layers, parse_layers, parse_numbers

if TYPE_CHECKING:
    from wspace.discovery.labelled import Space
    from wspace.formats.directions import Direction
    from wspace.networks.generator import Generator
    from wspace.recipe.recipe import Edit

__all__ = ["directions_command"]

METHODS = {"sefa": "SeFa", "pca": "PCA", "labels": "labels", "stylespace": "style space"}
LEARNED: dict[str, Space] = {"labels": "w", "stylespace": "style"}  # from DATA


@click.group("directions")
def directions_command() -> None:
    """Named directions: steps such as --edit glasses=1.5 for every command that draws."""


@directions_command.command("find")
@click.argument("model")
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default="sefa",
    show_default=True,
    help="sefa asks the weights, pca the w themselves, labels and stylespace what DATA says of its "
    "pictures: for directions in W, or for single channels of styles.",
)
@click.option("--data", metavar="DATA", help="Pictures with classes or attributes.")
@click.option("--num", type=click.IntRange(1, 100), default=5, show_default=True, help="How many.")
@click.option(
    "--layers",
    metavar="LAYERS",
    help="That take the step, such as coarse.  [default: sefa a group after the other; others all]",
)
@click.option(
    "--only",
    metavar="NAME,NAME,...",
    help="Of what DATA tells, such as hat-color.  [default: all]",
)
def find_command(
    model: str, method: str, data: str | None, num: int, layers: str | None, only: str | None
) -> None:
    """Find directions of MODEL, and keep them beside its file.

    Strength 1 is one standard deviation of w. With labels and stylespace, everything that a judge
    can see gets a direction, or what --only names; strength 1 is the step that gives it to half of
    the pictures that lack it. What was found before by the same method in the same layers is
    replaced, unless it was renamed.
    """
    from wspace.formats.directions import directions_to_write, read_directions, write_directions

    if (method in LEARNED) != (data is not None):
        raise WspaceError(
            "--method labels and stylespace need --data LABELLED, and the others do without it."
        )
    if only is not None and data is None:
        raise WspaceError("--only names what data tells: give --method labels or stylespace.")
    path = directions_to_write(model)
    generator = load_generator(model)
    kept = read_directions(path, generator)
    found = (
        _by_weights(generator, method, num, layers)
        if data is None
        else _by_labels(generator, LEARNED[method], data, layers, only)
    )
    write_directions(path, generator, kept | found)
    click.echo(f"{path}: {', '.join(found)}")
    shown = command_line("wspace", "directions", "sheet", model)
    click.echo(f"look at them: {shown}", err=True)


def _by_labels(
    generator: Generator, space: Space, place: str, layers: str | None, only: str | None
) -> dict[str, Direction]:
    """What a judge that learned from labelled data finds."""
    from wspace.data.dataset import Dataset
    from wspace.discovery.labelled import labelled_directions
    from wspace.metrics.features.datasets import cache_folder
    from wspace.metrics.judge import judging_of

    chosen = None if layers is None else parse_layers(layers, Layers.of(generator))
    names = None if only is None else [name.strip() for name in only.split(",")]
    with Dataset.open(fetched_path(place), say=say) as data:
        judging = judging_of(data, cache=cache_folder(), show=progress_bar)
        labels = data.labels if generator.num_classes else None
    with progress_bar("finding directions", "attributes") as progress:
        return labelled_directions(
            generator,
            judging,
            space=space,
            names=names,
            layers=chosen,
            labels=labels,
            say=say,
            progress=progress,
        )


def _by_weights(
    generator: Generator, method: str, num: int, layers: str | None
) -> dict[str, Direction]:
    """What weights or w say."""
    from wspace.formats.directions import Direction
    from wspace.steering.directions import closed_form, principal, sample_w

    known, w = Layers.of(generator), sample_w(generator)
    places: dict[str, tuple[int, ...] | None] = {"": None}
    if layers is not None:
        places = {layers: parse_layers(layers, known)}
    elif method == "sefa":
        places = {name: tuple(group) for name, group in known.groups.items() if group}
    found: dict[str, Direction] = {}
    for place, chosen in places.items():
        if method == "sefa":
            edits = closed_form(generator, num, w, chosen)
        else:
            edits = principal(w, num, chosen)
        where = f" in {place or 'all layers'}"
        stem = "-".join(part for part in (method, place.replace(",", "+")) if part)
        for i, edit in enumerate(edits):
            name = f"{stem}-{i + 1}"
            about = f"{METHODS[method]}{where}, number {i + 1}"
            found[name] = Direction(edit=edit.replace(name=name), about=about)
    return found


@directions_command.command("list")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="As JSON, the directions themselves too.")
def list_command(model: str, as_json: bool) -> None:
    """List the directions of MODEL."""
    generator = load_generator(model)
    known = _directions(model, generator)
    if as_json:
        rows = [
            {
                "name": name,
                "about": one.about,
                "layers": one.edit.layers,
                "fingerprint": one.edit.fingerprint,
                "direction": one.edit.direction,
                "channels": one.edit.channels,
            }
            for name, one in known.items()
        ]
        click.echo(json.dumps(rows))
        return
    for name, one in known.items():
        about = one.about or "no word of how it was found"
        click.echo(f"{name}: {about}; {_where(generator, one.edit)}")


def _where(generator: Generator, edit: Edit) -> str:
    """Which layers an edit changes, and how many channels of theirs."""
    layers = Layers.of(generator)
    if edit.channels is None:
        return "all layers" if edit.layers is None else layers.name(edit.layers)
    own = {generator.affine_layers[style][0] for style, _, _ in edit.channels}
    return f"{len(edit.channels)} channels in {layers.name(tuple(own))}"


@directions_command.command("sheet")
@click.argument("model")
@click.option("--seed", type=click.IntRange(0, MAX_SEED), help="Of the picture.  [default: 0]")
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path),
    help="Show them on the picture of this PNG or JSON file instead.",
)
@click.option("--names", metavar="NAME,NAME,...", help="Which ones.  [default: all]")
@click.option("--strengths", default="-2,-1,0,1,2", show_default=True, metavar="NUMBER,NUMBER,...")
@steering_options
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="directions.png",
    show_default=True,
)
@theme_option
def sheet_command(
    model: str,
    seed: int | None,
    recipe_file: Path | None,
    names: str | None,
    strengths: str,
    steering: SteeringOptions,
    out: Path,
    theme: Literal["light", "dark"],
) -> None:
    """Show directions of MODEL on one picture: a row each, strengths in columns."""
    from wspace.recipe.editing import known_direction
    from wspace.rendering.sheets import directions_sheet

    if seed is not None and recipe_file is not None:
        raise WspaceError("--seed and --recipe exclude each other: leave one out.")
    file_path(out, ".png")
    steps = parse_numbers(strengths, what="--strengths")
    generator = load_generator(model, steering.device)
    known = {name: one.edit for name, one in _directions(model, generator).items()}
    chosen: list[Edit] = list(known.values())
    if names is not None:
        chosen = [known_direction(name.strip(), known) for name in names.split(",")]
    start: Start = (seed or 0) if recipe_file is None else recipe_file
    (recipe,) = steering.recipes(generator, (start,))
    with progress_bar("rendering", "pictures") as progress:
        sheet = directions_sheet(
            generator,
            recipe,
            chosen,
            steps,
            theme=theme,
            batch_size=steering.batch_size,
            progress=progress,
        )
    click.echo(sheet.save(out))


@directions_command.command("rename")
@click.argument("model")
@click.argument("name")
@click.argument("new_name")
def rename_command(model: str, name: str, new_name: str) -> None:
    """Give a direction of MODEL another name."""
    from wspace.formats.directions import directions_path, rename_direction

    generator = load_generator(model)
    _directions(model, generator, name)
    renamed = rename_direction(model, generator, name, new_name)
    click.echo(f"{directions_path(model)}: {', '.join(renamed)}")


@directions_command.command("remove")
@click.argument("model")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def remove_command(model: str, names: tuple[str, ...]) -> None:
    """Remove directions of MODEL."""
    generator = load_generator(model)
    known = _directions(model, generator, *names)
    _write(model, generator, {n: one for n, one in known.items() if n not in names})


def _directions(model: str, generator: Generator, *needed: str) -> dict[str, Direction]:
    """The directions of a model, at least one, and those that are named."""
    from wspace.formats.directions import directions_path, read_directions
    from wspace.recipe.editing import known_direction

    known = read_directions(directions_path(model), generator)
    if not known:
        find = command_line("wspace", "directions", "find", model)
        raise WspaceError(f"{model} has no directions: find some with `{find}`.")
    for name in needed:
        known_direction(name, {key: one.edit for key, one in known.items()})
    return known


def _write(model: str, generator: Generator, directions: dict[str, Direction]) -> None:
    from wspace.formats.directions import directions_to_write, write_directions

    path = directions_to_write(model)
    write_directions(path, generator, directions)
    click.echo(f"{path}: {', '.join(directions) or 'no directions'}")
