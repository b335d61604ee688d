"""When things are due in a training run, and how fast it goes."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

from wspace.training.config import TrainConfig
from wspace.training.context import StepResult
from wspace.training.state import TrainingState

__all__ = ["Clock", "Progress"]

_RIGHT = (
    "right_real",
    "right_fake",
)  # as the log calls the discriminator's shares of right answers


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands, for a live display.

    Attributes:
        kimg, total_kimg: thousands of real images seen, and to be seen; 0 before the run begins.
        images_per_second: over the last steps; 0 before there are any.
        last: what the newest step measured.
        message: something to tell the user once, or None.
    """

    kimg: float = 0.0
    total_kimg: float = 0.0
    images_per_second: float = 0.0
    last: StepResult | None = None
    message: str | None = None


class Clock:
    """When things are due, and how fast the run goes."""

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._began = self._last_checkpoint = self._last_step = time.monotonic()
        self._rate = math.nan
        self._next_snapshot = self._next_checkpoint = 0
        self._seen = 0

    @property
    def kimg(self) -> float:
        """Thousands of real images that the run has seen."""
        return self._seen / 1000

    def start(self, seen_images: int) -> None:
        """The loop begins at ``seen_images``."""
        self._began = self._last_step = time.monotonic()
        self._next_snapshot = self._after(seen_images, self._config.saving.snapshot_kimg)
        self._next_checkpoint = self._after(seen_images, self._config.saving.checkpoint_kimg)
        self.at(seen_images)

    def at(self, seen_images: int) -> None:
        """The run stands at ``seen_images`` now, having gone back or not yet begun."""
        self._seen = seen_images

    def over(self, seen_images: int) -> str:
        """Why the run is over, or nothing."""
        if seen_images >= self._config.total_kimg * 1000:
            return "done"
        limit = self._config.max_seconds
        return "time" if limit is not None and time.monotonic() - self._began >= limit else ""

    def progress(self, state: TrainingState, result: StepResult) -> Progress:
        """What to show of a step that just ended."""
        now = time.monotonic()
        rate = (state.seen_images - self._seen) / max(now - self._last_step, 1e-9)
        self._rate = rate if math.isnan(self._rate) else 0.95 * self._rate + 0.05 * rate
        self._last_step, self._seen = now, state.seen_images
        return self._progress(last=result)

    def message(self, text: str) -> Progress:
        """A message to show."""
        return self._progress(message=text)

    def _progress(self, **shown: Any) -> Progress:
        return Progress(
            kimg=self.kimg,
            total_kimg=self._config.total_kimg,
            images_per_second=0.0 if math.isnan(self._rate) else self._rate,
            **shown,
        )

    def record(self, state: TrainingState, result: StepResult) -> dict[str, Any]:
        """A line for the log."""
        right = () if result.right is None else zip(_RIGHT, result.right, strict=True)
        return {
            "step": state.step,
            "kimg": state.seen_images / 1000,
            "seconds": round(time.monotonic() - self._began, 3),
            "images_per_second": round(self._rate, 2),
            **dict(right),
            **{f"loss_{name}": value for name, value in result.losses.items()},
        }

    def checkpointed(self, seen_images: int) -> None:
        """A checkpoint is written, or at least tried, at ``seen_images``."""
        self._last_checkpoint = time.monotonic()
        self._next_checkpoint = self._after(seen_images, self._config.saving.checkpoint_kimg)

    def checkpoint_due(self, seen_images: int) -> bool:
        """Whether enough images or minutes have passed since the last one."""
        minutes = (time.monotonic() - self._last_checkpoint) / 60
        return (
            seen_images >= self._next_checkpoint
            or minutes >= self._config.saving.checkpoint_minutes
        )

    def snapshot_due(self, seen_images: int) -> bool:
        """Whether a sample sheet is due; says so once."""
        if seen_images < self._next_snapshot:
            return False
        self._next_snapshot = self._after(seen_images, self._config.saving.snapshot_kimg)
        return True

    @staticmethod
    def _after(seen_images: int, kimg: float) -> int:
        """The next multiple of ``kimg`` thousand images after ``seen_images``."""
        interval = max(round(kimg * 1000), 1)
        return (seen_images // interval + 1) * interval
