"""Numbers that go wrong in training: noticed, counted, and what to do about them."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from wspace.training.run.swings import SwingWatch

__all__ = ["HealthEvent", "HealthMonitor", "picture_diversity"]

ALWAYS_RIGHT, RIGHT_AGAIN = 0.98, 0.9  # shares of right answers, on real and generated both
COLLAPSED, DIVERSE_AGAIN = 0.3, 0.5  # diversity of generated pictures relative to real ones


@dataclass(frozen=True)
class HealthEvent:
    """Something to act on.

    Attributes:
        kind: "skip" this step's update; "rollback": go back to the last checkpoint and halve the
            learning rate; "calm": halve the discriminator's learning rate; "stop" the run;
            "warning": tell the user and go on.
        message: one line that says what happened and what to do.
    """

    kind: Literal["skip", "rollback", "calm", "stop", "warning"]
    message: str


class HealthMonitor:
    """Watches the numbers of a run and says when something must happen; acts on nothing itself."""

    def __init__(
        self, *, patience_steps: int = 10, window_steps: int = 500, grace_steps: int = 1000
    ) -> None:
        """Start with nothing seen.

        Args:
            patience_steps: this many steps in a row with NaN or infinity ask for a rollback, the
                next time for a stop; >= 1.
            window_steps: the discriminator's answers are averaged over this many steps, >= 1.
            grace_steps: diversity is not judged before this step, since every run starts with
                pictures that are all alike.
        """
        self.patience_steps = patience_steps
        self.window_steps = window_steps
        self.grace_steps = grace_steps
        self.skipped = 0  # steps with NaN or infinity in the whole run
        self.skipped_in_a_row = 0
        self.rolled_back = False
        self._right_real: deque[float] = deque(maxlen=window_steps)
        self._right_fake: deque[float] = deque(maxlen=window_steps)
        self._told: set[str] = set()  # warnings given and not over yet
        self._swings = SwingWatch()
        self.was_diverse = False  # generated pictures have differed as they should
        self.collapsed = False  # the run has gone back because of that

    def observe(
        self,
        step: int,
        losses: dict[str, float],
        finite: bool,
        right: tuple[float, float] | None,
    ) -> HealthEvent | None:
        """Take in the numbers of one step.

        Args:
            step: counted from the start of the run.
            losses: by name.
            finite: whether all gradients were finite.
            right: see `StepResult`.

        Returns:
            What to do; None when all is well or has been told already.
        """
        wrong = [f"{name}={value}" for name, value in losses.items() if not math.isfinite(value)]
        if wrong or not finite:
            return self._not_finite(step, ", ".join(wrong) or "the gradients")
        self.skipped_in_a_row = 0
        if right is None:
            return None
        self._right_real.append(right[0])
        self._right_fake.append(right[1])
        if len(self._right_real) < self.window_steps:
            return None
        real = sum(self._right_real) / self.window_steps
        fake = sum(self._right_fake) / self.window_steps
        return self._warn_once(
            "discriminator",
            starts=min(real, fake) > ALWAYS_RIGHT,
            ends=min(real, fake) < RIGHT_AGAIN,
            message=(
                f"step {step}: over {self.window_steps} steps the discriminator was right on "
                f"{real:.1%} of real and {fake:.1%} of generated pictures, the generator learns "
                "little from it: start again with more pictures, --mirror, --set augment=ada, or "
                "twice the R1 (--set r1_gamma=...)."
            ),
        )

    def observe_swings(self, seen_images: int, right: tuple[float, float]) -> HealthEvent | None:
        """Take in the discriminator's right answers of a step; see `SwingWatch.swings`."""
        if not self._swings.swings(seen_images, right):
            return None
        return HealthEvent(
            "calm",
            f"at {seen_images / 1000:.1f} kimg: the discriminator swings between right on nearly "
            "all pictures and wrong on most: its learning rate is halved.",
        )

    def observe_diversity(self, step: int, generated: float, real: float) -> HealthEvent | None:
        """Take in how different pictures of one batch are, see `picture_diversity`.

        Args:
            step: counted from the start of the run.
            generated: of generated pictures, >= 0.
            real: of as many real ones, >= 0.

        Returns:
            What to do when the generator has collapsed and this was not told yet, else None: the
            first time that pictures become alike which have differed, the run goes back.
        """
        if not real > 0:
            return None
        share = generated / real
        if share >= COLLAPSED and share > DIVERSE_AGAIN:
            self.was_diverse = True
        if self.was_diverse and share < COLLAPSED and not self.collapsed:
            self.collapsed = True
            return HealthEvent(
                "rollback",
                f"step {step}: generated pictures differ {share:.0%} as much as real ones and have "
                "differed more, the generator collapses: back to the last checkpoint with half the "
                "learning rate.",
            )
        if step < self.grace_steps:
            return None
        return self._warn_once(
            "diversity",
            starts=share < COLLAPSED,
            ends=share > DIVERSE_AGAIN,
            message=(
                f"step {step}: generated pictures differ {share:.0%} as much as real ones, the "
                "generator may have collapsed to few pictures: look at the samples; if they are "
                "all alike, start again with more R1 (--set r1_gamma=...) or a lower rate "
                "(--set adversarial.learning_rate=...)."
            ),
        )

    def state_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {
            "skipped": self.skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
            "rolled_back": self.rolled_back,
            "right_real": list(self._right_real),
            "right_fake": list(self._right_fake),
            "told": sorted(self._told),
            "swings": self._swings.state_dict(),
            "was_diverse": self.was_diverse,
            "collapsed": self.collapsed,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave.

        A rollback loads a state from before it, so that it happened is not forgotten, nor is the
        count of skipped steps.
        """
        self.skipped = max(self.skipped, state["skipped"])
        self.skipped_in_a_row = state["skipped_in_a_row"]
        self.rolled_back = self.rolled_back or state["rolled_back"]
        self._right_real = deque(state["right_real"], maxlen=self.window_steps)
        self._right_fake = deque(state["right_fake"], maxlen=self.window_steps)
        self._told = set(state["told"])
        if "swings" in state:  # not in checkpoints of the first version
            self._swings.load_state_dict(state["swings"])
            self.was_diverse = state["was_diverse"]
            self.collapsed = self.collapsed or state["collapsed"]

    def _not_finite(self, step: int, what: str) -> HealthEvent:
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row < self.patience_steps:
            return HealthEvent("skip", f"step {step}: {what} not finite: the step is skipped.")
        self.skipped_in_a_row = 0
        told = f"step {step}: {what} not finite, {self.patience_steps} steps in a row"
        if self.rolled_back:
            return HealthEvent(
                "stop",
                f"{told}, again after going back with half the learning rate: training stops. "
                "Start again with a lower rate (--set adversarial.learning_rate=...), more R1 "
                "(--set r1_gamma=...) or --set precision=fp32.",
            )
        self.rolled_back = True
        return HealthEvent(
            "rollback", f"{told}: back to the last checkpoint with half the learning rate."
        )

    def _warn_once(
        self, what: str, *, starts: bool, ends: bool, message: str
    ) -> HealthEvent | None:
        """A warning when a condition starts; none again before it has ended."""
        if ends:
            self._told.discard(what)
        if not starts or what in self._told:
            return None
        self._told.add(what)
        return HealthEvent("warning", message)


def picture_diversity(images: Tensor) -> float:
    """Mean root-mean-square distance between all pairs of pictures, in pixel space.

    Args:
        images: (N, C, H, W), float, N >= 2.

    Returns:
        >= 0; 0 when all are the same.
    """
    flat = images.detach().flatten(start_dim=1).float()  # (N, C * H * W)
    distances = torch.pdist(flat) / math.sqrt(flat.shape[1])  # (N * (N - 1) / 2,)
    return float(distances.mean())
