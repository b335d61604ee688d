"""Numbers with intervals, and what follows from them."""

from __future__ import annotations

import numpy as np
import pytest

from wspace.claims.claim import Claim, Interval, bootstrap, both, decide, mean_of, untold


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    values = np.random.RandomState(0).randn(400) * 3 + 7
    found = bootstrap(mean_of(values), 400, resamples=10_000)
    error = values.std() / 400**0.5
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_intervals_hold_what_they_promise() -> None:
    random = np.random.RandomState(1)
    hits = 0
    for seed in range(200):
        values = random.exponential(size=60)  # its mean is 1
        found = bootstrap(mean_of(values), 60, resamples=300, seed=seed)
        hits += found.low <= 1 <= found.high
    assert 0.88 <= hits / 200 <= 0.98


def test_what_resampling_alone_does_is_no_part_of_the_interval() -> None:
    # Distinct rows: a resample has about 63 % of them, whatever the rows are.
    found = bootstrap(lambda rows: float(len(set(rows.tolist()))), 100)
    assert found.value == 100
    assert found.low < 100 < found.high


def test_a_number_without_chance_has_no_width() -> None:
    found = bootstrap(mean_of([2.0, 2.0]), 2)
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))


@pytest.mark.parametrize(
    ("low", "high", "above", "expected"),
    [
        (0.1, 0.3, True, "holds"),
        (-0.3, -0.1, True, "does not hold"),
        (-0.1, 0.1, True, "cannot tell"),
        (-0.3, -0.1, False, "holds"),
        (0.1, 0.3, False, "does not hold"),
        (-0.1, 0.1, False, "cannot tell"),
    ],
)
def test_a_verdict_asks_the_whole_interval(
    low: float, high: float, above: bool, expected: str
) -> None:
    assert decide(Interval(value=0.0, low=low, high=high), 0.0, above=above) == expected


def test_a_claim_of_two_parts_needs_both() -> None:
    assert both("holds", "holds") == "holds"
    assert both("holds", "cannot tell") == "cannot tell"
    assert both("cannot tell", "does not hold") == "does not hold"


def test_what_a_model_cannot_answer_is_said() -> None:
    claim = Claim(name="n", title="t", article="a", measured="m", rule="r", verdict="holds")
    found = untold(claim, "no noise")
    assert (found.verdict, found.number, found.remarks) == ("cannot tell", None, ("no noise",))
    assert found.to_dict()["value"] is None
