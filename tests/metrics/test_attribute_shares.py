from __future__ import annotations

import numpy as np
import pytest
import torch
from thumbnails import Thumbnails

from wspace.metrics.attributes import (
    chance_variation,
    judge_distance,
    measure,
    shares,
    total_variation,
)
from wspace.metrics.comparison import Comparison
from wspace.metrics.features.seen import Seen
from wspace.metrics.judge import Classifier, Judge, Judged, Judging


def test_total_variation_is_the_share_that_would_have_to_move() -> None:
    a, b = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.5, 0.25])
    assert total_variation(a, b) == 0.25
    assert total_variation(torch.tensor([1.0, 0]), torch.tensor([0, 1.0])) == 1


def test_shares_count_values_that_never_occur() -> None:
    assert shares(torch.tensor([0, 2, 2, 2]), 4).tolist() == [0.25, 0, 0.75, 0]


def test_what_chance_does_is_what_samples_of_one_distribution_show() -> None:
    expected = np.array([0.5, 0.3, 0.15, 0.05])
    random = np.random.RandomState(0)
    a = random.multinomial(400, expected, size=2000) / 400
    b = random.multinomial(900, expected, size=2000) / 900
    found = np.abs(a - b).sum(axis=1).mean() / 2
    assert chance_variation(torch.from_numpy(expected), 400, 900) == pytest.approx(found, rel=0.03)


def test_distances_of_judges_are_of_one_scale() -> None:
    real = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
    shifted = real + 1
    assert judge_distance(real, shifted) == pytest.approx(100, rel=0.05)  # 8 * 1² in 100 / 8
    assert judge_distance(7 * real, 7 * shifted) == pytest.approx(judge_distance(real, shifted))


def judged(decisions: list[int], sure: float) -> Judged:
    count = len(decisions)
    features = torch.randn(count, 128, generator=torch.Generator().manual_seed(count))
    return Judged(
        features=features,
        decisions=torch.tensor([[d, 0] for d in decisions]),
        sureness=torch.full((count, 2), sure),
    )


def test_what_is_reported_of_decisions() -> None:
    values = {"hat": ("none", "tall"), "luck": ("0", "1")}
    judging = Judging(
        judge=Judge(id="j", network=Classifier(8, 8, 3, (2, 2)), values=values),
        real=judged([0, 0, 0, 1], sure=0.75),
        indices=np.arange(4),
        accuracy={"hat": 1.0, "luck": 0.5},
        commonest={"hat": 0.75, "luck": 0.5},
        clear=("hat",),
    )
    seen = Seen(torch.zeros(4, 3))
    comparison = Comparison(
        real=seen,
        fake=seen,
        extractor=Thumbnails(),
        drawing=None,
        judging=judging,
        judged=judged([0, 1, 1, 1], sure=0.5),
    )
    found = measure(comparison)
    hat = found["attributes"]["hat"]
    assert hat["real"] == {"none": 0.75, "tall": 0.25}
    assert hat["generated"] == {"none": 0.25, "tall": 0.75}
    assert (hat["off"], hat["sure_real"], hat["sure_generated"]) == (0.5, 0.75, 0.5)
    assert found["attributes_off"] == 0.5
    assert list(found["attributes"]) == ["hat"]
    assert found["judge"]["unclear"] == ["luck"]
