"""``wspace export``: a model as files that run without wspace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from wspace.cli.common import load_generator
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
    type=click.Choice(["float32", "float16", "int8"]),
    default="float32",
    show_default=True,
    help="How weights are stored: half or a quarter of the size, for a little of the picture.",
)
@click.option("--opset", type=int, help="Version of ONNX's standard operators.  [default: 17]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def export_command(model: str, out: Path, dtype: str, opset: int | None, as_json: bool) -> None:
    """Write MODEL as ONNX graphs into the folder OUT, or the whole of it as OUT.onnx.

    The folder has mapping.onnx (z, class to w), synthesis.onnx (a w for each layer, and noise, to
    pictures), noise.onnx (the stored noise maps), whole.onnx (z, psi, class to pictures) and
    model.json: names, shapes, mean w, directions, layers, classes, licence. Every file says the
    same of itself. They hold standard operators alone, take any batch, and are compared with
    wspace's own pictures before they are written.
    """
    from wspace.exporting.facts import facts_of
    from wspace.exporting.graph import DEFAULT_OPSET, require_onnx
    from wspace.exporting.onnx_files import check_opset, export_onnx
    from wspace.formats.directions import directions_path, read_directions
    from wspace.formats.model_file import read_metadata

    check_absent(out)
    require_onnx()
    opset = DEFAULT_OPSET if opset is None else opset
    check_opset(opset)
    generator = load_generator(model, "cpu")
    directions = read_directions(directions_path(model), generator)
    facts = facts_of(generator, read_metadata(model)["metadata"], directions)
    weights = cast("WeightType", dtype)
    exported = export_onnx(generator, out, facts, weights=weights, opset=opset)
    if as_json:
        found = exported.agreement
        result = {
            "out": str(out),
            "dtype": dtype,
            "opset": opset,
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
        f"w, {dtype}, opset {opset}"
    )
    _print_files(exported)


def _print_files(exported: Exported) -> None:
    about = {f"{graph.name}.onnx": graph.describe() for graph in exported.graphs}
    if len(exported.files) == 1:
        about = dict(zip(exported.files, about.values(), strict=True))
    width = max(map(len, exported.files))
    for name, size in exported.files.items():
        line = f"  {name:{width}}  {size / 1e6:6.2f} MB  {about.get(name, 'the facts')}"
        click.echo(line.rstrip())
    found = exported.agreement
    click.echo(
        f"against wspace, {found.pictures} pictures by onnxruntime: largest difference "
        f"{found.largest:.0f}/255, "
        + ("not one pixel differs" if found.largest == 0 else f"PSNR {found.psnr:.1f} dB")
    )
