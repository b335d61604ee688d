"""Features of the pictures that a generator makes from seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.metrics.features.extractor import Extractor
from wspace.recipe.recipe import NoiseSettings, Recipe, Source
from wspace.recipe.syntax import seed_range
from wspace.rendering.render import Progress, default_batch_size, stream

if TYPE_CHECKING:
    from wspace.networks.generator import Generator

__all__ = ["Labels", "generated_pixels", "generator_features"]

Labels = np.ndarray[Any, np.dtype[np.int64]]  # (L,), a class each


def generator_features(
    generator: Generator,
    num: int,
    *,
    extractor: Extractor,
    first_seed: int = 0,
    psi: float = 1.0,
    labels: Labels | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Features of the pictures that a generator makes from the seeds ``first_seed`` and on.

    Each picture has noise of its own, drawn from its seed, where the network takes noise.

    Args:
        generator: the model.
        num: pictures to make.
        extractor: makes the features.
        first_seed: picture i is made from seed ``first_seed`` + i.
        psi: truncation; 1 = off.
        labels: (L,), int64, of a dataset; a model with classes draws classes as often as they
            occur there.
        batch_size: pictures rendered at once; None chooses by resolution.
        progress: called with (pictures done, pictures in all).

    Returns:
        (num, extractor.dim), float32.

    Raises:
        WspaceError: a seed or psi out of range; a model with classes and no labels.
    """
    seeds = seed_range(first_seed, num)
    features = torch.empty(num, extractor.dim)
    done = 0
    for pixels in _drawn(generator, seeds, psi, labels, batch_size):
        features[done : done + len(pixels)] = extractor(pixels)
        done += len(pixels)
        if progress is not None:
            progress(done, num)
    return features


def generated_pixels(
    generator: Generator,
    seeds: Sequence[int],
    *,
    psi: float = 1.0,
    labels: Labels | None = None,
) -> Tensor:
    """The pictures that `generator_features` sees: (N, image_channels, H, W), uint8."""
    return torch.cat(list(_drawn(generator, seeds, psi, labels, None)))


def _drawn(
    generator: Generator,
    seeds: Sequence[int],
    psi: float,
    labels: Labels | None,
    batch_size: int | None,
) -> Iterator[Tensor]:
    """Batches of pictures, (n, image_channels, H, W), uint8."""
    made = [_recipe(generator, seed, psi, labels) for seed in seeds]
    for batch in stream(generator, made, batch_size=batch_size or default_batch_size(generator)):
        yield torch.from_numpy(batch).permute(0, 3, 1, 2)  # (n, image_channels, H, W)


def _recipe(generator: Generator, seed: int, psi: float, labels: Labels | None) -> Recipe:
    class_index = None
    if generator.num_classes > 0:
        if labels is None:
            raise WspaceError(
                f"the model has {generator.num_classes} classes, the data has no labels: "
                "measure it against labelled data."
            )
        # Not RandomState(seed), whose first numbers make z.
        pick = np.random.RandomState([seed, 1]).randint(len(labels))
        class_index = int(labels[pick])
    noise = NoiseSettings(mode="seeded", seed=seed) if generator.const_noise else NoiseSettings()
    return Recipe(sources=(Source(seed=seed, class_index=class_index),), psi=psi, noise=noise)
