"""``wspace models``: what comes with the package."""

from __future__ import annotations

import json

import click

from wspace.errors import one_line
from wspace.formats.facts import model_facts
from wspace.sizes import size_of

__all__ = ["models_command"]


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="All that the files say, as JSON.")
def models_command(as_json: bool) -> None:
    """List the models that come with the package; their names serve wherever MODEL is asked."""
    from wspace.formats.model_file import bundled_models, read_metadata

    headers = {name: read_metadata(path) for name, path in bundled_models().items()}
    if as_json:
        click.echo(json.dumps(headers, indent=2))
        return
    if not headers:
        click.echo("no models come with this package: train one with `wspace train`.")
    for name, header in headers.items():
        config = header["generator"]
        size, classes = size_of(config["resolution"]), config.get("num_classes")
        kinds = f", {classes} classes" if classes else ""
        if names := config.get("class_names"):
            kinds += f": {one_line(', '.join(map(str, names)))}"
        click.echo(f"{name}: {size} pixels, {config.get('architecture')}{kinds}")
        for label, text in model_facts(header["metadata"]):
            click.echo(f"  {label}: {text}")
