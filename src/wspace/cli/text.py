"""``wspace text``: a picture that comes to be what a text says."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import click

from wspace.cli.common import (
    FILMS,
    SteeringOptions,
    file_path,
    load_generator,
    one_start,
    steering_options,
)
from wspace.cli.progress import progress_bar
from wspace.errors import WspaceError
from wspace.recipe.syntax import MAX_SEED

__all__ = ["text_command"]


@click.command("text")
@click.argument("model")
@click.argument("text")
@click.option(
    "--clip",
    "clip_folder",
    type=click.Path(path_type=Path),
    help="Folder of a CLIP: its weights as safetensors, vocab.json and merges.txt.",
)
@click.option("--seed", type=click.IntRange(0, MAX_SEED), help="Of the picture.  [default: 0]")
@click.option(
    "--recipe",
    "recipe_file",
    type=click.Path(path_type=Path),
    help="Change the picture of this PNG's or JSON file's recipe instead.",
)
@click.option("--steps", type=int, default=200, show_default=True)
@click.option("--seconds", type=float, help="End after that time, if it is sooner.")
@click.option(
    "--hold",
    type=float,
    default=0.02,
    show_default=True,
    help="How much the picture stays what it was; 0: not at all.",
)
@steering_options
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="told.png",
    show_default=True,
    help="The picture in the end, with its recipe.",
)
@click.option("--film", type=click.Path(path_type=Path), help="Each step: .mp4, .webp or .gif.")
@click.option("--json", "as_json", is_flag=True, help="Print path, likeness and recipe as JSON.")
@click.pass_context
def text_command(
    context: click.Context,
    model: str,
    text: str,
    clip_folder: Path | None,
    seed: int | None,
    recipe_file: Path | None,
    steps: int,
    seconds: float | None,
    hold: float,
    steering: SteeringOptions,
    out: Path,
    film: Path | None,
    as_json: bool,
) -> None:
    """Change a picture of MODEL until a CLIP finds that it is what TEXT says.

    No CLIP comes with this package: --clip takes the folder of one as the transformers library
    keeps it. The result is a PNG with its recipe: edit it, mix it, drag it like any other.
    """
    from wspace.figures.video import open_film
    from wspace.inversion.text import GIVE, Clip, TextConfig, follow_text
    from wspace.rendering.render import render

    if clip_folder is None:
        raise WspaceError(f"a text needs a CLIP, and none comes with wspace: {GIVE}, as --clip.")
    start = one_start(context, steering, seed, recipe_file)
    file_path(out, ".png")
    if film is not None:
        file_path(film, *FILMS)
    config = TextConfig(steps=steps, seconds=seconds, hold=hold)
    generator = load_generator(model, steering.device)
    clip = Clip.read(clip_folder)
    clip.network.to(generator.w_avg.device)
    (recipe,) = steering.recipes(generator, [start])
    with contextlib.ExitStack() as stack:
        progress = stack.enter_context(progress_bar("following the text", "steps"))
        write = stack.enter_context(open_film(film, fps=20, loop=False)) if film else None

        def watch(done: int, pixels: object) -> None:
            progress(done, steps)
            if write is not None:
                write(pixels[0].numpy())  # type: ignore[index]

        told = follow_text(generator, recipe, clip, text, config, watch=watch)
    pictures = render(generator, [told.recipe])
    (path,) = pictures.save(out.parent, names=[out.stem])
    if as_json:
        row = {"file": str(path), "before": told.before, "after": told.after, "steps": told.steps}
        click.echo(json.dumps(row | {"recipe": pictures.recipes[0].to_dict()}))
        return
    click.echo(f"{path}: likeness {told.after:.3f} (from {told.before:.3f}), {told.steps} steps")
