"""Style mixing: layers of one picture's ws, and layers of another's; of recipes in `recipe.mixing`.

Source: Karras et al. 2019 (StyleGAN), Section 3.1.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from wspace.errors import WspaceError

__all__ = ["gather_styles", "mix_styles"]


def gather_styles(w: Tensor, layer_sources: Tensor) -> Tensor:
    """Give each layer the w of the source that it takes.

    Args:
        w: (S, w_dim), a w a source.
        layer_sources: (N, num_ws), integers from 0 to S - 1.

    Returns:
        (N, num_ws, w_dim).
    """
    return w[layer_sources]


def mix_styles(ws: Tensor, other: Tensor, layers: Iterable[int]) -> Tensor:
    """Put some layers of another picture's ws in the place of this one's.

    Args:
        ws: (N, num_ws, w_dim).
        other: (N, num_ws, w_dim).
        layers: the layers taken from ``other``, 0 to num_ws - 1; ``range(crossover, num_ws)``
            for all from a crossover on.

    Returns:
        (N, num_ws, w_dim).

    Raises:
        WspaceError: a layer outside ws.
    """
    taken = torch.zeros(ws.shape[1], dtype=torch.bool, device=ws.device)
    for layer in layers:
        if not 0 <= layer < len(taken):
            raise WspaceError(f"layer {layer} is outside ws: give 0 to {len(taken) - 1}.")
        taken[layer] = True
    return torch.where(taken[:, None], other, ws)
