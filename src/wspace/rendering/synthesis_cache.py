"""Synthesis networks made ready to draw, kept for as long as their weights stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from wspace.machine import compiled
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Precision
from wspace.rendering.prepare import fold

__all__ = ["DTYPES", "RenderPath", "WeightsState", "prepared_synthesis", "weights_state"]

# How a synthesis network draws: made ready by `fold`, or compiled on top of that.
RenderPath = Literal["folded", "compiled"]
DTYPES: dict[Precision, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16}

WeightsState = tuple[tuple[int, int], ...]

# by precision and path: the synthesis made ready to draw, and the weights that it was made of
_Ready = dict[tuple[Precision, RenderPath], tuple[WeightsState, Callable[..., Tensor]]]
_made_ready: WeakKeyDictionary[Generator, _Ready] = WeakKeyDictionary()


def weights_state(generator: Generator) -> WeightsState:
    """Changes whenever a weight or buffer is replaced or written to; costs no reading of them."""
    tensors = [*generator.parameters(), *generator.buffers()]
    return tuple((tensor.data_ptr(), tensor._version) for tensor in tensors)


def prepared_synthesis(
    generator: Generator, precision: Precision, path: RenderPath
) -> Callable[..., Tensor]:
    """The synthesis to call, made anew where the weights have changed."""
    state = weights_state(generator)
    kept = _made_ready.setdefault(generator, {})
    key = (precision, path)
    if key not in kept or kept[key][0] != state:
        if path == "compiled":
            # on a GPU its kernels are then started all at once
            mode = "reduce-overhead" if generator.w_avg.device.type == "cuda" else None
            ready = compiled(prepared_synthesis(generator, precision, "folded"), mode)  # type: ignore[arg-type]
        else:
            with torch.inference_mode(False), torch.no_grad():
                ready = fold(generator.synthesis, DTYPES[precision])
        kept[key] = (state, ready)
    return kept[key][1]
