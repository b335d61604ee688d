"""Putting a model on a model hub: its safetensors files and its card, in one commit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wspace.errors import WspaceError, reason
from wspace.exporting.card import write_card
from wspace.formats.directions import directions_path
from wspace.formats.finding import find_model
from wspace.formats.hub import DIRECTIONS_FILE, MODEL_FILE, HubName, http_errors, require_hub
from wspace.formats.model_file import base_of, save
from wspace.networks.generator import Generator
from wspace.rendering.render import Progress

__all__ = ["push"]


def push(
    model: Path | str,
    generator: Generator,
    metadata: Mapping[str, Any],
    repository: str,
    *,
    private: bool = False,
    message: str = "A model of wspace",
    progress: Progress | None = None,
) -> HubName:
    """Upload a model, a tuned one whole; the repository is made if it is not there.

    Args:
        model: as `find_model` takes it.
        generator: the same, loaded.
        metadata: what its file says of itself.
        repository: "owner/name".
        private: whether a new repository is.
        message: of the commit.
        progress: called while the card's pictures are drawn.

    Returns:
        The name of what is there now, with its commit.

    Raises:
        WspaceError: no such name, a package or a token that is missing, or the hub refuses.
    """
    name = HubName.parse(repository)
    if name.revision is not None:
        raise WspaceError(f"{repository} names a revision: a push makes one, give OWNER/NAME.")
    require_hub()
    from huggingface_hub import CommitOperationAdd, HfApi, errors

    files = {MODEL_FILE: find_model(model)}
    tuned = base_of(model) != files[MODEL_FILE]
    if (directions := directions_path(model)).is_file():
        files[DIRECTIONS_FILE] = directions
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), library_name="wspace")
    with tempfile.TemporaryDirectory() as folder:
        if tuned:  # its file holds a difference alone
            files[MODEL_FILE] = Path(folder) / MODEL_FILE
            save(generator, files[MODEL_FILE], metadata=dict(metadata))
        card = Path(folder) / "README.md"
        written = write_card(model, generator, metadata, card, called=str(name), progress=progress)
        files |= {path.name: path for path in written}
        operations = [
            CommitOperationAdd(path_in_repo=file, path_or_fileobj=path)
            for file, path in files.items()
        ]
        try:
            api.create_repo(name.repository, private=private, exist_ok=True)
            done = api.create_commit(name.repository, operations, commit_message=message)
        except (errors.HFValidationError, OSError, ValueError, RuntimeError) as error:
            raise WspaceError(
                f"cannot push to {name} ({reason(error)}): log in with `hf auth login` or set "
                "HF_TOKEN to a token that may write there."
            ) from None
        except http_errors() as error:
            raise WspaceError(
                f"cannot push to {name}: the hub cannot be reached ({reason(error)}): "
                "go online and push again."
            ) from None
    return HubName(repository=name.repository, revision=done.oid)
