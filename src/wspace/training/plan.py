"""How long a run and its stages last: so many images, or as many as fit into a time.

A time is planned: from the speed so far follows how many images a stage will see, and from those
what depends on its length, such as rates that fall at its end. Each stage is planned soon after it
has begun, and anew a few times, since speeds change. The plan is part of every checkpoint, so that
a run goes on as it was planned.
"""

from __future__ import annotations

from typing import Any, Literal

from wspace.training.config import TrainConfig

__all__ = ["STAGES", "Plan", "PlannedStage"]

PlannedStage = Literal["reconstruction", "matching", "adversarial"]
STAGES: tuple[PlannedStage, ...] = ("reconstruction", "matching", "adversarial")
# Shares of a stage's time. Its first steps are slow and say nothing of its speed; then it is
# planned, and anew a few times.
WARM_AFTER = 0.05
PLANNED_AT = (0.12, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95)


class Plan:
    """When each stage ends.

    Attributes:
        budget_seconds: to train for; None where the number of images is given.
        ends: images seen when a stage ends; None where its time has not been planned yet. A stage
            that does not come ends where the one before it does.
        seconds: of the budget that have passed; 0 where there is none.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._set(config)

    def _set(self, config: TrainConfig) -> None:
        total = None if config.total_kimg is None else config.total_kimg * 1000
        self.budget_seconds = None if config.minutes is None else config.minutes * 60
        shares = {"reconstruction": config.reconstruction.share, "matching": config.matching.share}
        lengths = {"reconstruction": config.reconstruction.kimg, "matching": config.matching.kimg}
        self.ends: dict[PlannedStage, float | None] = {"adversarial": total}
        self._time_ends: dict[PlannedStage, float] = {}  # shares of the budget
        seen: float | None = 0.0
        passed = 0.0
        for stage in STAGES[:-1]:
            kimg, share = lengths[stage], shares[stage]
            if kimg is not None:
                length: float | None = kimg * 1000
            elif total is not None or not share:
                length = share * (total or 0)
            else:
                length = None
            seen = None if seen is None or length is None else seen + length
            passed += share if kimg is None else 0.0
            self.ends[stage], self._time_ends[stage] = seen, passed
        self._time_ends["adversarial"] = 1.0
        self.seconds = 0.0
        self._planned = 0  # so many times in this stage
        self._warm = False  # its first steps are over
        self._since: tuple[float, float] = (0.0, 0.0)  # seconds and images at its last plan
        self._began = 0.0  # seconds when this stage began
        self._stage = self.stage(0)

    @property
    def total_images(self) -> int | None:
        """Of the whole run; None before that is known."""
        total = self.ends["adversarial"]
        return None if total is None else round(total)

    def over(self, seen_images: int) -> bool:
        """Whether the run has seen all its images."""
        total = self.ends["adversarial"]
        return total is not None and seen_images >= total

    def share(self, seen_images: int) -> float:
        """How much of the whole run is over, in [0, 1]."""
        if self.budget_seconds is not None:
            return min(self.seconds / self.budget_seconds, 1.0)
        total = self.ends["adversarial"]
        return min(seen_images / total, 1.0) if total else 0.0

    def left(self, seen_images: int) -> float:
        """Share of the last stage that is still to come, in [0, 1]; 1 while it is not planned."""
        total, began = self.ends["adversarial"], self.ends["matching"]
        if total is None or began is None or total <= began:
            return 1.0
        return min(max((total - seen_images) / (total - began), 0.0), 1.0)

    def stage(self, seen_images: int) -> PlannedStage:
        """The stage that the next image belongs to."""
        for stage in STAGES[:-1]:
            end = self.ends[stage]
            if end is None or seen_images < end:
                return stage
        return "adversarial"

    def passed(self, seconds: float, seen_images: int) -> bool:
        """Count time in which the run has trained, and plan where that is due.

        Args:
            seconds: since this was called last.
            seen_images: in all.

        Returns:
            Whether the plan has changed.
        """
        if self.budget_seconds is None:
            return False
        self.seconds += seconds
        end = self.ends[self._stage]
        lasts_until = self._time_ends[self._stage] * self.budget_seconds
        spent = (self.seconds - self._began) / max(lasts_until - self._began, 1e-9)
        reached = end is not None and seen_images >= end
        # reached sooner than planned, it goes on for its time
        early = reached and self._planned > 0 and spent < PLANNED_AT[-1]
        if reached and not early:
            self._begin(self.stage(seen_images), seen_images)
            return False
        if end is not None and self._planned == 0:
            return False  # its number of images is given
        if not self._warm and spent >= WARM_AFTER:
            self._warm, self._since = True, (self.seconds, float(seen_images))
            return False
        due = self._planned < len(PLANNED_AT) and spent >= PLANNED_AT[self._planned]
        if not due and not early:
            return False
        self._planned = max(sum(share <= spent for share in PLANNED_AT), 1)
        then, images = self._since
        rate = (seen_images - images) / max(self.seconds - then, 1e-9)
        to_come = round(rate * max(lasts_until - self.seconds, 0.0))
        self.ends[self._stage] = float(seen_images + to_come)
        self._since = (self.seconds, float(seen_images))
        return True

    def _begin(self, stage: PlannedStage, seen_images: int) -> None:
        if stage == self._stage:
            return
        self._stage, self._planned, self._warm = stage, 0, False
        self._began, self._since = self.seconds, (self.seconds, float(seen_images))

    def extend(self, config: TrainConfig, seen_images: int) -> None:
        """Go on for as long as a changed configuration says.

        A time counts from now on, and the run stays in the stage where it is.
        """
        stage = self.stage(seen_images)
        kept = dict(self.ends)
        self._set(config)
        if self.budget_seconds is None:
            return
        for past in STAGES[: STAGES.index(stage)]:
            self.ends[past] = kept[past]
        self._stage, self._since = stage, (0.0, float(seen_images))

    def state_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint; empty where the number of images was given."""
        if self.budget_seconds is None:
            return {}
        return {
            "budget_seconds": self.budget_seconds,
            "ends": dict(self.ends),
            "seconds": self.seconds,
            "stage": self._stage,
            "began": self._began,
            "planned": self._planned,
            "warm": self._warm,
            "since": list(self._since),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        if not state:
            return
        self.budget_seconds, self.ends = state["budget_seconds"], dict(state["ends"])
        self.seconds, self._stage, self._began = state["seconds"], state["stage"], state["began"]
        self._planned, self._warm = state["planned"], state["warm"]
        self._since = (state["since"][0], state["since"][1])
