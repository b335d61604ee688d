"""Seeds to z, and z to w, in the field's convention."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.classes import Classes
from wspace.recipe.recipe import Recipe, Source
from wspace.recipe.syntax import check_seeds

__all__ = [
    "MAPPING_BATCH",
    "check_source",
    "latents",
    "map_latents",
    "w_of_sources",
    "with_own_w",
]

MAPPING_BATCH = 16  # rows; changing it changes the last bits of every picture


def latents(generator: Generator, seeds: Iterable[int]) -> Tensor:
    """The z of each seed: one NumPy legacy RandomState a seed, as the official scripts draw it.

    Args:
        generator: says how wide z is and where it goes.
        seeds: 0 to 2**32 - 1 each.

    Returns:
        (N, z_dim), float32, on the generator's device.

    Raises:
        WspaceError: something else than such seeds.
    """
    seeds = list(seeds)
    check_seeds(seeds)
    rows = [np.random.RandomState(seed).randn(1, generator.z_dim) for seed in seeds]
    z = torch.from_numpy(np.concatenate(rows)) if rows else torch.empty(0, generator.z_dim)
    return z.to(generator.w_avg.device, torch.float32)


@torch.inference_mode()
def w_of_sources(generator: Generator, sources: Sequence[Source]) -> Tensor:
    """The w of each source, not truncated.

    Args:
        generator: its mapping network is run.
        sources: distinct ones, since each is mapped once.

    Returns:
        (len(sources), w_dim), float32, on the generator's device.

    Raises:
        WspaceError: a class is missing, unknown, or given to a model without classes; a w of
            the wrong width.
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
    if seeded:
        z = latents(generator, [sources[i].seed or 0 for i in seeded])
        table[seeded] = map_latents(generator, z, [sources[i].class_index or 0 for i in seeded])
    return table


def with_own_w(generator: Generator, recipe: Recipe) -> Recipe:
    """The recipe of the same picture whose sources say the w themselves, to go on from.

    Raises:
        WspaceError: as `w_of_sources`.
    """
    distinct = list(dict.fromkeys(recipe.sources))
    rows = w_of_sources(generator, distinct).tolist()
    of = {
        source: Source(w=tuple(row), centre=source.centre)
        for source, row in zip(distinct, rows, strict=True)
    }
    return recipe.replace(sources=tuple(of[source] for source in recipe.sources))


def check_source(generator: Generator, source: Source) -> None:
    """Whether a source fits a generator.

    Raises:
        WspaceError: a class is missing, unknown, or given to a model without classes; a w of
            the wrong width.
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
        known = Classes.of(generator).describe()
        raise WspaceError(f"this model has {classes} classes: give a class, {known}.")
    if source.class_index is not None and source.class_index >= classes:
        known = Classes.of(generator).describe()
        raise WspaceError(f"class={source.class_index} is unknown: give {known}.")


def map_latents(generator: Generator, z: Tensor, classes: Sequence[int]) -> Tensor:
    """Run the mapping network, in batches of `MAPPING_BATCH` rows, the last one filled up.

    With the same number of rows each time, a w comes out the same to the last bit whatever else
    is asked for: how many pictures are rendered at once does not touch it.

    Args:
        generator: the model.
        z: (N, z_dim), N >= 1.
        classes: N of them; not read where the model has none.

    Returns:
        (N, w_dim), float32, not truncated.
    """
    missing = -len(z) % MAPPING_BATCH
    filled = torch.cat([z, z[-1:].expand(missing, -1)])
    c: Sequence[Tensor | None] = [None] * (len(filled) // MAPPING_BATCH)
    if generator.num_classes > 0:
        indices = torch.tensor([*classes, *[0] * missing], device=z.device)
        c = F.one_hot(indices, generator.num_classes).float().split(MAPPING_BATCH)
    rows = zip(filled.split(MAPPING_BATCH), c, strict=True)
    return torch.cat([generator.mapping.w(part, one_hot) for part, one_hot in rows])[: len(z)]
