"""How long a run lasts: by images, or planned to fit a time."""

from __future__ import annotations

import pytest

from wspace.training.config import ONE_STAGE, TrainConfig
from wspace.training.plan import Plan
from wspace.training.schedule import Part, part_at


def timed(minutes: float = 1.0) -> Plan:
    """Of a run with one stage."""
    return Plan(TrainConfig(**ONE_STAGE, minutes=minutes))


def run_at(plan: Plan, rate: float, seen: int = 0, most: float = 200.0) -> tuple[float, int]:
    """Steps of a second each at so many images a second, to the end: seconds and images."""
    seconds = 0.0
    while not plan.over(seen) and seconds < most:
        seen += round(rate)
        seconds += 1
        plan.passed(1.0, seen)
    return seconds, seen


def test_a_number_of_images_needs_no_clock() -> None:
    plan = Plan(TrainConfig(**ONE_STAGE, total_kimg=2.0))
    assert not plan.passed(1000.0, 500)
    assert (plan.total_images, plan.left(500), plan.over(1999), plan.over(2000)) == (
        2000,
        0.75,
        False,
        True,
    )
    assert plan.state_dict() == {}


def test_the_length_of_a_time_is_unknown_until_the_speed_is() -> None:
    plan = timed()
    assert plan.total_images is None
    assert plan.left(10**6) == 1.0
    assert not plan.over(10**6)
    assert not any(plan.passed(1.0, 100 * k) for k in range(1, 8))  # 12 % of a minute are 7.2 s
    assert plan.passed(1.0, 800)
    assert plan.total_images == 800 + 100 * 52


def test_a_steady_run_ends_when_its_time_is_over() -> None:
    seconds, seen = run_at(timed(), 50)
    assert seconds == 60
    assert seen == 3000


def test_a_run_that_becomes_slower_still_ends_in_time() -> None:
    plan = timed()
    seen = 0
    for _ in range(10):
        seen += 100
        plan.passed(1.0, seen)
    assert plan.total_images == 6000
    seconds, _ = run_at(plan, 20, seen)
    assert 10 + seconds == pytest.approx(60, abs=4)


def test_a_restored_plan_goes_on_as_it_was() -> None:
    one = timed()
    for k in range(1, 20):
        one.passed(1.0, 70 * k)
    two = timed(minutes=9.0)
    two.load_state_dict(one.state_dict())
    for k in range(20, 60):
        assert one.passed(1.0, 30 * k) == two.passed(1.0, 30 * k)
        assert one.state_dict() == two.state_dict()


def test_a_run_that_goes_on_gets_a_time_of_its_own() -> None:
    plan = timed()
    _, seen = run_at(plan, 50)
    plan.extend(TrainConfig(**ONE_STAGE, minutes=2.0), seen)
    seconds, _ = run_at(plan, 50, seen)
    assert seconds == 120
    plan.extend(TrainConfig(**ONE_STAGE, total_kimg=1000.0), seen)
    assert plan.total_images == 1_000_000


STAGES = {"reconstruction.share": 0.25, "matching.share": 0.25, "reconstruction.weight": 1.0}


def test_stages_of_a_time_get_their_shares_whatever_their_speeds() -> None:
    plan = Plan(TrainConfig(minutes=1.0, **STAGES))
    rates = {"reconstruction": 100, "matching": 400, "adversarial": 30}
    seconds = dict.fromkeys(rates, 0)
    seen = 0
    while not plan.over(seen):
        stage = plan.stage(seen)
        seconds[stage] += 1
        seen += rates[stage]
        plan.passed(1.0, seen)
    assert seconds["reconstruction"] == pytest.approx(15, abs=1)
    assert seconds["matching"] == pytest.approx(15, abs=2)
    assert sum(seconds.values()) == pytest.approx(60, abs=2)


def test_stages_of_a_number_of_images_have_fixed_ends() -> None:
    plan = Plan(TrainConfig(total_kimg=4.0, **STAGES))
    assert plan.ends == {"reconstruction": 1000, "matching": 2000, "adversarial": 4000}
    assert [plan.stage(n) for n in (0, 999, 1000, 1999, 2000)] == [
        "reconstruction", "reconstruction", "matching", "matching", "adversarial",
    ]  # fmt: skip
    assert plan.left(3000) == 0.5


def test_a_part_knows_how_much_of_it_is_left() -> None:
    config = TrainConfig(total_kimg=6.0, **STAGES, **{"matching.flow_share": 1 / 3})
    plan = Plan(config)
    assert part_at(config, plan, 750, flow_has_learned=False) == Part("reconstruction", left=0.5)
    assert part_at(config, plan, 1500, flow_has_learned=False).stage == "flow"
    assert part_at(config, plan, 2500, flow_has_learned=True) == Part(
        "matching", left=pytest.approx(0.5)
    )
    assert part_at(config, plan, 2500, flow_has_learned=False).stage == "flow"
    assert part_at(config, plan, 4500, flow_has_learned=True) == Part("adversarial", left=0.5)


def test_how_much_of_a_run_is_over_is_told_by_its_images_or_its_time() -> None:
    plan = Plan(TrainConfig(**ONE_STAGE, total_kimg=2.0))
    assert [plan.share(seen) for seen in (0, 500, 2000, 3000)] == [0.0, 0.25, 1.0, 1.0]
    plan = timed(1.0)
    assert plan.share(10_000) == 0.0
    plan.passed(15.0, 100)
    assert plan.share(100) == 0.25


def test_a_slow_start_does_not_cut_a_stage_short() -> None:
    plan = Plan(TrainConfig(minutes=5.0, **STAGES))
    seconds = {"reconstruction": 0, "matching": 0, "adversarial": 0}
    seen = 0
    while not plan.over(seen):
        seconds[plan.stage(seen)] += 1
        # the first seconds of each stage see next to nothing, as while networks warm up
        seen += 2 if seconds[plan.stage(seen)] < 12 else 200
        plan.passed(1.0, seen)
    assert seconds["reconstruction"] == pytest.approx(75, abs=5)
    assert sum(seconds.values()) == pytest.approx(300, abs=6)
