"""``wspace card``: the page of a model."""

from __future__ import annotations

from pathlib import Path

import click

from wspace.cli.common import file_path, load_generator
from wspace.cli.progress import progress_bar
from wspace.files import check_absent

__all__ = ["card_command"]


@click.command("card")
@click.argument("model")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="README.md",
    show_default=True,
    help="NAME.md; its pictures become NAME-samples.png and NAME-mixing.png.",
)
def card_command(model: str, out: Path) -> None:
    """Write the card of MODEL: Markdown with the head that model hubs read.

    It says what the model's file and its run folder know: network, data, licence, training, figures
    with what they were measured by, limits, commands. What they do not know is said to be unknown.
    """
    from wspace.exporting.card import write_card
    from wspace.formats.model_file import read_metadata

    check_absent(file_path(out, ".md"))
    metadata = read_metadata(model)["metadata"]
    generator = load_generator(model, "cpu")
    with progress_bar("drawing", "pictures") as progress:
        written = write_card(model, generator, metadata, out, progress=progress)
    for path in written:
        click.echo(path)
