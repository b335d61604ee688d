"""``wspace show``: the recipe that a picture carries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wspace.recipe.syntax import spread_per_layer

if TYPE_CHECKING:
    from wspace.recipe.document import RenderedBy
    from wspace.recipe.recipe import Recipe, Source

__all__ = ["show_command"]


@click.command("show")
@click.argument("picture", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, as the PNG has it.")
def show_command(picture: Path, as_json: bool) -> None:
    """Print how PICTURE.png was made."""
    from wspace.recipe.document import PictureDocument
    from wspace.recipe.png import read_document

    document = read_document(picture)
    if as_json:
        click.echo(document.to_json())
        return
    if isinstance(document, PictureDocument):
        _print_recipe(document.recipe)
    else:
        layout, count = document.layout, len(document.cells)
        title = f": {layout.title}" if layout.title else ""
        click.echo(f"a sheet of {count} cells, {layout.columns} a row{title}")
        first = next((cell.recipes[0] for cell in document.cells if cell.recipes), None)
        if first is not None:
            click.echo("the first recipe (all of them with --json):")
            _print_recipe(first)
    _print_rendered_by(document.rendered_by)


def _print_recipe(recipe: Recipe) -> None:
    model = recipe.model
    if model is not None:
        click.echo(f"model      {model.name or 'without a name'}, sha256 {model.sha256[:16]}...")
    for i, source in enumerate(recipe.sources):
        where = ""
        if recipe.layer_sources is not None:
            layers = [str(k) for k, taken in enumerate(recipe.layer_sources) if taken == i]
            where = f" in layers {','.join(layers)}"
        click.echo(f"{'source' if i == 0 else '':10s} {_source(source)}{where}")
    psi = " ".join(f"{value:g}" for value in spread_per_layer(recipe.psi, 1))
    cutoff = "" if recipe.cutoff is None else f", cutoff {recipe.cutoff}"
    click.echo(f"psi        {psi}{cutoff}")
    noise = recipe.noise
    for name, value in (("noise", noise.mode), ("strength", noise.strength), ("seed", noise.seed)):
        if name != "seed" or "seeded" in spread_per_layer(noise.mode, 1):
            words = " ".join(
                f"{one:g}" if isinstance(one, float) else str(one)
                for one in spread_per_layer(value, 1)
            )
            click.echo(f"{name if name == 'noise' else '  ' + name:10s} {words}")
    click.echo(f"precision  {recipe.precision}")


def _source(source: Source) -> str:
    if source.w is not None:
        text = f"a w of {len(source.w)} numbers"
    else:
        text = f"seed {source.seed}"
        text += "" if source.class_index is None else f", class {source.class_index}"
    return text + ("" if source.centre is None else ", truncated towards a centre")


def _print_rendered_by(by: RenderedBy) -> None:
    click.echo(
        f"rendered   by torch {by.torch} on {by.device} ({by.cpu}), {by.threads} threads, "
        f"batches of {by.batch_size}, {by.path}, arithmetic {by.arithmetic}"
    )
