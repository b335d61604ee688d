import pytest
import torch

from wspace.metrics.features import seen
from wspace.metrics.features.seen import Collector
from wspace.metrics.gaussian import statistics


@pytest.mark.parametrize("keep", [True, False])
def test_statistics_are_the_same_whether_features_are_kept_or_stream(
    keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen, "BLOCK", 16)
    features = torch.randn(101, 5, generator=torch.Generator().manual_seed(0)) + 100
    collector = Collector(keep)
    for batch in features.split(7):
        collector.add(batch)
    found, expected = collector.seen(), statistics(features)
    assert len(found) == 101
    torch.testing.assert_close(found.statistics.mean, expected.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.statistics.covariance, expected.covariance)
    if keep:
        assert torch.equal(found.features, features)
