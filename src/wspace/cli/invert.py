"""``wspace invert``: pictures of your own as recipes of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from wspace.cli.common import FILMS, file_path, load_generator, theme_option
from wspace.cli.progress import progress_bar
from wspace.errors import command_line
from wspace.files import check_folder
from wspace.recipe.classes import Classes

if TYPE_CHECKING:
    from wspace.data.build import Fit

__all__ = ["invert_command"]


@click.command("invert")
@click.argument("model")
@click.argument("pictures", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--space",
    type=click.Choice(["w", "w+"]),
    help="One w for all layers, or one a layer: nearer, and less like the model's own.  [default: "
    "w+; w with --tune, which edits better]",
)
@click.option("--steps", type=click.IntRange(0, 100_000), default=300, show_default=True)
@click.option(
    "--seconds", type=float, help="End after that time, if it is sooner; 0: the start alone."
)
@click.option("--noise", is_flag=True, help="Find noise maps, too, after as many steps again.")
@click.option(
    "--tune",
    is_flag=True,
    help="Tune the model for the pictures; what changes is saved beside them, as a model.",
)
@click.option("--class", "of", metavar="CLASS", help="Start in this class, a name or a number.")
@click.option(
    "--fit",
    type=click.Choice(["crop", "pad", "squash"]),
    default="crop",
    show_default=True,
    help="How pictures of another shape become the model's.",
)
@click.option("--background", default="white", show_default=True, help="Of transparent places.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="inverted",
    show_default=True,
    help="Folder of the PNGs, which carry their recipes.",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The pictures, where they started, and what they became, as FILE.png.",
)
@click.option("--film", type=click.Path(path_type=Path), help="How they came about: .mp4 or .gif.")
@theme_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--json", "as_json", is_flag=True, help="Print paths, PSNR and recipes as JSON.")
def invert_command(
    model: str,
    pictures: tuple[Path, ...],
    space: Literal["w", "w+"] | None,
    steps: int,
    seconds: float | None,
    noise: bool,
    tune: bool,
    of: str | None,
    fit: Fit,
    background: str,
    out: Path,
    sheet: Path | None,
    film: Path | None,
    theme: Literal["light", "dark"],
    device: str,
    as_json: bool,
) -> None:
    """Find the w that makes MODEL draw PICTURES, of any size and format.

    It starts from the model's encoder, where its file has one, else from the nearest of random w.
    Each result is a PNG with its recipe: mix it, edit it, walk from it like any other picture, such
    as with `wspace generate MODEL --recipe`.
    """
    from wspace.formats.model_file import base_of, load, load_encoder
    from wspace.inversion.invert import InversionConfig
    from wspace.inversion.pictures import invert_pictures, read_targets
    from wspace.inversion.tuning import TuningConfig

    check_folder(out)
    for path, endings in ((sheet, (".png",)), (film, FILMS)):
        if path is not None:
            file_path(path, *endings)
    space = space or ("w" if tune else "w+")
    share = seconds / 2 if tune and seconds is not None else seconds
    config = InversionConfig(space=space, steps=steps, seconds=share, noise=noise)
    tuning = TuningConfig(steps=steps, seconds=share) if tune else None
    generator = load_generator(model, device)
    class_index = None if of is None else Classes.of(generator).parse(of)
    targets = read_targets(pictures, generator, fit=fit, background=background)
    encoder = load_encoder(model)
    base = load(base_of(model)) if tune else None
    with progress_bar("inverting", "steps") as progress:
        made = invert_pictures(
            generator,
            targets,
            config,
            class_index=class_index,
            encoder=None if encoder is None else encoder.to(generator.w_avg.device),
            tuning=tuning,
            base=base,
            film=film,
            progress=progress,
        )
    paths = made.save(out, model=model if tune else None, sheet=sheet, theme=theme)
    drawn_by = model if made.tuned is None else str(out / made.tuned.generator.name)
    if as_json:
        rows = [
            {
                "file": str(path),
                "psnr": psnr,
                "start_psnr": one.start_psnr,
                "steps": one.steps,
                "model": drawn_by,
                "recipe": recipe.to_dict(),
            }
            for path, psnr, one, recipe in zip(
                paths, made.psnr, made.found, made.last.recipes, strict=True
            )
        ]
        click.echo(json.dumps(rows))
        return
    for path, psnr, one in zip(paths, made.psnr, made.found, strict=True):
        tuned = "" if made.tuned is None else f", {one.psnr:.1f} before tuning"
        click.echo(f"{path}: {psnr:.1f} dB (from {one.start_psnr:.1f}{tuned}), {one.steps} steps")
    again = command_line("wspace", "generate", drawn_by, "--recipe", paths[0])
    click.echo(f"draw it again, with whatever you change: {again}", err=True)
