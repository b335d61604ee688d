"""The order in which training sees a dataset: shuffled, endless, and resumable exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from wspace.errors import WspaceError

__all__ = ["ShuffledOrder"]


class ShuffledOrder:
    """An endless order over a dataset: every epoch shows each picture once, freshly shuffled.

    The order of epoch e depends on the seed and e alone, so that a restored order goes on exactly.
    It is drawn with NumPy's legacy MT19937 stream, which is frozen.

    Args:
        num_items: size of the dataset, >= 1.
        seed: >= 0.
    """

    def __init__(self, num_items: int, seed: int) -> None:
        if num_items < 1 or seed < 0:
            raise WspaceError(
                f"an order of {num_items} pictures with seed {seed} does not exist: give at least "
                "one picture and a seed >= 0."
            )
        self.num_items = num_items
        self.seed = seed
        self._order: np.ndarray[Any, np.dtype[np.int64]]
        self._epoch: int
        self._position: int
        self._start_epoch(0)

    def next(self, batch: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The next ``batch`` indices, (batch,), int64, going on into the next epoch if need be."""
        parts = []
        needed = batch
        while needed > 0:
            if self._position == self.num_items:
                self._start_epoch(self._epoch + 1)
            part = self._order[self._position : self._position + needed]
            self._position += part.size
            needed -= part.size
            parts.append(part)
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)

    def peek(self, batch: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """What `next` will give, without moving on."""
        epoch, position, order = self._epoch, self._position, self._order
        indices = self.next(batch)
        self._epoch, self._position, self._order = epoch, position, order
        return indices

    def state(self) -> dict[str, int]:
        """Where the order stands, as plain integers for a checkpoint."""
        return {
            "num_items": self.num_items,
            "seed": self.seed,
            "epoch": self._epoch,
            "position": self._position,
        }

    def restore(self, state: dict[str, int]) -> None:
        """Go on from a `state`.

        Raises:
            WspaceError: the state belongs to another dataset or seed, or is malformed.
        """
        mine = {"num_items": self.num_items, "seed": self.seed}
        if {key: state.get(key) for key in mine} != mine:
            raise WspaceError(
                f"the place in the data {state} belongs to another order than {mine}: resume with "
                "the dataset and seed of the run."
            )
        epoch, position = state.get("epoch"), state.get("position")
        if not (isinstance(epoch, int) and isinstance(position, int)) or not (
            epoch >= 0 and 0 <= position <= self.num_items
        ):
            raise WspaceError(
                f"the place in the data {state} is malformed: take another checkpoint."
            )
        self._start_epoch(epoch)
        self._position = position

    def _start_epoch(self, epoch: int) -> None:
        bits = np.random.MT19937(np.random.SeedSequence([self.seed, epoch]))
        order = np.random.RandomState(bits).permutation(self.num_items)
        self._order = order.astype(np.int64)
        self._epoch = epoch
        self._position = 0
