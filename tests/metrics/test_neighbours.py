import pytest
import torch

from wspace.errors import WspaceError
from wspace.metrics.neighbours import (
    Neighbours,
    find_neighbours,
    summary,
    telling_rows,
)


def with_distances(values: list[float]) -> Neighbours:
    distances = torch.tensor(values, dtype=torch.float64)[:, None]
    return Neighbours(distances=distances, indices=torch.zeros(len(values), 1, dtype=torch.int64))


def test_neighbours_come_nearest_first() -> None:
    train = torch.tensor([[0.0], [10.0], [13.0]])
    found = find_neighbours(torch.tensor([[9.0], [-1.0]]), train, k=2)
    assert found.indices.tolist() == [[1, 2], [0, 1]]
    expected = torch.tensor([[1.0, 4], [1, 11]]).to(found.distances)
    torch.testing.assert_close(found.distances, expected)
    with pytest.raises(WspaceError, match="3 training pictures have no 4 nearest"):
        find_neighbours(train, train, k=4)


def test_a_few_copies_show_in_the_first_percentile_and_not_in_the_median() -> None:
    honest = summary(with_distances([10.0] * 100 + [11.0] * 101))
    copies = summary(with_distances([0.0] * 5 + [10.0] * 95 + [11.0] * 101))
    assert honest.to_dict() == {"median": 11, "first_percentile": 10, "closest": 10}
    assert copies.to_dict() == {"median": 11, "first_percentile": 0, "closest": 0}


def test_rows_to_look_at_are_the_closest_and_then_the_first_others() -> None:
    neighbours = with_distances([5, 4, 1, 3, 2, 6])
    assert telling_rows(neighbours, num_closest=2, num_first=3) == [2, 4, 0, 1, 3]
    assert telling_rows(neighbours, num_closest=4, num_first=9) == [2, 4, 3, 1, 0, 5]
    assert telling_rows(neighbours, num_closest=9, num_first=9) == [2, 4, 3, 1, 0, 5]
