"""``wspace import``: an official pickle to a wspace model, without running what is in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from wspace.cli.progress import progress_bar
from wspace.errors import WspaceError
from wspace.files import check_file
from wspace.sizes import size_of

if TYPE_CHECKING:
    from torch import nn

    from wspace.formats.official.convert import ImportedModel
    from wspace.networks.generator import Generator

__all__ = ["import_command"]

SHEET_PSI = 0.7
SHEET_PIXELS = 2**21  # of all pictures of a sheet, which bounds the time to draw it
SHEET_PICTURES = 16


@click.command("import")
@click.argument("official", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--network",
    type=click.Choice(["G_ema", "G"]),
    default="G_ema",
    show_default=True,
    help="The averaged generator, to sample from, or the one under training.",
)
@click.option(
    "--with-discriminator", is_flag=True, help="Bring the discriminator along, for fine-tuning."
)
@click.option(
    "--class-names",
    "names_file",
    type=click.Path(path_type=Path),
    help="A text file that names its classes, a line each; official files have no names.",
)
@click.option(
    "--sheet",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where samples go.  [default: OUT with .png]",
)
@click.option("--no-sheet", is_flag=True, help="Draw no samples.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def import_command(
    official: Path,
    out: Path,
    network: str,
    with_discriminator: bool,
    names_file: Path | None,
    sheet: Path | None,
    no_sheet: bool,
    as_json: bool,
) -> None:
    """Turn OFFICIAL, a StyleGAN pickle, into the wspace model OUT (.safetensors).

    Reads network pickles of StyleGAN and StyleGAN2 (TensorFlow), StyleGAN2-ADA and StyleGAN3
    (PyTorch). The file is read as data: nothing in it is executed, and what does not belong in such
    a file is refused and named. The model makes the same pictures as the original;
    `wspace train DATA --from OUT` fine-tunes one that was imported with its discriminator.
    """
    from wspace.formats.model_file import load, save
    from wspace.formats.official.convert import import_official, name_classes

    if out.suffix != ".safetensors":
        raise WspaceError(f"{out} is no name of a model: give one that ends in .safetensors.")
    if no_sheet and sheet is not None:
        raise WspaceError(f"--sheet {sheet} and --no-sheet exclude each other: give one of them.")
    sheet = None if no_sheet else check_file(sheet or out.with_suffix(".png"))
    check_file(out)
    which = cast(Literal["G_ema", "G"], network)
    imported = import_official(official, network=which, with_discriminator=with_discriminator)
    if names_file is not None:
        name_classes(imported.generator, names_file)
    save(imported.generator, out, discriminator=imported.discriminator, metadata=imported.metadata)
    found = {"out": str(out), **_report(imported)}
    del imported  # the sheet shows what the file holds
    if sheet is not None:
        _draw_sheet(load(out), sheet, title=f"{out.stem} from {official.name}")
        found["sheet"] = str(sheet)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _print_report(found)


def _report(imported: ImportedModel) -> dict[str, Any]:
    generator = imported.generator
    parts = {"mapping": generator.mapping, "synthesis": generator.synthesis}
    parameters = {name: _count(module) for name, module in parts.items()}
    if imported.discriminator is not None:
        parameters["discriminator"] = _count(imported.discriminator)
    return {
        **imported.metadata,
        "architecture": generator.config.architecture,
        "resolution": generator.resolution,
        "image_channels": generator.image_channels,
        "z_dim": generator.z_dim,
        "w_dim": generator.w_dim,
        "num_ws": generator.num_ws,
        "num_classes": generator.num_classes,
        "parameters": parameters,
    }


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _draw_sheet(generator: Generator, path: Path, *, title: str) -> None:
    """A few seeds at `SHEET_PSI`, one a class where the model has classes."""
    from wspace.recipe.recipe import sample_recipes
    from wspace.rendering.render import render

    count = max(2, min(SHEET_PICTURES, SHEET_PIXELS // generator.size.area))
    chosen = sample_recipes(range(count), num_classes=generator.num_classes, psi=SHEET_PSI)
    with progress_bar("drawing", "pictures") as progress:
        pictures = render(generator, chosen, progress=progress)
    pictures.grid(title=title, note=f"psi {SHEET_PSI}").save(path)


def _print_report(found: dict[str, Any]) -> None:
    parameters: dict[str, int] = found["parameters"]
    total = parameters["mapping"] + parameters["synthesis"]
    classes = f", {found['num_classes']} classes" if found["num_classes"] else ""
    click.echo(
        f"{found['out']}: {found['imported_network']} of {found['imported_from']}, "
        f"{found['generation']} ({found['architecture']})"
    )
    click.echo(
        f"{size_of(found['resolution'])} pixels, {found['image_channels']} channels, "
        f"{found['num_ws']} layers of w{classes}"
    )
    click.echo(
        f"{total:,} parameters: mapping {parameters['mapping']:,}, synthesis "
        f"{parameters['synthesis']:,}"
    )
    if "discriminator" in parameters:
        click.echo(f"discriminator of {parameters['discriminator']:,} parameters")
    if "sheet" in found:
        click.echo(f"samples: {found['sheet']}")
