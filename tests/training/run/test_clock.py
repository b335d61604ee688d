"""The clock of a run: what share of its time it waits for pictures."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from wspace.training.config import TrainConfig
from wspace.training.run.clock import Clock


def test_the_share_of_waiting_is_that_of_the_last_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    now, waited = 100.0, 5.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    clock = Clock(TrainConfig(data="x"))
    clock.watch(lambda: waited)
    plan = SimpleNamespace(
        share=lambda seen: 0.0, passed=lambda *_: None, total_images=None, budget_seconds=None
    )
    clock.start(cast(Any, plan), 0)
    state = cast(Any, SimpleNamespace(seen_images=0, plan=plan, step=1))
    result = cast(Any, SimpleNamespace(right=None, augmented=None, losses={}))
    for _ in range(200):  # of every second a quarter
        now, waited, state.seen_images = now + 1, waited + 0.25, state.seen_images + 8
        progress = clock.progress(state, result)
    assert progress.waiting == pytest.approx(0.25)
    assert clock.record(state, result)["waiting_for_data"] == 0.25
    for _ in range(200):
        now, state.seen_images = now + 1, state.seen_images + 8
        progress = clock.progress(state, result)
    assert progress.waiting < 0.001
