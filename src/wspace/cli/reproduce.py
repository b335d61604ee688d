"""``wspace reproduce``: a picture again, from what it says of itself."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wspace.cli.common import file_path
from wspace.cli.progress import progress_bar

if TYPE_CHECKING:
    from wspace.figures.sheet import Sheet
    from wspace.rendering.pictures import Pictures

__all__ = ["reproduce_command"]


@click.command("reproduce")
@click.argument("picture", type=click.Path(path_type=Path))
@click.option(
    "--model",
    help="Where the model is.  [default: the name in the picture, bundled or in this folder]",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="[default: NAME-again.png beside PICTURE; none with --verify]",
)
@click.option("--verify", is_flag=True, help="Compare with PICTURE; exit 1 if it is not the same.")
@click.option("--device", default="auto", show_default=True, help="auto: as before; cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print what --verify found as JSON.")
def reproduce_command(
    picture: Path, model: str | None, out: Path | None, verify: bool, device: str, as_json: bool
) -> None:
    """Make PICTURE (PNG or WebP) again, as a PNG.

    Rendered as before (the same torch, CPU, threads, batch size), it is the same to the last bit;
    otherwise fp32 differs by at most 1 / 255.
    """
    from wspace.recipe.picture_file import document_of_file
    from wspace.rendering.reproduce import (
        choose_recorded_device,
        compare,
        find_recipe_model,
        remake,
    )

    document = document_of_file(picture)
    if out is not None:
        file_path(out, ".png")
    chosen = choose_recorded_device(document.rendered_by) if device == "auto" else device
    generator = find_recipe_model(document, model=model, device=chosen, beside=picture)
    with progress_bar("rendering", "pictures") as progress:
        made = remake(document, generator, progress=progress)
    others = made.rendered_by.differences(document.rendered_by)
    if others:
        click.echo(f"rendered with {', '.join(others)}", err=True)
    if out is not None or not verify:
        out = out or picture.with_name(f"{picture.stem}-again.png")
        _save(made, out)
        click.echo(out, err=as_json)
    if not verify:
        return
    found = compare(document, picture, made)
    if as_json:
        click.echo(json.dumps(asdict(found) | {"rendered_otherwise": others}))
    else:
        click.echo(
            f"largest difference {found.largest} / 255, on average {found.mean:.4g} / 255: "
            f"{'as promised' if found.promised else 'NOT as promised'} ({found.why})"
        )
    if not found.promised:
        click.get_current_context().exit(1)


def _save(made: Pictures | Sheet, out: Path) -> None:
    from wspace.figures.sheet import Sheet

    if isinstance(made, Sheet):
        made.save(out)
    else:
        made.save(out.parent, names=[out.stem])
