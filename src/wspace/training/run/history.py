"""What a run's log tells: numbers over thousands of images, measures, messages."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from wspace.figures.curves import Curve

__all__ = ["History", "RunChart", "read_history"]

# Titles, and what the log calls their curves: a chart each, where the log has any of them.
_LOSSES = (
    ("Generator against discriminator", "losses", ("generator", "discriminator", "r1", "r2")),
    ("Reconstruction", "losses", ("reconstruction", "perceptual", "mismatch")),
    ("Mapping", "losses", ("flow", "matching")),
    ("Path length", "losses", ("path_length",)),
)
_RIGHT = (("right_real", "on real pictures"), ("right_fake", "on generated ones"))
_AUGMENTED = (
    ("augment_strength", "strength"),
    ("augment_overfitting", "sign of the discriminator's answers on real pictures"),
)


@dataclass(frozen=True, kw_only=True)
class RunChart:
    """Curves of a run that belong together.

    Attributes:
        title: of the chart.
        about: what is shown, for those who cannot see it.
        curves: over kimg, at least one.
        high: the upper end of the y axis; None: what the values ask for.
    """

    title: str
    about: str
    curves: tuple[Curve, ...]
    high: float | None = None


@dataclass(frozen=True)
class History:
    """What log.jsonl says, with times that run on where the run was resumed.

    Attributes:
        records: with numbers, "hours" among them.
        measures: likewise, of FD (quick).
        messages: what the run said.
    """

    records: list[dict[str, Any]]
    measures: list[dict[str, Any]]
    messages: list[dict[str, Any]]

    @property
    def kimg(self) -> float:
        """Where the log ends."""
        return max((float(one["kimg"]) for one in self.records + self.measures), default=0.0)

    def hours_at(self, kimg: float) -> float:
        """How long the run had taken by then."""
        known = [(0.0, 0.0), *((one["kimg"], one["hours"]) for one in self.records)]
        for (before, then), (after, now) in pairwise(known):
            if kimg <= after and after > before:
                return float(then + (now - then) * (kimg - before) / (after - before))
        return float(known[-1][1])

    @property
    def charts(self) -> list[RunChart]:
        """The curves of losses and the like; those of which the log has nothing are left out."""
        drawn = [
            self._chart(
                title, f"{title}, {what}", [(f"loss_{n}", n.replace("_", " ")) for n in own]
            )
            for title, what, own in _LOSSES
        ]
        drawn += [
            self._chart(
                "Right answers of the discriminator", "shares of right answers", _RIGHT, high=1.0
            ),
            self._chart("Augmentation", "how often pictures are changed, and why", _AUGMENTED),
            self._chart("Speed", "Pictures a second", [("images_per_second", "pictures/s")]),
            self._chart(
                "Waiting for data",
                "share of the time that the run waits for pictures",
                [("waiting_for_data", "share of the time")],
                high=1.0,
            ),
        ]
        return [chart for chart in drawn if chart is not None]

    def _chart(
        self,
        title: str,
        about: str,
        keys: tuple[tuple[str, str], ...] | list[tuple[str, str]],
        high: float | None = None,
    ) -> RunChart | None:
        """``keys``: what the log calls the curves, and what people do."""
        curves = [Curve(name=name, points=self._points(key)) for key, name in keys]
        found = tuple(curve for curve in curves if curve.points)
        return RunChart(title=title, about=about, curves=found, high=high) if found else None

    def _points(self, key: str) -> list[tuple[float, float]]:
        points = [(one["kimg"], one[key]) for one in self.records if key in one]
        return [(x, float(y)) for x, y in points if y is not None and math.isfinite(y)]


def read_history(run: Path) -> History:
    """What a run folder's log says; nothing where there is none. Lines that are none are left out.

    Args:
        run: the run folder.
    """
    records: list[dict[str, Any]] = []
    measures: list[dict[str, Any]] = []
    messages: list[dict[str, Any]] = []
    before, last = 0.0, 0.0  # seconds of earlier processes; of this one so far
    try:
        lines = (run / "log.jsonl").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(record, dict):
            continue
        if "seconds" in record:
            if record["seconds"] < last:
                before += last
            last = record["seconds"]
            record["hours"] = (before + last) / 3600
            (measures if "fd_quick" in record else records).append(record)
        elif "message" in record:
            messages.append(record)
    return History(records, measures, messages)
