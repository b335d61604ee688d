"""How a tuned synthesis network differs from its base, as few and small tensors.

A tensor's difference is kept as float16, or, where it is a matrix of low rank, as two float16
matrices and a scale. Adding it gives the same float32 numbers on every machine: the products are
summed in float64, where no sum of so few is rounded.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.plain import Length, check
from wspace.recipe.recipe import ModelIdentity

__all__ = ["MAX_RANK", "Base", "difference", "packed", "with_changes"]

# Factors are float16 within [-1, 1], multiples of 2^-24, so products are multiples of 2^-48; the
# sum of 32 of them has 53 bits at most, which float64 holds: in any order it is the same.
MAX_RANK = 32
_WHOLE, _LEFT, _RIGHT, _SCALE = _KINDS = ("change.", "left.", "right.", "scale.")


@dataclass(frozen=True, kw_only=True)
class Base:
    """Which model a difference is added to.

    Attributes:
        model: its name and the fingerprint of its weights.
        path: where it lay, as seen from the difference's folder; "" for a bundled model.
    """

    model: ModelIdentity
    path: Annotated[str, Length(0, 4096)] = ""

    def __post_init__(self) -> None:
        check(self, "base: ")


def difference(base: Generator, tuned: Generator) -> dict[str, Tensor]:
    """What has to be added to a synthesis network's tensors, by their names; float32.

    Tensors that are the same in both are left out.
    """
    after = tuned.synthesis.state_dict()
    return {
        name: after[name].detach().cpu().float() - tensor.detach().cpu().float()
        for name, tensor in base.synthesis.state_dict().items()
        if tensor.is_floating_point() and not torch.equal(tensor, after[name])
    }


def packed(changes: Mapping[str, Tensor], rank: int | None) -> dict[str, Tensor]:
    """Changes as they are stored.

    Args:
        changes: as `difference` gives them.
        rank: of matrices, and of kernels by output channel, 1 to `MAX_RANK`, where that takes
            less space; None: all of them whole, as float16.
    """
    stored: dict[str, Tensor] = {}
    for name, change in changes.items():
        matrix = change.reshape(len(change), -1) if change.ndim > 1 else change[None]
        rows, columns = matrix.shape
        if rank is None or rank * (rows + columns) + 4 >= rows * columns:
            stored[_WHOLE + name] = change.half().contiguous()
            continue
        u, s, v = torch.linalg.svd(matrix.double(), full_matrices=False)
        left = u[:, :rank] * s[:rank].sqrt()
        right = s[:rank, None].sqrt() * v[:rank]
        sizes = left.abs().amax(), right.abs().amax()
        stored[_LEFT + name] = (left / sizes[0]).half().contiguous()
        stored[_RIGHT + name] = (right / sizes[1]).half().contiguous()
        stored[_SCALE + name] = (sizes[0] * sizes[1]).float().reshape(1)
    return stored


def with_changes(base: Generator, stored: Mapping[str, Tensor]) -> Generator:
    """A copy of a generator with stored changes added, which shares what does not change.

    Args:
        base: on the CPU.
        stored: as `packed` gives them, of anybody.

    Returns:
        In eval mode, without gradients.

    Raises:
        WspaceError: changes that do not fit; the message is no sentence of its own.
    """
    state = base.synthesis.state_dict()
    found: dict[str, Tensor] = {}
    for key, tensor in stored.items():
        head, _, name = key.partition(".")
        kind = f"{head}."
        own = state.get(name)
        if own is None or own.dtype != torch.float32 or kind not in _KINDS:
            raise WspaceError(f"its tensor {key!r:.60} changes nothing of that model")
        if kind in (_RIGHT, _SCALE):
            if _LEFT + name not in stored:
                raise WspaceError(f"its tensor {key!r:.60} stands alone")
            continue
        if kind == _LEFT:
            change = _product(tensor, stored.get(_RIGHT + name), stored.get(_SCALE + name), own)
        else:
            fits = tensor.dtype == torch.float16 and tensor.shape == own.shape
            change = tensor.double() if fits else None
        if change is None or name in found or not change.isfinite().all():
            raise WspaceError(f"its tensor {key!r:.60} does not fit that model")
        found[name] = (own.double() + change).float()
    shared: list[Tensor] = [*base.parameters(), *base.buffers()]
    tuned = copy.deepcopy(base, {id(tensor): tensor for tensor in shared})
    tuned.synthesis.load_state_dict(state | found, assign=True)
    return tuned.eval().requires_grad_(False)


def _product(
    left: Tensor, right: Tensor | None, scale: Tensor | None, own: Tensor
) -> Tensor | None:
    """The matrix of two factors, in the shape of its tensor; None where they do not fit."""
    halves = right is not None and left.dtype == right.dtype == torch.float16
    if not halves or scale is None or scale.dtype != torch.float32 or scale.shape != (1,):
        return None
    rows = len(own) if own.ndim > 1 else 1
    rank = left.shape[-1]
    assert right is not None
    shapes = (tuple(left.shape), tuple(right.shape))
    if not 1 <= rank <= MAX_RANK or shapes != ((rows, rank), (rank, own.numel() // rows)):
        return None
    if max(float(left.abs().max()), float(right.abs().max())) > 1:
        return None
    return (left.double() @ right.double() * scale.double()).reshape(own.shape)
