"""``wspace push``: a model onto a model hub."""

from __future__ import annotations

import click

from wspace.cli.common import load_generator
from wspace.cli.progress import progress_bar

__all__ = ["push_command"]


@click.command("push")
@click.argument("model")
@click.argument("repository", metavar="OWNER/NAME")
@click.option("--private", is_flag=True, help="Where the repository is made: for you alone.")
@click.option(
    "--message", default="A model of wspace", show_default=True, help="What the commit says."
)
def push_command(model: str, repository: str, private: bool, message: str) -> None:
    """Put MODEL on a model hub as OWNER/NAME: its safetensors files, its directions and its card.

    Log in with `hf auth login` first, or set HF_TOKEN. The name that is printed, with its commit,
    stays this model: it serves wherever MODEL is asked, here and elsewhere.
    """
    from wspace.exporting.push import push
    from wspace.formats.hub import HubName, require_hub
    from wspace.formats.model_file import read_metadata

    HubName.parse(repository)
    require_hub()
    metadata = read_metadata(model)["metadata"]
    generator = load_generator(model, "cpu")
    with progress_bar("drawing", "pictures") as progress:
        pushed = push(
            model,
            generator,
            metadata,
            repository,
            private=private,
            message=message,
            progress=progress,
        )
    click.echo(pushed)
