"""When things are due in a training run, and how fast it goes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wspace.group import ALONE, Group
from wspace.training.config import TrainConfig
from wspace.training.context import StepResult
from wspace.training.plan import Plan
from wspace.training.run.quality import Quality
from wspace.training.state import TrainingState

__all__ = ["Clock", "Progress"]

SNAPSHOT_KIMG = 20.0  # from one snapshot to the next, where nothing else is said
_RIGHT = (
    "right_real",
    "right_fake",
)  # as the log calls the discriminator's shares of right answers
# Likewise how often pictures are changed, and r_t.
_AUGMENTED = ("augment_strength", "augment_overfitting")


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a run stands, for a live display.

    Attributes:
        kimg, total_kimg: thousands of real images seen, and to be seen in all; 0 before the run
            begins, the latter also before a time has been planned.
        images_per_second: over the last steps; 0 before there are any.
        seconds_left: to the end of the run; None where that is not known yet.
        last: what the newest step measured.
        waiting: share of the time of the last steps in which the run waited for pictures.
        fd, best_fd: FD (quick) of the newest measurement, and of the best model; None before.
        message: something to tell the user once, or None.
    """

    kimg: float = 0.0
    total_kimg: float = 0.0
    images_per_second: float = 0.0
    seconds_left: float | None = None
    last: StepResult | None = None
    waiting: float = 0.0
    fd: float | None = None
    best_fd: float | None = None
    message: str | None = None


class Clock:
    """When things are due, and how fast the run goes.

    Args:
        config: of the run.
        group: of processes, for which the clock of the first one counts: all must save, plan and
            end at the same step.
    """

    def __init__(self, config: TrainConfig, group: Group = ALONE) -> None:
        self._config, self._group = config, group
        self._now = time.monotonic()  # at the last `look`
        self._began = self._last_checkpoint = self._last_step = self._now
        self._rate = math.nan
        self._next_snapshot = self._next_checkpoint = 0
        self._tenth = 0  # of the run that is over, at the last snapshot
        self._seen = 0
        self._plan: Plan | None = None
        self._waited: Callable[[], float] = lambda: 0.0  # seconds for pictures
        self._waited_before = 0.0
        self._waiting = math.nan  # share of the time

    def watch(self, waited: Callable[[], float]) -> None:
        """From now on, see how long the run waits for pictures: ``waited`` tells, in seconds."""
        self._waited = waited

    def look(self) -> float:
        """The time in seconds, the same in all processes; everything here counts up to it."""
        self._now = self._group.share(time.monotonic(), "the time")
        return self._now

    @property
    def kimg(self) -> float:
        """Thousands of real images that the run has seen."""
        return self._seen / 1000

    def start(self, plan: Plan, seen_images: int) -> None:
        """The loop begins at ``seen_images``; the run lasts as long as ``plan`` says."""
        self._plan = plan
        self._began = self._last_step = self._last_checkpoint = self.look()
        self._next_snapshot = self._after(seen_images, self._snapshot_kimg)
        self._tenth = int(10 * plan.share(seen_images))
        self._next_checkpoint = self._after(seen_images, self._config.saving.checkpoint_kimg)
        self._waited_before = self._waited()
        self.at(seen_images)

    def at(self, seen_images: int) -> None:
        """The run stands at ``seen_images`` now, having gone back or not yet begun."""
        self._seen = seen_images

    def over(self, seen_images: int) -> str:
        """Why the run is over now, or nothing."""
        if self._plan is not None and self._plan.over(seen_images):
            return "done"
        limit = self._config.max_seconds
        return "time" if limit is not None and self.look() - self._began >= limit else ""

    @property
    def seconds(self) -> float:
        """Since the loop began."""
        return round(time.monotonic() - self._began, 3)

    def progress(
        self, state: TrainingState, result: StepResult, quality: Quality | None = None
    ) -> Progress:
        """What to show of a step that just ended."""
        now = self.look()
        rate = (state.seen_images - self._seen) / max(now - self._last_step, 1e-9)
        self._rate = _smoothed(self._rate, rate)
        waited = self._waited()
        share = (waited - self._waited_before) / max(now - self._last_step, 1e-9)
        self._waiting = _smoothed(self._waiting, min(share, 1.0))
        self._waited_before = waited
        state.plan.passed(now - self._last_step, state.seen_images)
        self._last_step, self._seen = now, state.seen_images
        newest, best = (None, None) if quality is None else (quality.newest, quality.best)
        return self._progress(
            last=result,
            fd=None if newest is None else newest.fd,
            best_fd=None if best is None else best.fd,
        )

    def message(self, text: str) -> Progress:
        """A message to show."""
        return self._progress(message=text)

    def _progress(self, **shown: Any) -> Progress:
        total = None if self._plan is None else self._plan.total_images
        return Progress(
            kimg=self.kimg,
            total_kimg=(total or 0) / 1000,
            images_per_second=0.0 if math.isnan(self._rate) else self._rate,
            seconds_left=self._seconds_left(total),
            waiting=0.0 if math.isnan(self._waiting) else self._waiting,
            **shown,
        )

    def _seconds_left(self, total_images: int | None) -> float | None:
        if total_images is not None and self._rate > 0:
            return max(total_images - self._seen, 0) / self._rate
        plan = self._plan
        if plan is None or plan.budget_seconds is None:
            return None
        return max(plan.budget_seconds - plan.seconds, 0.0)

    def record(self, state: TrainingState, result: StepResult) -> dict[str, Any]:
        """A line for the log."""
        right = () if result.right is None else zip(_RIGHT, result.right, strict=True)
        augmented = dict(zip(_AUGMENTED, result.augmented or (), strict=False))
        return {
            "step": state.step,
            "kimg": state.seen_images / 1000,
            "seconds": self.seconds,
            "images_per_second": round(self._rate, 2),
            "waiting_for_data": round(self._waiting, 4),
            **dict(right),
            **{name: value for name, value in augmented.items() if value is not None},
            **{f"loss_{name}": value for name, value in result.losses.items()},
        }

    def checkpointed(self, seen_images: int) -> None:
        """A checkpoint is written, or at least tried, at ``seen_images``."""
        self._last_checkpoint = self._now
        self._next_checkpoint = self._after(seen_images, self._config.saving.checkpoint_kimg)

    def checkpoint_due(self, seen_images: int) -> bool:
        """Whether enough images or minutes have passed since the last one."""
        minutes = (self._now - self._last_checkpoint) / 60
        return (
            seen_images >= self._next_checkpoint
            or minutes >= self._config.saving.checkpoint_minutes
        )

    def snapshot_due(self, seen_images: int) -> bool:
        """Whether a sample sheet is due; says so once."""
        tenth = self._tenth
        if self._config.saving.snapshot_kimg is None and self._plan is not None:
            tenth = int(10 * self._plan.share(seen_images))
        if seen_images < self._next_snapshot and tenth == self._tenth:
            return False
        self._next_snapshot, self._tenth = self._after(seen_images, self._snapshot_kimg), tenth
        return True

    @property
    def _snapshot_kimg(self) -> float:
        kimg = self._config.saving.snapshot_kimg
        return SNAPSHOT_KIMG if kimg is None else kimg

    @staticmethod
    def _after(seen_images: int, kimg: float) -> int:
        """The next multiple of ``kimg`` thousand images after ``seen_images``."""
        interval = max(round(kimg * 1000), 1)
        return (seen_images // interval + 1) * interval


def _smoothed(before: float, value: float) -> float:
    """The mean of about the last twenty values; ``before`` is it without the newest."""
    return value if math.isnan(before) else 0.95 * before + 0.05 * value
