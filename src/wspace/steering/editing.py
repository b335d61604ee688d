"""Edits of ws: steps along directions in W, in some layers.

Source: Shen et al. 2020 (InterFaceGAN), Section 3.2: w + strength · direction.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit

__all__ = ["check_edits", "edit_ws"]


def check_edits(generator: Generator, edits: Sequence[Edit]) -> None:
    """Whether edits fit a generator.

    Raises:
        WspaceError: a direction of another width, or a layer that it does not have.
    """
    for edit in edits:
        name = f" {edit.name!r}" if edit.name else ""
        if len(edit.direction) != generator.w_dim:
            raise WspaceError(
                f"recipe: the direction{name} has {len(edit.direction)} numbers, w of this model "
                f"{generator.w_dim}: it was found in another model."
            )
        if edit.layers is not None and max(edit.layers) >= generator.num_ws:
            raise WspaceError(
                f"recipe: the edit{name} names layer {max(edit.layers)}: this model has 0 to "
                f"{generator.num_ws - 1}."
            )


def edit_ws(ws: Tensor, edits: Sequence[Sequence[Edit]]) -> Tensor:
    """Take the steps of each picture.

    Args:
        ws: (N, num_ws, w_dim), truncated.
        edits: N times any number.

    Returns:
        (N, num_ws, w_dim).
    """
    if not any(edits):
        return ws
    edited = ws.clone()
    for picture, own in zip(edited, edits, strict=True):
        for edit in own:
            step = torch.tensor(edit.direction, device=ws.device) * edit.strength  # (w_dim,)
            if edit.layers is None:
                picture += step
            else:
                picture[list(edit.layers)] += step
    return edited
