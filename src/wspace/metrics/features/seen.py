"""What an extractor saw in a set of pictures: features, or only the Gaussian fitted to them."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from wspace.group import ALONE, Group
from wspace.metrics.gaussian import RunningStatistics, Statistics, statistics

__all__ = ["Collector", "Seen"]

BLOCK = 1024  # pictures that statistics take in at once


class Seen:
    """Features of a set of pictures, or their statistics alone.

    Args:
        features: (N, D), float32; None where only statistics were asked for.
        known: the statistics, where they are known already.
    """

    def __init__(self, features: Tensor | None = None, known: Statistics | None = None) -> None:
        assert features is not None or known is not None
        self._features, self._known = features, known

    def __len__(self) -> int:
        if self._features is not None:
            return len(self._features)
        assert self._known is not None
        return self._known.count

    @property
    def features(self) -> Tensor:
        """(N, D), float32; only where they were kept."""
        assert self._features is not None
        return self._features

    @functools.cached_property
    def statistics(self) -> Statistics:
        """The Gaussian fitted to them; raises a WspaceError for fewer than two pictures."""
        return self._known or statistics(self.features)


class Collector:
    """Takes features in, batch by batch.

    Args:
        keep: whether features are kept; otherwise statistics stream, and memory stays bounded.
        group: of processes; each takes in every world_size-th batch, and in the end all have all.
    """

    def __init__(self, keep: bool, group: Group = ALONE) -> None:
        self._keep, self._group = keep, group
        self._waiting: list[Tensor] = []
        self._count = 0
        self._running = RunningStatistics()

    def add(self, features: Tensor) -> None:
        """Take in ``features`` (N, D)."""
        self._waiting.append(features)
        self._count += len(features)
        if not self._keep and self._count >= BLOCK:
            self._flush()

    def seen(self) -> Seen:
        """All so far."""
        if self._keep:
            batches = self._group.in_turn([one.cpu() for one in self._waiting], "features")
            return Seen(torch.cat(batches))
        self._flush()
        if self._group.alone:
            return Seen(known=self._running.result())
        whole = RunningStatistics()
        for running in self._group.gather(self._running, "statistics of features"):
            whole.merge(running)
        return Seen(known=whole.result())

    def _flush(self) -> None:
        if self._waiting:
            self._running.update(torch.cat(self._waiting))
        self._waiting, self._count = [], 0
