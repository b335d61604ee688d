"""How `quality.py` judges pictures: by the metrics of wspace, and by a second judge."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from quality_data import Task
from wspace.data.dataset import Dataset
from wspace.metrics.attributes import judge_distance, shares, total_variation
from wspace.metrics.distinct import distinct_share
from wspace.metrics.features.datasets import dataset_features
from wspace.metrics.features.extractor import Extractor
from wspace.metrics.frechet import FewSamplesWarning, frechet_distance
from wspace.metrics.gaussian import Statistics, statistics
from wspace.metrics.judge import Judge, Judged, learn_judge
from wspace.metrics.precision_recall import precision_recall

__all__ = ["Reference"]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What the pictures of a task are measured against, made once.

    Attributes:
        extractor: makes features.
        real: (N, D), its features of the held-out pictures.
        heldout: their statistics.
        train: statistics of the training pictures.
        judge: the second judge; None without labels.
        judged: what it saw in the held-out pictures.
    """

    extractor: Extractor
    real: Tensor
    heldout: Statistics
    train: Statistics
    judge: Judge | None
    judged: Judged | None

    @classmethod
    def of(cls, task: Task, cache: Path, extractor: Extractor) -> Reference:
        """The reference of ``task``; features and judges are kept in ``cache``."""
        judge = None
        if task.judged is not None:
            with Dataset.open(task.judged) as labelled:
                judge = learn_judge(labelled, kinds=task.kinds, cache=cache)
        with Dataset.open(task.train) as train, Dataset.open(task.heldout) as heldout:
            known, real = (
                dataset_features(data, extractor=extractor, cache=cache / "features")
                for data in (train, heldout)
            )
            judged = None
            if judge is not None:
                judged = judge.look_at(heldout, np.arange(len(heldout)))
        return cls(
            extractor=extractor,
            real=real,
            heldout=statistics(real),
            train=statistics(known),
            judge=judge,
            judged=judged,
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
        found["distinct"] = distinct_share(self.real, features)
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
        seen = self.judge.look(pixels)
        found, off = [], []
        for k, values in enumerate(self.judge.values.values()):
            sides = [shares(side.decisions[:, k], len(values)) for side in (self.judged, seen)]
            off.append(total_variation(*sides))
            found.append([round(value, 4) for value in sides[1].tolist()])
        return {
            "id": self.judge.id,
            "fd": judge_distance(self.judged.features, seen.features),
            "off": float(np.mean(off)),
            "shares": found,
        }
