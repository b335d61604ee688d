import json
import math

import pytest
import torch

from wspace.training.run.health import HealthEvent, HealthMonitor, picture_diversity

FINE = {"d_loss": 0.5, "g_loss": 1.0}


def good_step(monitor: HealthMonitor, step: int = 1, right: float = 0.7) -> HealthEvent | None:
    return monitor.observe(step, FINE, True, (right, right))


def bad_step(monitor: HealthMonitor, step: int = 1) -> HealthEvent:
    event = monitor.observe(step, FINE | {"g_loss": math.nan}, True, (0.7, 0.7))
    assert event is not None
    return event


def test_nothing_is_said_of_good_steps() -> None:
    monitor = HealthMonitor(window_steps=3)
    assert [good_step(monitor, i) for i in range(10)] == [None] * 10


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_step_that_is_not_finite_is_skipped_and_counted(value: float) -> None:
    monitor = HealthMonitor()
    event = monitor.observe(7, {"d_loss": 1.0, "g_loss": value}, True, (0.5, 0.5))
    assert event == HealthEvent("skip", f"step 7: g_loss={value} not finite: the step is skipped.")
    gradient = monitor.observe(8, FINE, False, (0.5, 0.5))
    assert gradient is not None
    assert gradient.kind == "skip"
    assert "gradients" in gradient.message
    assert monitor.skipped == 2


def test_many_in_a_row_go_back_once_and_then_stop() -> None:
    monitor = HealthMonitor(patience_steps=3)
    assert [bad_step(monitor).kind for _ in range(3)] == ["skip", "skip", "rollback"]
    assert [bad_step(monitor).kind for _ in range(3)] == ["skip", "skip", "stop"]
    assert monitor.skipped == 6


def test_a_good_step_between_starts_the_count_anew() -> None:
    monitor = HealthMonitor(patience_steps=3)
    kinds = []
    for _ in range(5):
        kinds += [bad_step(monitor).kind, bad_step(monitor).kind]
        good_step(monitor)
    assert set(kinds) == {"skip"}


def test_the_return_itself_is_not_forgotten_with_the_state_that_is_returned_to() -> None:
    monitor = HealthMonitor(patience_steps=2)
    checkpoint = monitor.state_dict()
    assert [bad_step(monitor).kind for _ in range(2)] == ["skip", "rollback"]
    monitor.load_state_dict(checkpoint)
    assert monitor.skipped == 2
    assert [bad_step(monitor).kind for _ in range(2)] == ["skip", "stop"]


def test_a_discriminator_that_is_always_right_is_told_once_until_it_is_over() -> None:
    monitor = HealthMonitor(window_steps=4)
    told = [good_step(monitor, i, right=1.0) for i in range(1, 20)]
    assert [i for i, event in enumerate(told, start=1) if event] == [4]
    event = told[3]
    assert event is not None
    assert event.kind == "warning"
    assert "--set r1_gamma=" in event.message
    assert "--set augment=ada" in event.message
    assert [good_step(monitor, right=0.5) for _ in range(4)] == [None] * 4
    assert [good_step(monitor, right=1.0) is not None for _ in range(5)] == [0, 0, 0, 1, 0]


def test_a_discriminator_right_on_one_side_alone_is_no_reason_to_warn() -> None:
    monitor = HealthMonitor(window_steps=2)
    assert not any(monitor.observe(i, FINE, True, (1.0, 0.5)) for i in range(9))
    assert not any(monitor.observe(i, FINE, True, (0.5, 1.0)) for i in range(9))


def test_steps_without_the_discriminator_say_nothing_of_it() -> None:
    monitor = HealthMonitor(window_steps=5)
    assert not any(good_step(monitor, right=1.0) for _ in range(4))
    assert not any(monitor.observe(i, FINE, True, None) for i in range(9))
    assert good_step(monitor, right=1.0) is not None  # the fifth one that it was asked in


def test_collapse_is_told_once_until_it_is_over() -> None:
    monitor = HealthMonitor(grace_steps=10)
    assert monitor.observe_diversity(9, 0.0, 1.0) is None  # every run starts so
    event = monitor.observe_diversity(10, 0.1, 1.0)
    assert event is not None
    assert event.kind == "warning"
    assert "10%" in event.message
    assert monitor.observe_diversity(11, 0.1, 1.0) is None
    assert monitor.observe_diversity(12, 0.4, 1.0) is None  # better, not over
    assert monitor.observe_diversity(13, 0.1, 1.0) is None
    assert monitor.observe_diversity(14, 0.9, 1.0) is None
    assert monitor.observe_diversity(15, 0.1, 1.0) is not None


def test_real_pictures_that_are_all_alike_say_nothing_of_the_generator() -> None:
    assert HealthMonitor(grace_steps=0).observe_diversity(1, 0.0, 0.0) is None


def test_a_resumed_monitor_says_what_the_uninterrupted_one_says() -> None:
    straight, resumed = HealthMonitor(patience_steps=3, window_steps=5), None
    for step in range(1, 60):
        if step % 7 == 0:
            resumed = HealthMonitor(patience_steps=3, window_steps=5)
            resumed.load_state_dict(json.loads(json.dumps(straight.state_dict())))
        value = math.nan if step % 11 in (3, 4) else 1.0
        right = 1.0 if 20 < step < 40 else 0.6
        events = [
            monitor.observe(step, {"loss": value}, True, (right, right))
            or monitor.observe_diversity(1000 + step, float(step % 13 > 5), 1.0)
            for monitor in (straight, resumed)
            if monitor
        ]
        assert events[0] == events[-1]
    assert resumed is not None
    assert resumed.state_dict() == straight.state_dict()


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    pictures = torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4), torch.full((3, 4, 4), 3.0)])
    assert picture_diversity(pictures) == pytest.approx((1 + 3 + 2) / 3)
    assert picture_diversity(torch.ones(4, 3, 8, 8)) == 0.0
