"""``wspace export``: a model as files that run without wspace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from wspace.cli.common import load_generator
from wspace.errors import WspaceError
from wspace.files import check_absent
from wspace.sizes import size_of

if TYPE_CHECKING:
    from wspace.exporting.graph import WeightType
    from wspace.exporting.onnx_files import Exported

__all__ = ["export_command"]


@click.command("export")
@click.argument("model")
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "int16", "int8"]),
    default="float32",
    show_default=True,
    help="How weights are stored, smaller for a little of the picture; int8: float16 in mapping.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "pt2"]),
    default="onnx",
    show_default=True,
    help="ONNX graphs, or programs of torch.export.",
)
@click.option("--opset", type=int, help="Version of ONNX's standard operators.  [default: 17]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export_command(
    model: str, out: Path, dtype: str, kind: str, opset: int | None, as_json: bool
) -> None:
    """Write MODEL as ONNX graphs into the folder OUT, or the whole of it as OUT.onnx.

    The folder has mapping.onnx (z, class to w), synthesis.onnx (a w for each layer, and noise, to
    pictures), defaults.onnx (the stored noise), whole.onnx (z, psi, class to pictures) and
    model.json: names, shapes, mean w, directions, layers, classes, licence. Every file says the
    same of itself. They hold standard operators alone, take any batch, and are compared with
    wspace's own pictures before they are written. With --format pt2 the files are programs, such as
    mapping.pt2, which torch loads and runs without wspace.
    """
    from wspace.exporting.facts import facts_of
    from wspace.exporting.graph import DEFAULT_OPSET, require_onnx
    from wspace.exporting.onnx_files import check_opset, export_onnx
    from wspace.exporting.programs import export_programs
    from wspace.formats.directions import directions_path, read_directions
    from wspace.formats.model_file import read_metadata

    check_absent(out)
    _check_ending(out, kind)
    if kind == "pt2" and (dtype != "float32" or opset is not None):
        raise WspaceError("--dtype and --opset are for ONNX: leave them out with --format pt2.")
    opset = DEFAULT_OPSET if opset is None else opset
    if kind == "onnx":
        require_onnx()
        check_opset(opset)
    generator = load_generator(model, "cpu")
    directions = read_directions(directions_path(model), generator)
    facts = facts_of(generator, read_metadata(model)["metadata"], directions)
    if kind == "pt2":
        exported = export_programs(generator, out, facts)
    else:
        weights = cast("WeightType", dtype)
        exported = export_onnx(generator, out, facts, weights=weights, opset=opset)
    if as_json:
        found = exported.agreement
        result = {
            "out": str(out),
            "format": kind,
            "dtype": dtype,
            "opset": opset if kind == "onnx" else None,
            "files": exported.files,
            "pictures": found.pictures,
            "largest_difference": found.largest,
            "psnr": found.psnr if found.largest else None,
        }
        click.echo(json.dumps(result, indent=2))
        return
    size = size_of(generator.resolution)
    click.echo(
        f"{out}: {size} pixels, {generator.image_channels} channels, {generator.num_ws} layers of "
        f"w, {dtype}" + (f", opset {opset}" if kind == "onnx" else "")
    )
    _print_files(exported)


def _check_ending(out: Path, kind: str) -> None:
    """Whether a name that looks like one file fits the format."""
    endings = {"onnx": ".onnx", "pt2": ".pt2"}
    other = next(name for name in endings if name != kind)
    if out.suffix.lower() == endings[other]:
        raise WspaceError(f"{out} is no name for --format {kind}: give --format {other}.")


def _print_files(exported: Exported) -> None:
    width = max(map(len, exported.files))
    for name, size in exported.files.items():
        line = f"  {name:{width}}  {size / 1e6:6.2f} MB  {exported.shapes.get(name, 'the facts')}"
        click.echo(line)
    found = exported.agreement
    click.echo(
        f"against wspace, {found.pictures} pictures drawn by the files: largest difference "
        f"{found.largest:.0f}/255, "
        + ("not one pixel differs" if found.largest == 0 else f"PSNR {found.psnr:.1f} dB")
    )
