import numpy as np
import pytest
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.metrics import distances
from wspace.metrics.precision_recall import precision_recall


def points(values: list[float]) -> Tensor:
    return torch.tensor(values)[:, None]


def reference(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float]:
    """The paper's definition, point by point."""

    def covered(manifold: np.ndarray, queries: np.ndarray) -> float:
        hits = 0
        for query in queries:
            for i, centre in enumerate(manifold):
                others = np.delete(manifold, i, axis=0)
                radius = np.sort(np.linalg.norm(others - centre, axis=1))[k - 1]
                if np.linalg.norm(query - centre) <= radius:
                    hits += 1
                    break
        return hits / len(queries)

    return covered(real, fake), covered(fake, real)


def test_by_hand_on_a_line() -> None:
    real = points([0, 1, 2, 10])  # balls, k = 1: [-1, 1], [0, 2], [1, 3], [2, 18]
    fake = points([2.5, 3, -5, 30])  # balls, k = 1: [2, 3], [2.5, 3.5], [-12.5, 2.5], [3, 57]
    assert precision_recall(real, fake, k=1) == (0.5, 1.0)  # -5 and 30 lie outside
    far = points([100, 101, 102, 103])
    assert precision_recall(real, far, k=1) == (0.0, 0.0)


def test_a_collapsed_generator_is_precise_and_recalls_little() -> None:
    real = torch.from_numpy(np.random.RandomState(0).randn(200, 4))
    collapsed = real[:1] + 1e-3 * torch.from_numpy(np.random.RandomState(1).randn(50, 4))
    precision, recall = precision_recall(real, collapsed)
    assert precision == 1
    assert recall <= 1 / 200


def test_a_copy_has_both_at_one() -> None:
    real = torch.from_numpy(np.random.RandomState(0).randn(60, 16)).float()
    assert precision_recall(real, real.clone()) == (1, 1)


@pytest.mark.parametrize("block_bytes", [3000, 2**28])
@pytest.mark.parametrize("k", [1, 3])
def test_agrees_with_the_definition(
    monkeypatch: pytest.MonkeyPatch, k: int, block_bytes: int
) -> None:
    monkeypatch.setattr(distances, "BLOCK_BYTES", block_bytes)
    draws = np.random.RandomState(2)
    real, fake = draws.randn(40, 3), draws.randn(55, 3) * 1.2 + 1.2
    found = precision_recall(torch.from_numpy(real), torch.from_numpy(fake), k=k)
    assert found == pytest.approx(reference(real, fake, k))
    assert 0.1 < min(found) < max(found) < 1


def test_too_few_points_are_an_error() -> None:
    with pytest.raises(WspaceError, match="3 generated pictures have no 3-th"):
        precision_recall(torch.zeros(4, 2), torch.zeros(3, 2))
    with pytest.raises(WspaceError, match="no 0-th"):
        precision_recall(torch.zeros(4, 2), torch.zeros(4, 2), k=0)
