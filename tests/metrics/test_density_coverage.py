import numpy as np
import pytest
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.metrics import distances
from wspace.metrics.density_coverage import density_coverage


def points(values: list[float]) -> Tensor:
    return torch.tensor(values)[:, None]


def test_by_hand_on_a_line() -> None:
    real = points([0, 1, 2, 10])  # balls, k = 1: [-1, 1], [0, 2], [1, 3], [2, 18]
    fake = points([0.5, 2.5, 30])  # in 2 balls, in 2 balls, in none
    assert density_coverage(real, fake, k=1) == (4 / 3, 1.0)
    fake = points([-0.5, -0.6, 17])  # the first ball twice, the last one once
    assert density_coverage(real, fake, k=1) == (1.0, 0.5)
    assert density_coverage(real, points([100, 101]), k=1) == (0, 0)


def test_an_outlier_raises_density_by_no_more_than_its_own_ball() -> None:
    # The far real point's ball covers everything: precision counts it fully, density one k-th.
    real = points([0, 0.1, 0.2, 0.3, 0.4, 0.5, 100])
    fake = points([50, 51, 52])
    density, coverage = density_coverage(real, fake, k=5)
    assert density == pytest.approx(1 / 5)
    assert coverage == pytest.approx(1 / 7)


def test_a_collapsed_generator_covers_little() -> None:
    real = torch.from_numpy(np.random.RandomState(0).randn(200, 4))
    collapsed = real[:1] + 1e-3 * torch.from_numpy(np.random.RandomState(1).randn(50, 4))
    density, coverage = density_coverage(real, collapsed)
    assert density >= 0.2
    assert coverage < 0.1


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = torch.randn(2, 60, 3, generator=torch.Generator().manual_seed(0))
    whole = density_coverage(real, fake)
    monkeypatch.setattr(distances, "BLOCK_BYTES", 5000)
    assert density_coverage(real, fake) == whole


def test_too_few_real_points_are_an_error() -> None:
    with pytest.raises(WspaceError, match="5 real pictures have no 5-th"):
        density_coverage(torch.zeros(5, 2), torch.zeros(9, 2))
