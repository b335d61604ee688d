"""``wspace noise``: what the noise inputs do, as two figures."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from wspace.cli.common import SteeringOptions, load_generator, steering_options, theme_option
from wspace.cli.progress import progress_bar
from wspace.errors import WspaceError
from wspace.files import check_folder
from wspace.recipe.recipe import MAX_STRENGTH
from wspace.recipe.syntax import MAX_SEED

__all__ = ["noise_command"]


@click.command("noise")
@click.argument("model")
@click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    default=0,
    show_default=True,
    help="Seed of the picture; its noise gets seeds of its own.",
)
@click.option(
    "--realisations",
    type=click.IntRange(min=2),
    default=32,
    show_default=True,
    help="Noise maps that the deviations are measured over.",
)
@steering_options
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="out",
    show_default=True,
    help="Folder of the two sheets.",
)
@theme_option
@click.option("--sidecar", is_flag=True, help="Write the recipes as JSON beside them, too.")
def noise_command(
    model: str,
    seed: int,
    realisations: int,
    steering: SteeringOptions,
    out: Path,
    theme: Literal["light", "dark"],
    sidecar: bool,
) -> None:
    """Show what the noise inputs of MODEL do to one picture.

    noise-deviation.png has the picture under several noise maps and the standard deviation of each
    pixel over many. noise-layers.png has noise in all, no, coarse, middle and fine layers.
    """
    if (steering.request.noise, steering.request.noise_seed) != ("const", "0"):
        raise WspaceError(
            "the figures choose noise modes and seeds themselves: leave --noise and --noise-seed "
            f"out; --noise-strength, 0 to {MAX_STRENGTH:g}, counts."
        )
    check_folder(out)
    generator = load_generator(model, steering.device)
    if not generator.const_noise:
        raise WspaceError(f"{model} has no noise inputs (StyleGAN3 has none): nothing to show.")
    from wspace.rendering.sheets import noise_deviation_sheet, noise_layers_sheet

    (recipe,) = steering.recipes(generator, (seed,))
    for name, figure in (
        ("noise-deviation.png", noise_deviation_sheet),
        ("noise-layers.png", noise_layers_sheet),
    ):
        with progress_bar(name.removesuffix(".png"), "pictures") as progress:
            sheet = figure(
                generator,
                recipe,
                realisations=realisations,
                theme=theme,
                batch_size=steering.batch_size,
                progress=progress,
            )
        click.echo(sheet.save(out / name, sidecar=sidecar))
