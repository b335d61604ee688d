"""Lines for people who wait."""

from __future__ import annotations

import time

import pytest

from wspace.data.patience import PROGRESS_SECONDS, now_and_then


def test_a_line_comes_after_a_while_then_now_and_then_and_none_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    said: list[str] = []
    show = now_and_then(said.append, lambda done, total: f"{done} of {total}")
    first, between = PROGRESS_SECONDS
    show(1, 9)
    clock[0] += first
    show(2, 9)
    show(3, 9)
    clock[0] += between - 1
    show(4, 9)
    clock[0] += 1
    show(5, 9)
    clock[0] += between
    show(9, 9)
    assert said == ["2 of 9", "5 of 9"]
