"""The same feature arrays, measured by published implementations."""

from __future__ import annotations

import warnings

import pytest
import torch
from prdc import compute_prdc
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from wspace.metrics.density_coverage import density_coverage
from wspace.metrics.frechet import frechet_distance
from wspace.metrics.gaussian import statistics
from wspace.metrics.kernel import kernel_distance
from wspace.metrics.precision_recall import precision_recall


class AsTheyAre(nn.Module):
    """Takes features for pictures."""

    num_features = 24

    def forward(self, features: Tensor) -> Tensor:
        return features


@pytest.fixture(scope="module")
def arrays() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    mixing = torch.randn(24, 24, generator=random) / 5
    real = torch.randn(700, 24, generator=random) @ mixing
    return real, torch.randn(700, 24, generator=random) @ mixing * 1.15 + 0.1


def test_the_frechet_distance_is_that_of_torchmetrics(arrays: tuple[Tensor, Tensor]) -> None:
    real, fake = arrays
    published = FrechetInceptionDistance(feature=AsTheyAre())
    published.set_dtype(torch.float64)
    published.update(real.double(), real=True)
    published.update(fake.double(), real=False)
    found = frechet_distance(statistics(real), statistics(fake))
    assert found == pytest.approx(float(published.compute()), rel=1e-6)


def test_the_kernel_distance_is_that_of_torchmetrics(arrays: tuple[Tensor, Tensor]) -> None:
    real, fake = arrays
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it keeps all features
        published = KernelInceptionDistance(feature=AsTheyAre(), subsets=1, subset_size=700)
    published.update(real.double(), real=True)
    published.update(fake.double(), real=False)
    mean, _ = published.compute()
    assert kernel_distance(real, fake).mean == pytest.approx(float(mean), rel=1e-6)


@pytest.mark.parametrize("k", [3, 5])
def test_all_four_of_precision_recall_density_coverage_are_those_of_prdc(
    arrays: tuple[Tensor, Tensor], k: int, capsys: pytest.CaptureFixture[str]
) -> None:
    real, fake = arrays
    published = compute_prdc(real.double().numpy(), fake.double().numpy(), nearest_k=k)
    capsys.readouterr()  # it prints
    found = precision_recall(real, fake, k)._asdict() | density_coverage(real, fake, k)._asdict()
    assert found == pytest.approx({name: float(value) for name, value in published.items()})
    assert 0.1 < found["recall"] < 1
