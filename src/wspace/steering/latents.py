"""Seeds to z, and z to w, in the field's convention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.steering.recipe import Source

__all__ = ["check_source", "latents", "map_latents", "w_of_sources"]


def latents(generator: Generator, seeds: Iterable[int]) -> Tensor:
    """The z of each seed: one NumPy legacy RandomState a seed, as the official scripts draw it.

    Args:
        generator: says how wide z is and where it goes.
        seeds: 0 to 2**32 - 1 each.

    Returns:
        (N, z_dim), float32, on the generator's device.
    """
    rows = [np.random.RandomState(seed).randn(1, generator.z_dim) for seed in seeds]
    z = torch.from_numpy(np.concatenate(rows)) if rows else torch.empty(0, generator.z_dim)
    return z.to(generator.w_avg.device, torch.float32)


@torch.inference_mode()
def w_of_sources(generator: Generator, sources: Sequence[Source], *, batch_size: int) -> Tensor:
    """The w of each source, not truncated; seeds go through the mapping network in batches.

    The last batch is filled up, so that a w depends on its source and the batch size alone.

    Args:
        generator: its mapping network is run.
        sources: distinct ones, since each is mapped once.
        batch_size: rows that the mapping network sees at once, >= 1.

    Returns:
        (len(sources), w_dim), float32, on the generator's device.

    Raises:
        WspaceError: a class is missing, given in vain or unknown; a w of the wrong width.
    """
    device = generator.w_avg.device
    table = torch.empty(len(sources), generator.w_dim, device=device)
    seeded: list[int] = []
    for i, source in enumerate(sources):
        check_source(generator, source)
        if source.w is None:
            seeded.append(i)
        else:
            table[i] = torch.tensor(source.w, device=device)
    for start in range(0, len(seeded), batch_size):
        rows = seeded[start : start + batch_size]
        filled = rows + rows[-1:] * (batch_size - len(rows))
        z = latents(generator, [sources[i].seed or 0 for i in filled])
        w = map_latents(generator, z, [sources[i].class_index or 0 for i in filled])
        table[rows] = w[: len(rows)]
    return table


def check_source(generator: Generator, source: Source) -> None:
    """Whether a source fits a generator.

    Raises:
        WspaceError: a class is missing, given in vain or unknown; a w of the wrong width.
    """
    classes, dim = generator.num_classes, generator.w_dim
    for name, vector in (("w", source.w), ("centre", source.centre)):
        if vector is not None and len(vector) != dim:
            raise WspaceError(f"recipe: {name} has {len(vector)} numbers: this model takes {dim}.")
    if source.w is not None:
        return
    if classes == 0 and source.class_index is not None:
        raise WspaceError(f"class={source.class_index}: this model has no classes: leave it out.")
    if classes > 0 and source.class_index is None:
        raise WspaceError(f"this model has {classes} classes: give a class, 0 to {classes - 1}.")
    if source.class_index is not None and source.class_index >= classes:
        raise WspaceError(f"class={source.class_index} is unknown: give 0 to {classes - 1}.")


def map_latents(generator: Generator, z: Tensor, classes: Sequence[int]) -> Tensor:
    """Run the mapping network.

    Args:
        generator: the model.
        z: (N, z_dim).
        classes: N of them; not read where the model has none.

    Returns:
        (N, w_dim), float32, not truncated.
    """
    c = None
    if generator.num_classes > 0:
        indices = torch.tensor(classes, device=z.device)
        c = F.one_hot(indices, generator.num_classes).float()
    w: Tensor = generator.mapping.w(z, c)
    return w
