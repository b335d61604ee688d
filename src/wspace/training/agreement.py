"""Processes that train together must begin alike, share their batches evenly, and stay alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from wspace.errors import WspaceError, shown
from wspace.group import Group

__all__ = ["check_alike", "check_shares", "check_tensors"]


def check_alike(group: Group, facts: dict[str, Any]) -> None:
    """Whether all processes know the same facts of a run.

    Args:
        group: of processes.
        facts: plain values by name; the same names in each.

    Raises:
        WspaceError: in each process, naming the first fact that differs.
    """
    if group.alone:
        return
    found = group.gather(facts, "the comparison of what the ranks were given")
    for name, value in found[0].items():
        for rank, other in enumerate(found):
            if other.get(name) != value:
                raise WspaceError(
                    f"rank {rank} has {name}={shown(other.get(name))} and rank 0 has "
                    f"{shown(value)}: give every process the same data and options."
                )


def check_shares(group: Group, batch_sizes: Iterable[int], discriminator: nn.Module) -> None:
    """Whether processes can share batches evenly, groups of minibatch deviation whole.

    Image n of N belongs to group n mod (N / group size), and to process n mod world_size: groups
    lie within processes where the number of groups is a multiple of the number of processes.

    Args:
        group: of processes.
        batch_sizes: of all batches that come, in all processes.
        discriminator: compares groups of images, or images for themselves.

    Raises:
        WspaceError: they cannot.
    """
    together = getattr(getattr(discriminator, "config", None), "mbstd_group_size", 1)
    for size in batch_sizes if not group.alone else ():
        if together is None:
            raise WspaceError(
                f"the discriminator compares all images of a batch, which {group.world_size} "
                "processes would share: start one process."
            )
        each = max(together, 4)  # images, the least that objectives can divide a batch into
        least = each * group.world_size
        if size % least:
            fitting = (n for n in range(group.world_size, 0, -1) if size % (n * each) == 0)
            most = next(fitting, 1)
            raise WspaceError(
                f"batch_size={size} cannot be shared by {group.world_size} processes, which each "
                f"take whole groups of {each} pictures: give a multiple of {least}, or "
                f"start {most} by torchrun --nproc-per-node {most}."
            )


def check_tensors(group: Group, state: dict[str, Any], step: int) -> None:
    """Whether all processes hold the same tensors, bit for bit.

    Args:
        group: of processes.
        state: nested dicts of tensors and plain data, as `TrainingState.state_dict` gives it.
        step: of the run, for the message.

    Raises:
        WspaceError: in each process, naming the first tensor that differs.
    """
    if group.alone:
        return
    tensors = dict(_tensors(state, ""))
    own = torch.tensor([_digest(tensor) for tensor in tensors.values()])
    found = group.gather(own, "the comparison of what the ranks have learned")
    for rank, other in enumerate(found):
        differ = (other != found[0]).nonzero()
        if len(differ):
            name = list(tensors)[int(differ[0])]
            raise WspaceError(
                f"step {step}: {name} of rank {rank} is no more that of rank 0 ({len(differ)} of "
                f"{len(tensors)} tensors differ): one of them has computed wrong; go on from the "
                "last checkpoint by --resume, on machines of one kind."
            )


def _tensors(value: Any, name: str) -> Iterable[tuple[str, Tensor]]:
    """All tensors of nested dicts, by their path."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _tensors(inner, f"{name}.{key}" if name else str(key))


def _digest(tensor: Tensor) -> int:
    """The first eight bytes of the sha256 of a tensor's bytes, as a signed number."""
    values = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    return int.from_bytes(hashlib.sha256(values.numpy().tobytes()).digest()[:8], "big", signed=True)
