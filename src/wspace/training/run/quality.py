"""How good a run's pictures are on the way, by a quick measure, and which model was the best.

FD (quick) is the Frechet distance of few pictures, seen small: cheap enough to be taken a dozen
times in a run, good enough to tell its models apart, and of another scale than FD (lite).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.group import ALONE, Group
from wspace.metrics.features.datasets import cache_folder, dataset_features, dataset_indices
from wspace.metrics.features.extractor import Extractor
from wspace.metrics.features.generators import generator_features
from wspace.metrics.features.lite import INPUT_SIZE, LiteExtractor
from wspace.metrics.features.transparent import for_channels
from wspace.metrics.frechet import distance_of_few
from wspace.metrics.gaussian import Statistics, statistics
from wspace.metrics.neighbours import Neighbours, find_neighbours, generator_sheet
from wspace.networks.generator import Generator
from wspace.training.config import TrainConfig
from wspace.training.plan import Plan

__all__ = ["Measured", "Quality"]

FEWEST_REAL = 100  # pictures of the data: fewer are no measure
SMALLEST_SIDE = 64  # that pictures are seen at; little is left of the network's maps below it
# Between two measures the run sees at least so many images for each picture measured, which takes
# about as long as to learn from one image, or less: so measuring takes at most about 3 % of a run,
# and always comes at the same images.
IMAGES_APART = 30
NEIGHBOURS = 3  # real pictures beside each generated one


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One measurement of the running average.

    Attributes:
        step: of the run.
        kimg: thousands of real images seen.
        fd: FD (quick), lower is better.
    """

    step: int
    kimg: float
    fd: float


class Quality:
    """When a run is measured, what was found last, and what is the best so far.

    Args:
        config: nothing in it "auto".
        data: what the run learns from.
        tell: told in one line why nothing can be measured, where that was asked for.
        group: of processes; the first one measures for all.

    Attributes:
        newest, best: None before the first measurement.
        floor: FD (quick) of real pictures from others; 0 before the first measurement.
    """

    def __init__(
        self,
        config: TrainConfig,
        data: Dataset,
        tell: Callable[[str], None],
        group: Group = ALONE,
    ) -> None:
        self._saving, self._data, self._group = config.saving, data, group
        self.newest: Measured | None = None
        self.best: Measured | None = None
        self._stage, self._part = Plan(config).stage(0), 0
        self._measured_at = 0  # images seen
        self._real: Tensor | None = None  # (R, D)
        self._real_statistics: Statistics | None = None
        self.floor = 0.0
        self._generated: Tensor | None = None  # (N, D), of the newest measurement
        self._extractor: Extractor | None = None
        if not self._saving.measure:
            return
        if len(data) < FEWEST_REAL:
            tell(
                f"FD (quick) is not measured: {len(data)} pictures are fewer than {FEWEST_REAL}; "
                "the newest model is kept, not the best."
            )
            return
        longer = 32 * math.ceil(max(data.size) / 32)  # the network takes multiples of that
        side = min(max(longer, SMALLEST_SIDE), INPUT_SIZE)
        try:
            lite = LiteExtractor(torch.device(config.device), side=side)
            self._extractor = for_channels(lite, data.image_channels)
        except WspaceError as error:
            tell(f"FD (quick) is not measured: {error} The newest model is kept, not the best.")

    @property
    def on(self) -> bool:
        """Whether the run is measured."""
        return self._extractor is not None

    @property
    def setting(self) -> dict[str, Any]:
        """What FD (quick) of this run depends on, as plain data."""
        assert self._extractor is not None
        return {
            "pictures": self._saving.measured_pictures,
            "against": min(self._saving.measured_against, len(self._data)),
            "features": self._extractor.id,
        }

    def due(self, plan: Plan, seen_images: int) -> bool:
        """Whether to measure now: after a stage, a part of the run, or all of it; says so once."""
        if self._extractor is None:
            return False
        apart = IMAGES_APART * self._saving.measured_pictures
        stage = plan.stage(seen_images)
        part = int(plan.share(seen_images) * self._saving.measurements)
        if not plan.over(seen_images):
            to_come = apart if plan.total_images is None else plan.total_images - seen_images
            if (stage, part) == (self._stage, self._part):
                return False
            if seen_images - self._measured_at < apart or 2 * to_come < apart:
                return False
        elif seen_images == self._measured_at:
            return False
        self._stage, self._part, self._measured_at = stage, part, seen_images
        return True

    def measure(self, generator: Generator, step: int, seen_images: int) -> Measured:
        """Measure a generator; it is the newest, and may be the best.

        Raises:
            WspaceError: its pictures, or those of the data, cannot be measured.
        """
        where = "the measurement"
        fd, self.floor = self._group.from_first(lambda: self._distances(generator), where)
        self.newest = Measured(step=step, kimg=seen_images / 1000, fd=fd)
        if self.best is None or fd < self.best.fd:
            self.best = self.newest
        return self.newest

    def _distances(self, generator: Generator) -> tuple[float, float]:
        """FD (quick) of a generator's pictures, and of real ones."""
        assert self._extractor is not None
        floor = self.floor
        if self._real is None or self._real_statistics is None:
            self._real = self._real_features(self._extractor)
            self._real_statistics = statistics(self._real)
            half = self._real[::2][: self._saving.measured_pictures]
            floor = distance_of_few(half, statistics(self._real[1::2]))
        self._generated = generator_features(
            generator,
            self._saving.measured_pictures,
            extractor=self._extractor,
            labels=self._data.labels if generator.num_classes else None,
        )
        return distance_of_few(self._generated, self._real_statistics), floor

    def neighbours(self, generator: Generator) -> Image.Image:
        """Pictures of the generator measured last, beside the nearest of the data's pictures."""
        assert self._real is not None
        assert self._generated is not None
        near = find_neighbours(self._generated, self._real, k=NEIGHBOURS)
        numbers = torch.from_numpy(dataset_indices(self._data, len(self._real)))
        return generator_sheet(
            generator,
            self._data,
            Neighbours(distances=near.distances, indices=numbers[near.indices]),
            first_seed=0,
            psi=1.0,
            labels=self._data.labels if generator.num_classes else None,
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint; empty where nothing is measured."""
        if self._extractor is None and self.best is None:
            return {}
        return {
            "newest": None if self.newest is None else asdict(self.newest),
            "best": None if self.best is None else asdict(self.best),
            "stage": self._stage,
            "part": self._part,
            "measured_at": self._measured_at,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        if not state:
            return
        newest, best = state["newest"], state["best"]
        self.newest = None if newest is None else Measured(**newest)
        self.best = None if best is None else Measured(**best)
        self._stage, self._part = state["stage"], state["part"]
        self._measured_at = state["measured_at"]

    def _real_features(self, extractor: Extractor) -> Tensor:
        count = min(self._saving.measured_against, len(self._data))
        try:
            return dataset_features(self._data, count, extractor=extractor, cache=cache_folder())
        except WspaceError:  # nowhere to keep them; what is wrong with the data comes again
            return dataset_features(self._data, count, extractor=extractor)
