"""Pictures that a generator makes from seeds, and their features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.group import ALONE, Group
from wspace.metrics.ahead import ahead
from wspace.metrics.features.extractor import Extractor
from wspace.recipe.recipe import NoiseSettings, Recipe, Source
from wspace.recipe.syntax import seed_range
from wspace.rendering.render import Progress, default_batch_size, stream

if TYPE_CHECKING:
    from wspace.networks.generator import Generator

__all__ = ["Drawing", "Labels", "batches_of", "generated_pixels", "generator_features"]

Labels = np.ndarray[Any, np.dtype[np.int64]]  # (L,), a class each


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Which pictures a generator makes to be measured.

    Each picture has noise of its own, drawn from its seed, where the network takes noise.

    Attributes:
        generator: the model.
        num: pictures to make.
        first_seed: picture i is made from seed ``first_seed`` + i.
        psi: truncation; 1 = off.
        labels: (L,), int64, of a dataset; a model with classes draws classes as often as they
            occur there.
        batch_size: pictures rendered at once; None chooses by resolution.
    """

    generator: Generator
    num: int
    first_seed: int = 0
    psi: float = 1.0
    labels: Labels | None = None
    batch_size: int | None = None

    def classes(self, seeds: Sequence[int]) -> list[int | None]:
        """The class of each seed's picture; None where the model has no classes.

        Raises:
            WspaceError: a model with classes and no labels.
        """
        return [self._class(seed) for seed in seeds]

    def recipes(self, seeds: Sequence[int] | None = None) -> list[Recipe]:
        """The recipe of each seed's picture; of all ``num`` where no seeds are given.

        Raises:
            WspaceError: a seed or psi out of range; a model with classes and no labels.
        """
        if seeds is None:
            seeds = seed_range(self.first_seed, self.num)
        noisy = bool(self.generator.const_noise)
        return [
            Recipe(
                sources=(Source(seed=seed, class_index=class_index),),
                psi=self.psi,
                noise=NoiseSettings(mode="seeded", seed=seed) if noisy else NoiseSettings(),
            )
            for seed, class_index in zip(seeds, self.classes(seeds), strict=True)
        ]

    def batches(self, seeds: Sequence[int] | None = None, group: Group = ALONE) -> Iterator[Tensor]:
        """The pictures of `recipes`, (n, image_channels, H, W), uint8, batch by batch.

        Of a group's processes each draws every world_size-th batch, whole: so its bits do not
        depend on how many they are.
        """
        recipes = self.recipes(seeds)
        size = self.batch_size or default_batch_size(self.generator)
        batches = group.own([recipes[k : k + size] for k in range(0, len(recipes), size)])
        if not batches:
            return iter(())
        return batches_of(self.generator, [one for batch in batches for one in batch], size)

    def _class(self, seed: int) -> int | None:
        if self.generator.num_classes == 0:
            return None
        if self.labels is None:
            raise WspaceError(
                f"the model has {self.generator.num_classes} classes, the data has no labels: "
                "measure it against labelled data."
            )
        # Not RandomState(seed), whose first numbers make z.
        pick = np.random.RandomState([seed, 1]).randint(len(self.labels))
        return int(self.labels[pick])


def batches_of(
    generator: Generator, recipes: Sequence[Recipe], batch_size: int | None = None
) -> Iterator[Tensor]:
    """Pictures of recipes, (n, image_channels, H, W), uint8, drawn a little ahead of their use.

    Args:
        generator: the model.
        recipes: any number.
        batch_size: pictures rendered at once; None chooses by resolution.
    """
    drawn = stream(generator, recipes, batch_size=batch_size or default_batch_size(generator))
    for batch in ahead(drawn):
        yield torch.from_numpy(batch).permute(0, 3, 1, 2)  # (n, image_channels, H, W)


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

    Args:
        generator: the model.
        num: pictures to make.
        extractor: makes the features.
        first_seed: see `Drawing`, as for the rest.
        psi: as there.
        labels: as there.
        batch_size: as there.
        progress: called with (pictures done, pictures in all).

    Returns:
        (num, extractor.dim), float32.

    Raises:
        WspaceError: a seed or psi out of range; a model with classes and no labels.
    """
    drawing = Drawing(
        generator=generator,
        num=num,
        first_seed=first_seed,
        psi=psi,
        labels=labels,
        batch_size=batch_size,
    )
    features = torch.empty(num, extractor.dim)
    done = 0
    for pixels in drawing.batches():
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
    drawing = Drawing(generator=generator, num=len(seeds), psi=psi, labels=labels)
    return torch.cat(list(drawing.batches(seeds)))
