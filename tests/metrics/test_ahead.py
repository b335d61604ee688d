import threading
from collections.abc import Iterator

import pytest

from wspace.metrics.ahead import ahead


def test_items_come_in_order_from_another_thread() -> None:
    makers = []

    def items() -> Iterator[int]:
        for k in range(20):
            makers.append(threading.current_thread())
            yield k

    assert list(ahead(items())) == list(range(20))
    assert threading.current_thread() not in makers


def test_the_next_item_is_made_while_the_last_is_worked_on() -> None:
    second_made = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        second_made.set()
        yield 1

    made = ahead(items())
    assert next(made) == 0
    assert second_made.wait(timeout=10)
    assert list(made) == [1]


def test_an_error_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 0
        raise KeyError("broken")

    made = ahead(items())
    assert next(made) == 0
    with pytest.raises(KeyError, match="broken"):
        next(made)


def test_a_caller_that_stops_stops_the_thread() -> None:
    before = threading.active_count()
    made = ahead(iter(range(10**9)))
    assert next(made) == 0
    made.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
