"""The order of training: every picture once an epoch, the same for a seed, resumable."""

from __future__ import annotations

import json

import numpy as np
import pytest

from wspace.data.order import ShuffledOrder
from wspace.errors import WspaceError


def test_the_order_shows_every_picture_once_an_epoch() -> None:
    order = ShuffledOrder(10, seed=3)
    shown = np.concatenate([order.next(4) for _ in range(10)])  # four epochs
    epochs = shown.reshape(4, 10)
    assert (np.sort(epochs, axis=1) == np.arange(10)).all()
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert (ShuffledOrder(10, seed=3).next(40) == shown).all()
    assert (ShuffledOrder(10, seed=4).next(40) != shown).any()
    assert ShuffledOrder(1, seed=0).next(3).tolist() == [0, 0, 0]


def test_the_order_of_a_seed_never_changes() -> None:
    """Stored from the first version: a checkpoint of then must go on the same way now."""
    assert ShuffledOrder(8, seed=1).next(16).tolist() == STORED_ORDER


STORED_ORDER = [1, 6, 0, 3, 7, 4, 2, 5, 3, 2, 4, 0, 7, 1, 5, 6]


def test_peeking_changes_nothing_even_across_epochs() -> None:
    order, other = ShuffledOrder(10, seed=3), ShuffledOrder(10, seed=3)
    for _ in range(8):
        ahead, state = order.peek(4), order.state()
        assert state == other.state()
        np.testing.assert_array_equal(order.next(4), ahead)
        np.testing.assert_array_equal(other.next(4), ahead)


@pytest.mark.parametrize("before", [0, 1, 9, 10, 11, 57])
def test_a_restored_order_goes_on_exactly(before: int) -> None:
    order = ShuffledOrder(10, seed=3)
    order.next(before)
    state = json.loads(json.dumps(order.state()))
    rest = order.next(33)
    restored = ShuffledOrder(10, seed=3)
    restored.next(5)
    restored.restore(state)
    assert (restored.next(33) == rest).all()


def test_a_state_of_another_order_is_refused() -> None:
    state = ShuffledOrder(10, seed=3).state()
    for order in (ShuffledOrder(9, seed=3), ShuffledOrder(10, seed=4)):
        with pytest.raises(WspaceError, match="belongs to another order"):
            order.restore(state)
    for broken in ({"position": 11}, {"position": -1}, {"epoch": -1}, {"epoch": None}):
        with pytest.raises(WspaceError, match="malformed"):
            ShuffledOrder(10, seed=3).restore({**state, **broken})  # type: ignore[dict-item]
    with pytest.raises(WspaceError, match="does not exist"):
        ShuffledOrder(0, seed=0)
