"""Predictions, against values worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wspace.bench.scaling import (
    Card,
    Cluster,
    Link,
    messages_of,
    predict,
    reduce_seconds,
    ring_seconds,
)
from wspace.bench.scaling_here import Measured
from wspace.bench.step_costs import Cost, StepCosts
from wspace.group import BUCKET_BYTES

SLOW = Link(name="slow", bits=8e6, latency=0.5)  # a megabyte a second
FAST = Link(name="fast", bits=8e9, latency=0.0)
CARD = Card(
    name="card", flops=100.0, memory_bytes=50.0, number_bytes=2, achieved=0.5, call_seconds=1.0
)


def costs(batch: int) -> StepCosts:
    """100 operations and 25 bytes an image, 3 calls; 40 bytes to update."""
    phases = {
        "generator": Cost(flop=100.0 * batch, bytes=25.0 * batch, operators=3),
        "update": Cost(bytes=40.0, operators=0),
    }
    return StepCosts(
        batch=batch,
        generator=500_000,
        discriminator=250_000,
        phases=phases,
        intervals={"generator": 1, "update": 1},
        draws=10.0,
    )


def test_a_ring_passes_every_part_twice() -> None:
    # 4 workers: 6 turns, each a quarter of 4 MB and half a second
    assert ring_seconds(4e6, 4, SLOW) == pytest.approx(6 * (1.0 + 0.5))
    assert ring_seconds(4e6, 1, SLOW) == 0.0


def test_machines_reduce_within_and_then_between() -> None:
    cluster = Cluster(per_machine=4, within=FAST, between=SLOW)
    within = ring_seconds(4e6, 4, FAST)
    assert reduce_seconds([4e6], 4, cluster) == within
    assert reduce_seconds([4e6], 8, cluster) == within + ring_seconds(4e6, 2, SLOW)
    assert reduce_seconds([4e6, 4e6], 8, cluster) == 2 * reduce_seconds([4e6], 8, cluster)


def test_what_takes_time_at_both_ends_comes_on_top_of_the_link() -> None:
    assert SLOW.beside(8e6).bits == pytest.approx(4e6)
    assert SLOW.beside(8e6).latency == SLOW.latency


def test_a_card_takes_its_time_for_arithmetic_and_memory_or_for_calls() -> None:
    # 4 images: 400 / 100 and (100 / 2 + 40) / 50, of which a half is reached
    assert CARD.seconds(costs(4)) == pytest.approx((4.0 + 1.8) / 0.5)
    assert CARD.seconds(replace(costs(4), phases={"update": Cost(operators=100)})) == 100.0


def test_a_prediction_is_a_share_of_the_work_and_the_reduction() -> None:
    cluster = Cluster(per_machine=1, within=FAST, between=SLOW)
    made = predict(costs, lambda c: float(c.batch), cluster, workers=2, batch=8)
    # 2 MB and 1 MB, of two workers: half of each twice; and for each of those and of 7 notes two
    # turns of half a second
    assert made.reduce_seconds == pytest.approx(2.0 + 1.0 + 9.0, rel=1e-3)
    whole = 4 + made.reduce_seconds
    assert made.seconds == pytest.approx(whole)
    assert made.efficiency == pytest.approx(8 / 2 / whole)
    assert made.busy_share == pytest.approx(4 / whole)
    assert made.network_share == pytest.approx(made.reduce_seconds / whole)
    assert made.pictures_per_second == pytest.approx(8 / whole)


def test_gradients_travel_in_the_pieces_that_the_group_makes() -> None:
    large = replace(costs(4), discriminator=BUCKET_BYTES // 4 * 3, generator=BUCKET_BYTES // 4)
    sent = [size for size in messages_of(large) if size > 64]
    assert sent == [BUCKET_BYTES] * 4


def test_each_worker_draws_the_chance_of_all_images() -> None:
    share = costs(4).among(16)
    assert share.step.bytes == costs(4).step.bytes + 12 * 10.0
    measured = Measured(fixed_seconds=1.0, picture_seconds=0.5, draw_seconds=0.01)
    assert measured.seconds(share) == pytest.approx(1.0 + 2.0 + 1.2)
    # random numbers have four bytes whatever the precision
    more = CARD.parts(share)["memory"] - CARD.parts(costs(4))["memory"]
    assert more == pytest.approx(120 / 50 / 0.5)


def test_a_measured_step_is_the_line_through_two() -> None:
    measured = Measured.between((4, 1.0), (16, 2.2))
    assert measured.picture_seconds == pytest.approx(0.1)
    assert measured.fixed_seconds == pytest.approx(0.6)
    assert measured.seconds(costs(8)) == pytest.approx(1.4)
    # a step of four that was disturbed, and one that was quicker than any image can be
    assert Measured.between((4, 3.0), (16, 2.0)) == Measured(fixed_seconds=2.0, picture_seconds=0.0)
    assert Measured.between((4, 0.1), (16, 2.0)).fixed_seconds == pytest.approx(0.0)
