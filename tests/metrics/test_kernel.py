"""The kernel distance: right on average, and equal to what its kernel says of known moments."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.metrics.kernel import kernel_distance, unbiased_mmd


def known(x: list[float], y: list[float]) -> float:
    """Of two uniform distributions over numbers: (ab + 1)^3 compares their first three moments."""
    moments = [sum(v**k for v in x) / len(x) - sum(v**k for v in y) / len(y) for k in (1, 2, 3)]
    return 3 * moments[0] ** 2 + 3 * moments[1] ** 2 + moments[2] ** 2


def column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values)[:, None]


def test_it_is_unbiased_over_all_samples_of_known_distributions() -> None:
    x, y = [0.0, 1.0, 3.0], [1.0, 2.0]
    for size in (2, 3):
        samples = itertools.product(
            itertools.product(x, repeat=size), itertools.product(y, repeat=2)
        )
        values = [unbiased_mmd(column(a), column(b)) for a, b in samples]
        assert sum(values) / len(values) == pytest.approx(known(x, y), rel=1e-12)


def test_of_one_distribution_it_is_zero_on_average_and_below_zero_at_times() -> None:
    x = [0.0, 1.0, 2.0]
    samples = itertools.product(itertools.product(x, repeat=2), itertools.product(x, repeat=2))
    values = [unbiased_mmd(column(a), column(b)) for a, b in samples]
    assert sum(values) / len(values) == pytest.approx(0, abs=1e-12)
    assert min(values) < 0 < max(values)


def test_subsets_of_shifted_gaussians_give_the_distance_of_their_moments() -> None:
    random = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(20_000, 1, generator=random, dtype=torch.float64) for _ in "ab")
    found = kernel_distance(real, fake + 1)
    assert found.mean == pytest.approx(22, abs=4 * found.error)  # 3 * 1² + 3 * 1² + 4²
    same = kernel_distance(real, fake)
    assert abs(same.mean) < 5 * same.error


def test_few_pictures_do_not_bias_it() -> None:
    random = torch.Generator().manual_seed(1)
    means = [
        kernel_distance(*torch.randn(2, 20, 50, generator=random, dtype=torch.float64)).mean
        for _ in range(200)
    ]
    assert abs(torch.tensor(means).mean()) < 4 * torch.tensor(means).std() / 200**0.5


def test_small_sets_are_taken_whole() -> None:
    a, b = torch.randn(2, 30, 4, generator=torch.Generator().manual_seed(2))
    assert kernel_distance(a, b).mean == pytest.approx(unbiased_mmd(a, b))
    assert kernel_distance(a, b, size=10, subsets=7) == kernel_distance(a, b, size=10, subsets=7)


def test_too_few_or_broken_features_are_an_error() -> None:
    with pytest.raises(WspaceError, match="1 real and 5 generated pictures have no kernel"):
        kernel_distance(torch.zeros(1, 3), torch.zeros(5, 3))
    with pytest.raises(WspaceError, match="finite"):
        kernel_distance(torch.zeros(4, 3), torch.full((5, 3), torch.nan))
