"""A discriminator that swings is noticed, one that learns or wins is not."""

from __future__ import annotations

import json

import pytest

from wspace.training.run.health import HealthMonitor
from wspace.training.run.swings import SwingWatch

BATCH = 32


def answers(watch: SwingWatch, rights: list[float], start: int = 0) -> list[int]:
    """At which images a swing was told."""
    told = []
    for k, right in enumerate(rights, start=1):
        seen = start + k * BATCH
        if watch.swings(seen, (right, 1.0)):
            told.append(seen)
    return told


def swinging(steps: int, period: int) -> list[float]:
    return [1.0 if (k // period) % 2 == 0 else 0.1 for k in range(steps)]


def test_a_swing_is_noticed_within_two_kimg() -> None:
    # as seen: 100 % right, then 19 %, back and forth every thousand images and faster
    told = answers(SwingWatch(), swinging(200, period=15))
    assert told
    assert told[0] <= 2000


@pytest.mark.parametrize("right", [0.1, 0.7, 1.0])
def test_steady_answers_are_no_swing(right: float) -> None:
    assert not answers(SwingWatch(), [right] * 1000)


def test_a_slow_drift_from_end_to_end_is_no_swing() -> None:
    assert not answers(SwingWatch(), swinging(4000, period=400))


def test_single_odd_steps_are_no_swing() -> None:
    assert not answers(SwingWatch(), [0.1 if k % 9 == 0 else 1.0 for k in range(1000)])


def test_a_restored_watch_says_what_the_undisturbed_one_says() -> None:
    rights = swinging(300, period=12)
    one, two = SwingWatch(), SwingWatch()
    answers(one, rights[:77])
    two.load_state_dict(json.loads(json.dumps(one.state_dict())))
    told = answers(one, rights[77:], 77 * BATCH)
    assert told
    assert answers(two, rights[77:], 77 * BATCH) == told


def test_the_monitor_says_what_is_done_about_it() -> None:
    monitor = HealthMonitor()
    events = [
        event
        for k, right in enumerate(swinging(120, period=15), start=1)
        if (event := monitor.observe_swings(k * BATCH, (right, 1.0)))
    ]
    assert events[0].kind == "calm"
    assert "its learning rate is halved" in events[0].message


def test_pictures_that_become_alike_take_the_run_back_once() -> None:
    monitor = HealthMonitor(grace_steps=0)
    assert monitor.observe_diversity(1, 0.9, 1.0) is None
    event = monitor.observe_diversity(2, 0.1, 1.0)
    assert event is not None
    assert event.kind == "rollback"
    assert "the generator collapses" in event.message
    monitor.observe_diversity(3, 0.9, 1.0)
    again = monitor.observe_diversity(4, 0.1, 1.0)
    assert again is not None
    assert again.kind == "warning"
