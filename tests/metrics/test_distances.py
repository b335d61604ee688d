import numpy as np
import pytest
import torch

from wspace.metrics import distances
from wspace.metrics.distances import distance_blocks, nearest


@pytest.mark.parametrize("block_bytes", [1, 5000, 2**28])
def test_blocks_cover_every_pair_once(monkeypatch: pytest.MonkeyPatch, block_bytes: int) -> None:
    monkeypatch.setattr(distances, "BLOCK_BYTES", block_bytes)
    draws = np.random.RandomState(0).randn(2, 37, 8) + 100
    rows, columns = torch.from_numpy(draws[0]), torch.from_numpy(draws[1, :23])
    blocks = list(distance_blocks(rows, columns))
    assert (len(blocks) > 1) == (block_bytes < 2**28)
    assert [index for part, _ in blocks for index in range(37)[part]] == list(range(37))
    expected = np.linalg.norm(draws[0][:, None] - draws[1, None, :23], axis=2)
    np.testing.assert_allclose(torch.cat([block for _, block in blocks]), expected, rtol=1e-10)


def test_copies_lie_exactly_on_each_other() -> None:
    features = torch.from_numpy(np.random.RandomState(1).rand(50, 100)).float() + 5
    ((_, found),) = distance_blocks(features, features.clone())
    assert torch.equal(found.diagonal(), torch.zeros(50, dtype=torch.float64))
    assert (found + torch.eye(50) > 0).all()


def test_nearest_are_sorted_and_point_to_their_references() -> None:
    references = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 3.0]])
    found, indices = nearest(torch.tensor([[0.0, 1.0], [9.0, 0.0]]), references, k=2)
    assert indices.tolist() == [[0, 2], [1, 0]]
    torch.testing.assert_close(found, torch.tensor([[1.0, 2.0], [1.0, 9.0]]).double())
