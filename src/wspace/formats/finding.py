"""Which file a model's name means: a bundled one, a file, a run folder, one on a hub.

It needs no torch.
"""

from __future__ import annotations

import os
import warnings
from importlib import resources
from pathlib import Path

from wspace.errors import WspaceError, WspaceWarning
from wspace.formats.hub import PREFIX, hub_file

__all__ = ["bundled_models", "find_model"]


def bundled_models() -> dict[str, Path]:
    """The models that come with the package, by name."""
    folder = Path(str(resources.files("wspace"))) / "models"
    # a model's directions lie beside it, under a name with a second dot
    files = sorted(folder.glob("*.safetensors"))
    return {path.stem: path for path in files if "." not in path.stem}


def find_model(model: Path | str) -> Path:
    """The file behind a bundled name, a path, a run folder or a name on a hub.

    Args:
        model: a text that is a bundled name means that model; one that begins with "hub:" is
            fetched (see `hub.hub_file`); a `Path`, or "./NAME", is what lies at that place.

    Raises:
        WspaceError: there is none.

    Warns:
        WspaceWarning: the bundled model is taken, and something of its name lies here.
    """
    if isinstance(model, str) and model.startswith(PREFIX):
        return hub_file(model)
    bundled = bundled_models()
    if isinstance(model, str) and model in bundled:
        if os.path.exists(model):
            warnings.warn(
                f"{model} is the bundled model; what is called so in this folder is ./{model}.",
                WspaceWarning,
                stacklevel=3,
            )
        return bundled[model]
    path = Path(model)
    if os.path.isdir(path):  # unlike Path.is_dir, also where the system does not let us look
        if not os.path.isfile(path / "model.safetensors"):
            raise WspaceError(
                f"{path} holds no model.safetensors: give a run folder that has one, or a file."
            )
        return path / "model.safetensors"
    if not os.path.isfile(path):
        names = ", ".join(bundled) or "none yet"
        raise WspaceError(
            f"there is no model {str(model)!r}: give a .safetensors file, a run folder, a "
            f"bundled name ({names}) or hub:OWNER/NAME."
        )
    return path
