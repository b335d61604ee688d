"""``wspace show``: the recipe that a picture carries."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["show_command"]


@click.command("show")
@click.argument("picture", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, as the file has it.")
def show_command(picture: Path, as_json: bool) -> None:
    """Print how PICTURE (PNG or WebP) was made."""
    from wspace.recipe.describe import describe_rendered_by, recipe_lines
    from wspace.recipe.document import PictureDocument
    from wspace.recipe.picture_file import document_of_file

    document = document_of_file(picture)
    if as_json:
        click.echo(document.to_json())
        return
    if isinstance(document, PictureDocument):
        lines = recipe_lines(document.recipe)
    else:
        layout, count = document.layout, len(document.cells)
        title = f": {layout.title}" if layout.title else ""
        lines = [f"a sheet of {count} cells, {layout.columns} a row{title}"]
        first = next((cell.recipes[0] for cell in document.cells if cell.recipes), None)
        if first is not None:
            lines += ["the first recipe (all of them with --json):", *recipe_lines(first)]
    for line in [*lines, f"rendered   by {describe_rendered_by(document.rendered_by)}"]:
        click.echo(line)
