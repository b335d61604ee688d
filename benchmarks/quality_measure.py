"""How `quality.py` judges pictures: by the metrics of wspace, and by a second judge."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quality_data import Task
from quality_judge import Judge, judge_of, total_variation
from wspace.data.dataset import Dataset
from wspace.metrics.distances import nearest
from wspace.metrics.features.datasets import dataset_features
from wspace.metrics.features.extractor import Extractor
from wspace.metrics.frechet import FewSamplesWarning, frechet_distance
from wspace.metrics.gaussian import Statistics, statistics
from wspace.metrics.precision_recall import precision_recall
from wspace.networks.generator import Generator
from wspace.recipe.recipe import NoiseSettings, Recipe, Source
from wspace.rendering.render import default_batch_size, stream

__all__ = ["Reference", "draw_mixed", "mixed_recipes"]

SECOND_SEED = 1_000_000  # the second source of a mixed picture: its first seed and this
Labels = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What the pictures of a task are measured against, made once.

    Attributes:
        extractor: makes features.
        real: (N, D), its features of the held-out pictures.
        heldout: their statistics.
        train: statistics of the training pictures.
        judge: the second judge; None without labels.
        judged: features of the held-out pictures that it has, in units of ``judge_scale``.
        shares: of the held-out pictures, what it decides for; (classes,) a kind.
        judge_scale: its features are divided by this, so that their variances add up to 100.
    """

    extractor: Extractor
    real: Tensor
    heldout: Statistics
    train: Statistics
    judge: Judge | None
    judged: Statistics | None
    shares: list[Tensor]
    judge_scale: float

    @classmethod
    def of(cls, task: Task, cache: Path, extractor: Extractor) -> Reference:
        """The reference of ``task``; features and judges are kept in ``cache``."""
        judge = judge_of(task, cache)
        with Dataset.open(task.train) as train, Dataset.open(task.heldout) as heldout:
            known, real = (
                dataset_features(data, extractor=extractor, cache=cache / "features")
                for data in (train, heldout)
            )
            judged, shares, scale = None, [], 1.0
            if judge is not None:
                features, decisions = judge.look(heldout.images(range(len(heldout))))
                scale = float((features.var(dim=0).sum() / 100).sqrt())
                judged = statistics(features / scale)
                shares = _shares(judge, decisions)
        return cls(
            extractor=extractor,
            real=real,
            heldout=statistics(real),
            train=statistics(known),
            judge=judge,
            judged=judged,
            shares=shares,
            judge_scale=scale,
        )

    def measure(self, pixels: Tensor) -> dict[str, Any]:
        """All figures of pictures (N, 1 or 3, H, W), uint8, as plain data.

        Returns:
            fd_lite, precision, recall: against the held-out pictures.
            fd_train: FD (lite) against the training pictures.
            distinct: the share that lies farther from all others than the nearest hundredth of
                held-out pictures, as many of these as of those; 0.99 of real pictures, about 0 of
                a collapsed generator's.
            judge: id, fd (features' variances add up to 100), off (how far the shares of classes
                are from the held-out ones: total variation, the mean over kinds) and shares;
                None without a judge.
            warnings: what the metrics had to say.
        """
        features = self.extractor(pixels)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            own = statistics(features)
            found: dict[str, Any] = {
                "fd_lite": frechet_distance(self.heldout, own),
                "fd_train": frechet_distance(self.train, own),
                **precision_recall(self.real, features)._asdict(),
            }
        count = min(len(features), len(self.real))
        near = _apart(_some(self.real, count)).quantile(0.01)
        found["distinct"] = float((_apart(_some(features, count)) > near).double().mean())
        found["judge"] = self._judge(pixels)
        found["warnings"] = [str(one.message) for one in caught]
        return found

    def fd_lite(self, pixels: Tensor) -> float:
        """FD (lite) alone."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewSamplesWarning)
            return frechet_distance(self.heldout, statistics(self.extractor(pixels)))

    def _judge(self, pixels: Tensor) -> dict[str, Any] | None:
        if self.judge is None:
            return None
        assert self.judged is not None
        features, decisions = self.judge.look(pixels)
        shares = _shares(self.judge, decisions)
        pairs = zip(shares, self.shares, strict=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewSamplesWarning)
            fd = frechet_distance(self.judged, statistics(features / self.judge_scale))
        return {
            "id": self.judge.id,
            "fd": fd,
            "off": float(np.mean([total_variation(*pair) for pair in pairs])),
            "shares": [[round(value, 4) for value in kind.tolist()] for kind in shares],
        }


def mixed_recipes(
    generator: Generator, num: int, labels: Labels | None, *, across: bool = False
) -> list[Recipe]:
    """Pictures of two sources: one gives the layers before a crossover, the other those from it on.

    The crossover is drawn uniformly from 1 to num_ws - 1, so that both take part.

    Args:
        generator: the model.
        num: how many.
        labels: (L,), int64, of the data; a model with classes draws classes as they occur there.
        across: each source of a class of its own, not both of the same one.
    """
    recipes = []
    for seed in range(num):
        random = np.random.RandomState([seed, 2])
        crossover = random.randint(1, generator.num_ws)
        classes: list[int | None] = [None, None]
        if generator.num_classes > 0:
            assert labels is not None
            classes = [int(c) for c in labels[random.randint(len(labels), size=2)]]
            classes = classes if across else classes[:1] * 2
        recipes.append(
            Recipe(
                sources=(
                    Source(seed=seed, class_index=classes[0]),
                    Source(seed=SECOND_SEED + seed, class_index=classes[1]),
                ),
                layer_sources=tuple(int(i >= crossover) for i in range(generator.num_ws)),
                noise=(
                    NoiseSettings(mode="seeded", seed=seed)
                    if generator.const_noise
                    else NoiseSettings()
                ),
            )
        )
    return recipes


def draw_mixed(
    generator: Generator, num: int, labels: Labels | None, *, across: bool = False
) -> Tensor:
    """The pictures of `mixed_recipes`, (N, image_channels, H, W), uint8."""

    def batches() -> Iterator[Tensor]:
        recipes = mixed_recipes(generator, num, labels, across=across)
        for batch in stream(generator, recipes, batch_size=default_batch_size(generator)):
            yield torch.from_numpy(batch).permute(0, 3, 1, 2)  # (n, image_channels, H, W)

    return torch.cat(list(batches()))


def _some(features: Tensor, count: int) -> Tensor:
    """``count`` of them, from everywhere: data is often sorted."""
    order = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))
    return features[order[:count]]


def _apart(features: Tensor) -> Tensor:
    """(N,): the distance of each to its nearest other one."""
    distances, _ = nearest(features, features, k=2)
    return distances[:, 1]  # the nearest is it itself, or a copy of it


def _shares(judge: Judge, decisions: list[Tensor]) -> list[Tensor]:
    """The share of each class, (classes,) a kind."""
    return [
        torch.bincount(decided, minlength=count) / len(decided)
        for decided, count in zip(decisions, judge.num_classes, strict=True)
    ]
