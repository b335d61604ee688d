"""Going downhill: Adam for a number of steps or a time, whichever ends first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["Clock", "descend"]

BETAS = (0.9, 0.99)


class Clock:
    """How much of a time is over; without one, nothing ever is.

    Args:
        seconds: of it, >= 0; None: no end.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds, self._started = seconds, time.monotonic()

    def end(self) -> None:
        """All of it is over."""
        self._seconds = 0.0

    @property
    def passed(self) -> float:
        """The share that is over, >= 0; 1 and more: all of it."""
        if self._seconds is None:
            return 0.0
        return (
            math.inf if self._seconds == 0 else (time.monotonic() - self._started) / self._seconds
        )


def descend(
    tensors: Sequence[Tensor],
    loss: Callable[[int], Tensor],
    *,
    rate: float,
    steps: int,
    clock: Clock,
    share: tuple[float, float] = (0.0, 1.0),
    after: Callable[[int], None] = lambda _: None,
) -> int:
    """Minimise a loss; the rate falls to 0 as the last quarter of a sine does.

    Args:
        tensors: that require grad; changed in place.
        loss: of the number of the step, from 0; a scalar.
        rate: Adam's, at first.
        steps: the most.
        clock: ends it sooner.
        share: of the clock's time, where this begins and ends.
        after: called with the steps done, after each.

    Returns:
        The steps that were taken.
    """
    optimizer = torch.optim.Adam(tensors, lr=rate, betas=BETAS)
    begin, end = share
    done = 0
    while done < steps:
        passed = (clock.passed - begin) / (end - begin)
        if passed >= 1:
            break
        left = 1 - max(done / steps, passed)
        optimizer.param_groups[0]["lr"] = rate * math.sin(math.pi / 2 * left)
        with torch.enable_grad():
            gradients = torch.autograd.grad(loss(done), tensors, allow_unused=True)
        for tensor, gradient in zip(tensors, gradients, strict=True):
            tensor.grad = gradient
        optimizer.step()
        done += 1
        after(done)
    for tensor in tensors:
        tensor.grad = None
    return done
