"""``wspace encoder``: an encoder for a model that has none, so that inversion is immediate."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal, cast

import click

from wspace.cli.common import file_path, load_generator
from wspace.cli.data_place import fetched_path, say
from wspace.cli.progress import progress_bar
from wspace.errors import WspaceError, command_line

__all__ = ["encoder_command"]


@click.command("encoder")
@click.argument("model")
@click.option(
    "--data",
    metavar="DATA",
    help="Real pictures, too: such as the model learned from.",
)
@click.option("--minutes", type=float, default=3.0, show_default=True, help="How long it learns.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The model with its encoder, as FILE.safetensors.  [default: MODEL's own file]",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True)
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
def encoder_command(
    model: str, data: str | None, minutes: float, out: Path | None, seed: int, device: str
) -> None:
    """Teach an encoder where in W the pictures of MODEL lie, and keep it in the model's file.

    `wspace invert` then starts from what it says, which takes no time. It learns from pictures that
    MODEL draws, whose w are known, and with --data from real ones. What `wspace train` writes has
    an encoder already, where the run had reconstruction. The model itself stays as it is.
    """
    from wspace.data.dataset import Dataset
    from wspace.formats.model_file import add_encoder, base_of, bundled_models, find_model
    from wspace.inversion.teaching import TeachingConfig, real_pictures, teach_encoder
    from wspace.machine import choose_precision

    generator = load_generator(model, device)
    place = find_model(model)
    if base_of(place) != place:
        raise WspaceError(
            f"{place} is a tuned model: teach an encoder for its base, {base_of(place)}."
        )
    if out is None and place in bundled_models().values():
        raise WspaceError(f"{model} is bundled: say with --out where the model and its encoder go.")
    out = file_path(out or place, ".safetensors")
    precision = choose_precision(generator.w_avg.device.type)
    config = TeachingConfig(seconds=minutes * 60, precision=precision)
    with contextlib.ExitStack() as stack:
        real = None
        if data is not None:
            channels = cast(Literal[1, 3, 4], generator.image_channels)
            opened = stack.enter_context(
                Dataset.open(fetched_path(data), image_channels=channels, say=say)
            )
            real = real_pictures(generator, opened, seed=seed)
        progress = stack.enter_context(progress_bar("teaching", "seconds"))
        taught = teach_encoder(generator, config, real=real, seed=seed, progress=progress)
    add_encoder(place, taught.encoder, out)
    known = f", {taught.real_psnr:.1f} dB near real ones" if taught.real_psnr is not None else ""
    click.echo(f"{out}: {taught.own_psnr:.1f} dB near pictures of the model's own{known}")
    shown = command_line("wspace", "invert", out, "PICTURE", "--seconds", "0")
    click.echo(f"what it finds at once: {shown}", err=True)
