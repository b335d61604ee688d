"""A discriminator that swings: right on nearly all images, then wrong on most, then right again."""

from __future__ import annotations

from collections import deque
from typing import Any

__all__ = ["SwingWatch"]

ALL, FEW = 0.9, 0.4  # shares of right answers: at the ends of a swing
TURNS = 3  # from one end to the other, within the window
SMOOTHED = 4  # steps that an end must last on average


class SwingWatch:
    """Counts how often the discriminator goes from one end to the other.

    The end that is worse counts: real images or generated ones, whichever it is wrong on.

    Args:
        window_images: turns are counted within the last images, about; > 0.
    """

    def __init__(self, window_images: int = 2000) -> None:
        self.window_images = window_images
        self._recent: deque[float] = deque(maxlen=SMOOTHED)
        self._turns: list[int] = []  # images seen at each turn
        self._at: str = ""  # the end where it was last

    def swings(self, seen_images: int, right: tuple[float, float]) -> bool:
        """Take in the shares of right answers of a step.

        Args:
            seen_images: by the run so far.
            right: on real and on generated images, in [0, 1].

        Returns:
            Whether it swings; counting then starts anew.
        """
        self._recent.append(min(right))
        if len(self._recent) < SMOOTHED:
            return False
        mean = sum(self._recent) / SMOOTHED
        end = "all" if mean > ALL else "few" if mean < FEW else self._at
        if end != self._at:
            if self._at:
                self._turns.append(seen_images)
            self._at = end
        self._turns = [turn for turn in self._turns if turn > seen_images - self.window_images]
        if len(self._turns) < TURNS:
            return False
        self._turns.clear()
        return True

    def state_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {"recent": list(self._recent), "turns": list(self._turns), "at": self._at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self._recent = deque(state["recent"], maxlen=SMOOTHED)
        self._turns, self._at = list(state["turns"]), state["at"]
