import numpy as np
import pytest
import torch

from wspace.errors import WspaceError
from wspace.metrics.gaussian import RunningStatistics, statistics


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_statistics_do_not_depend_on_how_features_are_cut(block: int) -> None:
    # A mean far from zero would ruin sums of squares in float32.
    features = torch.from_numpy(np.random.RandomState(0).randn(100, 5) + 1000).float()
    found = statistics(features, block=block)
    reference = features.double().numpy()
    assert found.count == 100
    np.testing.assert_allclose(found.mean, reference.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(reference, rowvar=False), atol=1e-10)


def test_one_sample_has_no_covariance() -> None:
    with pytest.raises(WspaceError, match="at least 2 samples, got 1"):
        statistics(torch.zeros(1, 4))
    with pytest.raises(WspaceError, match="at least 2 samples, got 0"):
        RunningStatistics().result()
