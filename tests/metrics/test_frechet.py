import numpy as np
import pytest
import scipy.linalg
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.metrics.frechet import FewSamplesWarning, distance_of_few, frechet_distance
from wspace.metrics.gaussian import Statistics, statistics


def gaussian(mean: list[float], covariance: Tensor) -> Statistics:
    return Statistics(
        mean=torch.tensor(mean, dtype=torch.float64),
        covariance=covariance.to(torch.float64),
        count=1_000_000,
    )


def random_covariance(dim: int, seed: int, rank: int | None = None) -> Tensor:
    factor = torch.from_numpy(np.random.RandomState(seed).randn(dim, rank or dim))
    return factor @ factor.T


def test_equal_gaussians_have_distance_zero() -> None:
    covariance = random_covariance(40, seed=0)
    a = gaussian([0.5] * 40, covariance)
    assert abs(frechet_distance(a, a)) < 1e-10 * float(covariance.trace())


def test_a_shifted_mean_costs_its_squared_length() -> None:
    covariance = random_covariance(2, seed=1)
    distance = frechet_distance(gaussian([0, 0], covariance), gaussian([3, 4], covariance))
    assert distance == pytest.approx(25, abs=1e-9)  # 3² + 4²


def test_one_dimensional_gaussians_differ_by_their_deviations() -> None:
    a, b = gaussian([1], torch.tensor([[4.0]])), gaussian([3], torch.tensor([[25.0]]))
    assert frechet_distance(a, b) == pytest.approx(13)  # (1 - 3)² + (2 - 5)²


def test_commuting_covariances_differ_axis_by_axis() -> None:
    a = gaussian([0, 0, 0], torch.diag(torch.tensor([1.0, 4.0, 9.0])))
    b = gaussian([0, 0, 0], torch.diag(torch.tensor([16.0, 4.0, 1.0])))
    assert frechet_distance(a, b) == pytest.approx(13)  # (1 - 4)² + 0 + (3 - 1)²


def test_a_rotation_of_both_gaussians_changes_nothing() -> None:
    rotation = torch.linalg.qr(random_covariance(3, seed=2)).Q
    a, b = torch.diag(torch.tensor([1.0, 4, 9])), torch.diag(torch.tensor([16.0, 4, 1]))
    turned = [rotation @ one.double() @ rotation.T for one in (a, b)]
    zero = [0.0] * 3
    assert frechet_distance(gaussian(zero, turned[0]), gaussian(zero, turned[1])) == pytest.approx(
        frechet_distance(gaussian(zero, a), gaussian(zero, b))
    )


def test_the_general_case_agrees_with_a_matrix_square_root() -> None:
    a, b = random_covariance(30, seed=3), random_covariance(30, seed=4)
    root = scipy.linalg.sqrtm((a @ b).numpy())
    expected = 30 * 0.25 + np.trace(a.numpy() + b.numpy() - 2 * root.real)
    assert frechet_distance(gaussian([0] * 30, a), gaussian([0.5] * 30, b)) == pytest.approx(
        expected, rel=1e-9
    )


# Half a minute at the size of Inception's features: SciPy's eigenvalues take it.
@pytest.mark.parametrize("dim", [256, pytest.param(2048, marks=pytest.mark.slow)])
def test_it_agrees_with_the_direct_formula(dim: int) -> None:
    draws = np.random.RandomState(7)
    # As features are: correlated, of very different variances, and not centred.
    mixing = draws.randn(dim, dim) / dim**0.5 * np.geomspace(1e-3, 1, dim)
    count = dim + 952
    sides = [draws.randn(count, dim) @ mixing + 0.2, draws.randn(count, dim) @ mixing * 1.1]
    a, b = (statistics(torch.from_numpy(side)) for side in sides)
    cov_a, cov_b = (np.cov(side, rowvar=False) for side in sides)
    # The trace of a square root is the sum of the square roots of the eigenvalues.
    eigenvalues = scipy.linalg.eigvals(cov_a @ cov_b).real
    means = np.square(sides[0].mean(axis=0) - sides[1].mean(axis=0)).sum()
    traces = np.trace(cov_a) + np.trace(cov_b)
    expected = means + traces - 2 * np.sqrt(eigenvalues.clip(min=0)).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_singular_covariances_have_a_distance_and_it_is_symmetric() -> None:
    # On orthogonal subspaces nothing is shared: the distance is the sum of both traces.
    a = torch.diag(torch.tensor([2.0, 3.0, 0.0, 0.0]))
    b = torch.diag(torch.tensor([0.0, 0.0, 5.0, 7.0]))
    zero = [0.0] * 4
    assert frechet_distance(gaussian(zero, a), gaussian(zero, b)) == pytest.approx(17)
    low, high = random_covariance(20, seed=5, rank=3), random_covariance(20, seed=6)
    forth = frechet_distance(gaussian([0] * 20, low), gaussian([0] * 20, high))
    back = frechet_distance(gaussian([0] * 20, high), gaussian([0] * 20, low))
    assert forth == pytest.approx(back, rel=1e-9)


def test_estimated_distance_of_samples_approaches_that_of_their_gaussians() -> None:
    draws = np.random.RandomState(1).randn(2, 20_000, 3)
    a = statistics(torch.from_numpy(draws[0]))
    b = statistics(torch.from_numpy(draws[1] * 3 + 2))
    assert frechet_distance(a, b) == pytest.approx(24, rel=0.02)  # 3 * (2² + (3 - 1)²)


def test_a_rank_deficient_covariance_is_warned_of() -> None:
    few = statistics(torch.from_numpy(np.random.RandomState(0).randn(5, 5)))
    enough = statistics(torch.from_numpy(np.random.RandomState(0).randn(6, 5)))
    frechet_distance(enough, enough)
    with pytest.warns(FewSamplesWarning, match=r"^5 pictures are too few .* of 5 features"):
        frechet_distance(enough, few)


def test_what_has_no_distance_is_an_error() -> None:
    one = gaussian([0], torch.eye(1))
    with pytest.raises(WspaceError, match="1 and 2 dimensions"):
        frechet_distance(one, gaussian([0, 0], torch.eye(2)))
    with pytest.raises(WspaceError, match="not finite"):
        frechet_distance(one, gaussian([float("nan")], torch.eye(1)))


@pytest.mark.filterwarnings("ignore::wspace.metrics.frechet.FewSamplesWarning")
@pytest.mark.parametrize("count", [2, 10, 60])
def test_the_distance_of_few_is_the_distance(count: int) -> None:
    random = torch.Generator().manual_seed(0)
    few = torch.randn(count, 30, generator=random, dtype=torch.float64) * 2 + 0.5
    reference = statistics(torch.randn(100, 30, generator=random, dtype=torch.float64))
    expected = frechet_distance(statistics(few), reference)
    assert distance_of_few(few, reference) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("features", [torch.ones(1, 3), torch.full((4, 3), torch.nan)])
def test_too_few_features_and_bad_ones_have_no_distance(features: Tensor) -> None:
    reference = gaussian([0, 0, 0], torch.eye(3))
    with pytest.raises(WspaceError, match="have no distance"):
        distance_of_few(features, reference)
