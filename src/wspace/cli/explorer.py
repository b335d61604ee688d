"""``wspace explorer``: models as a web page that draws in the visitor's browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from wspace.errors import WspaceError
from wspace.files import check_absent

if TYPE_CHECKING:
    from wspace.explorer.models import PageModel
    from wspace.exporting.graph import WeightType

__all__ = ["explorer_command"]


@click.command("explorer")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="A folder that is not there yet; with --single-file, a file such as faces.html.",
)
@click.option("--single-file", is_flag=True, help="One HTML file, for a mail or a disk.")
@click.option(
    "--runtime",
    type=click.Path(exists=True, path_type=Path),
    help="The folder or .tgz of the npm package onnxruntime-web, which draws in browsers.  "
    "[default: fetched once, and kept]",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "int16", "int8"]),
    default="int16",
    show_default=True,
    help="How weights are stored: int16 is half as large as float32, and draws alike within 1/255.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def explorer_command(
    models: tuple[str, ...],
    out: Path,
    single_file: bool,
    runtime: Path | None,
    dtype: str,
    as_json: bool,
) -> None:
    """Write a page that draws with MODELs in the visitor's browser, with no server.

    It is the studio's page: seeds, truncation, classes, mixing, noise, directions, walks, pictures
    that carry their recipes. The folder works on any static host, under any path, and without a
    network once it has been visited. Models are files, run folders or bundled names.
    """
    from wspace.exporting.graph import require_onnx

    check_absent(out)
    if single_file != (out.suffix.lower() in (".html", ".htm")):
        raise WspaceError(
            f"--out {out}: give a file that ends in .html with --single-file, and a folder without."
        )
    require_onnx()
    from wspace.explorer.models import page_models
    from wspace.explorer.runtime import find_runtime
    from wspace.explorer.site import one_file, site, write_folder, write_one_file

    def told(line: str) -> None:
        click.echo(line, err=True)

    given = None if runtime is None else find_runtime(runtime, told=told)
    made = page_models(list(models), cast("WeightType", dtype), told=told)
    found = given or find_runtime(None, told=told)
    if single_file:
        content = one_file(made, found)
        loads = {out.name: len(content)}
        write_one_file(out, content)
    else:
        whole = site(made, found)
        loads = whole.loads
        write_folder(out, whole)
    if as_json:
        click.echo(json.dumps({"out": str(out), "loads": loads, "models": _facts(made)}, indent=2))
        return
    for model in made:
        click.echo(
            f"{model.name}: {model.weights}, {model.agreement.pictures} pictures against wspace's: "
            f"largest difference {model.agreement.largest:.0f}/255"
        )
    click.echo(f"{out}: " + ", ".join(f"{n} loads {b / 1e6:.1f} MB" for n, b in loads.items()))
    if not single_file:
        click.echo(f"to see it: python -m http.server --directory {out}", err=True)


def _facts(models: list[PageModel]) -> list[dict[str, object]]:
    return [
        {
            "name": model.name,
            "weights": model.weights,
            "pictures": model.agreement.pictures,
            "largest_difference": model.agreement.largest,
        }
        for model in models
    ]
