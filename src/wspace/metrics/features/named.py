"""The networks that make features, by the names that figures carry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from wspace.errors import WspaceError

if TYPE_CHECKING:
    import torch

    from wspace.metrics.features.extractor import Extractor

__all__ = ["EXTRACTORS", "check_extractor", "distance_key", "open_extractor"]

# By name: what the user has to give, "" for nothing.
EXTRACTORS: Mapping[str, str] = {
    "lite": "",
    "inception": "the official TorchScript file inception-2015-12-05.pt",
    "dinov2": "weights of a DINOv2 ViT as safetensors",
}
_OTHERS = {"fid": "fd", "kid": "kd"}


def check_extractor(name: str, weights: Path | str | None) -> None:
    """Whether an extractor can be opened so, before anything is loaded.

    Raises:
        WspaceError: an unknown name; weights that are missing, or not wanted.
    """
    if name not in EXTRACTORS:
        raise WspaceError(f"extractor {name!r} is unknown: give one of {', '.join(EXTRACTORS)}.")
    needed = EXTRACTORS[name]
    if needed and weights is None:
        raise WspaceError(
            f"extractor {name!r} comes without weights: give {needed} with --weights FILE."
        )
    if not needed and weights is not None:
        raise WspaceError(
            f"--weights {weights}: extractor {name!r} has weights of its own: leave it out."
        )


def open_extractor(
    name: str = "lite",
    weights: Path | str | None = None,
    device: torch.device | str = "cpu",
    batch_size: int | None = None,
) -> Extractor:
    """The extractor of a name.

    Args:
        name: a key of `EXTRACTORS`.
        weights: the file that it needs.
        device: where it computes.
        batch_size: pictures at once; None chooses.

    Raises:
        WspaceError: as `check_extractor`; or the file is not what the extractor takes.
    """
    check_extractor(name, weights)
    if weights is None:
        from wspace.metrics.features.lite import LiteExtractor

        return LiteExtractor(device, batch_size)
    if name == "inception":
        from wspace.metrics.features.inception import InceptionExtractor

        return InceptionExtractor(weights, device, batch_size)
    from wspace.metrics.features.dinov2 import DinoExtractor

    return DinoExtractor(weights, device, batch_size)


def distance_key(distance: str, extractor: str) -> str:
    """What a distance is called by the network that it sees with.

    FID and KID are those of Inception's features alone; of others they are FD and KD.

    Args:
        distance: "fid" or "kid".
        extractor: the network's name.

    Returns:
        Such as "fid" or "fd_lite".
    """
    return distance if extractor == "inception" else f"{_OTHERS[distance]}_{extractor}"
