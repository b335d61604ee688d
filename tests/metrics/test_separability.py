"""Linear separability of constructed latents."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from wspace.metrics.features.generators import Drawing
from wspace.metrics.separability import (
    conditional_entropy,
    entropy,
    fit_linear,
    linear_decisions,
    most_confident,
    points_of,
)
from wspace.networks.generator import Generator


def test_entropies_by_hand() -> None:
    y = torch.tensor([0, 0, 1, 1])
    assert entropy(y) == 1
    assert entropy(torch.tensor([0, 1, 2, 3])) == 2
    assert conditional_entropy(y, y) == 0
    assert conditional_entropy(torch.zeros(4, dtype=torch.int64), y) == 1
    half = torch.tensor([0, 0, 0, 1])  # of three, two are 0: 3/4 h(1/3)
    expected = 0.75 * (-(2 / 3) * np.log2(2 / 3) - (1 / 3) * np.log2(1 / 3))
    assert conditional_entropy(half, y) == pytest.approx(expected)


def test_a_line_leaves_nothing_of_what_a_line_decides() -> None:
    x = torch.randn(2000, 6, generator=torch.Generator().manual_seed(0))
    normal = torch.tensor([1.0, -2, 0, 0.5, 0, 3])
    side = (x @ normal > 0).long()
    apart = (x @ normal).abs() > 0.3  # a margin
    left = conditional_entropy(linear_decisions(x[apart], side[apart]), side[apart])
    assert left < 0.01
    assert entropy(side[apart]) == pytest.approx(1, abs=0.01)


def test_a_line_leaves_all_of_what_lies_across() -> None:
    x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(1))
    quarters = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()  # no line helps: exclusive or
    assert conditional_entropy(linear_decisions(x, quarters), quarters) > 0.98


def test_a_known_part_of_wrong_labels_leaves_the_entropy_of_that_part() -> None:
    random = torch.Generator().manual_seed(2)
    x = torch.randn(20_000, 3, generator=random)
    flipped = torch.rand(20_000, generator=random) < 0.1
    y = (x[:, 0] > 0).long() ^ flipped.long()
    wrong = float(flipped.double().mean())  # about 0.1, which are 0.47 bits
    expected = -wrong * np.log2(wrong) - (1 - wrong) * np.log2(1 - wrong)
    assert conditional_entropy(linear_decisions(x, y), y) == pytest.approx(expected, abs=0.03)


def test_points_in_many_dimensions_that_mean_nothing_are_not_separated() -> None:
    x = torch.randn(120, 300, generator=torch.Generator().manual_seed(3))
    y = torch.arange(120) % 2  # fitted points would all be right
    assert conditional_entropy(linear_decisions(x, y), y) > 0.9


def test_of_several_values_the_nearest_corner_wins() -> None:
    corners = torch.tensor([[3.0, 0], [-3, 3], [-3, -3]])
    y = torch.arange(900) % 3
    x = corners[y] + 0.3 * torch.randn(900, 2, generator=torch.Generator().manual_seed(4))
    assert conditional_entropy(linear_decisions(x, y), y) < 0.02


def test_one_value_alone_needs_no_line() -> None:
    y = torch.full((10,), 3)
    assert linear_decisions(torch.randn(10, 2), y).tolist() == [3] * 10


@pytest.mark.parametrize("num_values", [2, 3])
def test_the_machine_is_that_of_scikit_learn(num_values: int) -> None:
    random = torch.Generator().manual_seed(5)
    x = torch.randn(300, 4, generator=random)
    scores = x @ torch.randn(4, num_values, generator=random)
    y = (scores + torch.randn(300, num_values, generator=random)).argmax(dim=1)
    published = LinearSVC(dual=False, tol=1e-10, max_iter=100_000).fit(x.numpy(), y.numpy())
    weights, bias = fit_linear(x, y, torch.arange(num_values))
    ours = weights.T.numpy()
    if num_values == 2:  # it keeps one machine for two values
        ours, bias = ours[1:], bias[1:]
    np.testing.assert_allclose(ours, published.coef_, atol=1e-4)
    np.testing.assert_allclose(bias.numpy(), published.intercept_, atol=1e-4)


def test_the_surest_half_is_kept() -> None:
    assert most_confident(torch.tensor([0.5, 0.9, 0.6, 0.8])).tolist() == [1, 3]


def test_points_are_those_of_the_pictures(tiny_generator: Generator) -> None:
    found = points_of(Drawing(generator=tiny_generator, num=3, first_seed=5))
    z = torch.from_numpy(np.random.RandomState(6).randn(8)).float()
    torch.testing.assert_close(found["z"][1], z)
    torch.testing.assert_close(found["w"][1], tiny_generator.mapping.w(z[None])[0])
