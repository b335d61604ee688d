"""An official StyleGAN file: which networks it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wspace.errors import WspaceError
from wspace.formats.official.network import OfficialNetwork
from wspace.formats.official.pytorch import read_pytorch_network
from wspace.formats.official.tensorflow import read_tensorflow_network
from wspace.formats.pickles.read import read_pickle
from wspace.formats.pickles.values import Record

__all__ = ["OfficialFile", "read_official"]

_PARTS = ("G", "D", "G_ema")


@dataclass(frozen=True)
class OfficialFile:
    """What an official file holds.

    Attributes:
        path: the file.
        records: what the file has of "G" (the generator under training), "D" (the discriminator)
            and "G_ema" (the running average of "G", the one to sample from).
    """

    path: Path
    records: Mapping[str, Record]

    def network(self, name: str) -> OfficialNetwork:
        """Read one network, without copying its tensors.

        Args:
            name: "G", "D" or "G_ema".

        Raises:
            WspaceError: the file has no such network, or one that is no StyleGAN.
        """
        if name not in self.records:
            have = ", ".join(self.records)
            raise WspaceError(f"{self.path} holds no {name}, only {have}: ask for one of these.")
        record, owner = self.records[name], f"{name} of {self.path}"
        size = self.path.stat().st_size
        if record.class_name == "Network":
            return read_tensorflow_network(record, name, owner, size)
        return read_pytorch_network(record, name, owner, size)


def read_official(path: Path | str) -> OfficialFile:
    """Read a network pickle of the official StyleGAN, StyleGAN2, StyleGAN2-ADA or StyleGAN3.

    Nothing in the file is executed; TensorFlow and the official code are not needed.

    Args:
        path: a TensorFlow pickle, (G, D, Gs), or a PyTorch one, with the keys G, D and G_ema.

    Raises:
        WspaceError: see `read.read_pickle`; or the pickle holds something else.
    """
    path = Path(path)
    content = read_pickle(path)
    if isinstance(content, Record):  # a file with one network holds the one to sample from
        content = {"G_ema": content}
    elif isinstance(content, (tuple, list)) and len(content) == 3:
        content = dict(zip(_PARTS, content, strict=True))
    if not isinstance(content, dict):
        raise WspaceError(
            f"cannot import {path}: it holds a {type(content).__name__} instead of networks: give "
            "an official network pickle."
        )
    records = {part: content[part] for part in _PARTS if isinstance(content.get(part), Record)}
    if not records:
        raise WspaceError(
            f"cannot import {path}: it holds none of the networks G, D and G_ema: give an official "
            "network pickle."
        )
    return OfficialFile(path, records)
