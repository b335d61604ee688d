"""Who is served next."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from wspace.studio.turns import (
    LAG_BYTES,
    MOST_LONG,
    MOST_WAITING,
    Client,
    StoppedError,
    Turns,
    Work,
)


class Order:
    """Work that says when it is done, and sees to it that it is alone."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.alone = threading.Lock()
        self.changed = threading.Condition()

    def work(self, name: str, seconds: float = 0.0, **options: object) -> Work:
        """Work that takes a while."""

        def do(_: Work) -> None:
            self.say(name, seconds)

        drop = functools.partial(self.note, f"{name} dropped")
        return Work(0, do, drop=drop, **options)  # type: ignore[arg-type]

    def block(self, client: Client, **options: object) -> threading.Event:
        """Keep a client's turn until the event is set."""
        begun, ends = threading.Event(), threading.Event()

        def do(_: Work) -> None:
            begun.set()
            assert ends.wait(20)
            self.note("first")

        client.add(Work(0, do, **options))  # type: ignore[arg-type]
        assert begun.wait(20)
        return ends

    def steps(self, name: str, count: int, seconds: float = 0.0, number: int = 0) -> Work:
        """Long work of several steps."""

        def do(work: Work) -> None:
            try:
                for step in range(count):
                    self.say(f"{name} {step}", seconds)
                    work.pause()
            except StoppedError:
                self.say(f"{name} stopped")
            else:
                self.say(f"{name} ended")

        return Work(number, do, long=True)

    def say(self, name: str, seconds: float = 0.0) -> None:
        assert self.alone.acquire(blocking=False), "two at once"
        time.sleep(seconds)
        self.alone.release()
        self.note(name)

    def note(self, name: str) -> None:
        with self.changed:
            self.done.append(name)
            self.changed.notify_all()

    def wait(self, ready: Callable[[list[str]], bool]) -> list[str]:
        """Wait until what is done is as it should be."""
        with self.changed:
            assert self.changed.wait_for(lambda: ready(self.done), 20), self.done
            return list(self.done)


@pytest.fixture
def turns() -> Iterator[Turns]:
    made = Turns()
    yield made
    made.end()


@pytest.fixture
def order() -> Order:
    return Order()


def test_work_of_a_client_is_done_in_its_order(turns: Turns, order: Order) -> None:
    client = turns.new_client()
    for number in range(10):
        assert client.add(order.work(str(number)))
    assert order.wait(lambda done: len(done) == 10) == [str(number) for number in range(10)]


def test_one_that_asks_for_much_has_others_wait_for_one_piece_at_most(
    turns: Turns, order: Order
) -> None:
    much, little = turns.new_client(), turns.new_client()
    for number in range(20):
        much.add(order.work(f"much {number}", 0.02))
    order.wait(lambda done: len(done) >= 3)
    little.add(order.work("little"))
    done = order.wait(lambda done: "little" in done)
    assert done.index("little") <= 6


def test_time_counts_and_not_how_often(turns: Turns, order: Order) -> None:
    slow, quick = turns.new_client(), turns.new_client()
    for number in range(4):
        slow.add(order.work(f"slow {number}", 0.1))
    for number in range(40):
        quick.add(order.work(f"quick {number}", 0.01))
    done = order.wait(lambda done: len(done) == 44)
    between = done[done.index("slow 1") : done.index("slow 2")]
    assert len(between) >= 4  # several quick ones for each slow one


def test_after_a_very_long_turn_nobody_waits_as_long(turns: Turns, order: Order) -> None:
    first, second = turns.new_client(), turns.new_client()
    first.add(order.work("opens a model", 1.0))
    for number in range(60):
        second.add(order.work(f"second {number}", 0.01))
    first.add(order.work("first"))
    done = order.wait(lambda done: "first" in done)
    assert done.index("first") < 40


def test_long_work_lets_others_in_between_its_steps_and_nothing_runs_twice_at_once(
    turns: Turns, order: Order
) -> None:
    first, second = turns.new_client(), turns.new_client()
    first.add(order.steps("one", 30, 0.005))
    second.add(order.steps("two", 30, 0.005))
    order.wait(lambda done: len(done) > 4)
    second.add(order.work("short"))
    done = order.wait(lambda done: {"one ended", "two ended"} <= set(done))
    assert done.index("short") < 30
    ones = [index for index, name in enumerate(done) if name.startswith("one")]
    assert max(after - before for before, after in pairwise(ones)) < 8


def test_short_work_of_the_same_client_is_done_between_the_steps_of_its_long_work(
    turns: Turns, order: Order
) -> None:
    client = turns.new_client()
    client.add(order.steps("long", 50, 0.005))
    order.wait(lambda done: len(done) > 2)
    for number in range(5):
        client.add(order.work(f"short {number}"))
    done = order.wait(lambda done: "long ended" in done)
    assert done.index("short 4") < 30


def test_newer_work_of_a_slot_takes_the_place_of_what_waits_not_of_what_has_begun(
    turns: Turns, order: Order
) -> None:
    client, other = turns.new_client(), turns.new_client()
    first = order.block(client, slot="main")
    for name in ("second", "third", "fourth"):
        client.add(order.work(name, slot="main"))
    client.add(order.work("of another slot", slot="other"))
    client.add(order.work("of none"))
    other.add(order.work("of another client", slot="main"))
    first.set()
    done = order.wait(lambda done: len(done) == 7)
    assert {"second dropped", "third dropped"} < set(done)
    assert {"first", "fourth", "of another slot", "of none", "of another client"} < set(done)


def test_what_waits_is_bounded(turns: Turns, order: Order) -> None:
    client = turns.new_client()
    first = order.block(client)
    taken = [client.add(order.work("more", size=10)) for _ in range(MOST_WAITING + 5)]
    assert taken == [True] * MOST_WAITING + [False] * 5
    assert client.waiting_bytes == 10 * MOST_WAITING
    first.set()


def test_few_long_pieces_of_a_client_go_on_at_once(turns: Turns, order: Order) -> None:
    client = turns.new_client()
    for number in range(MOST_LONG + 2):
        client.add(order.steps(str(number), 10, 0.002))
    done = order.wait(lambda done: sum(name.endswith("ended") for name in done) == MOST_LONG + 2)
    first_end = next(index for index, name in enumerate(done) if name.endswith("ended"))
    begun = {name for name in done[:first_end] if name.endswith(" 0")}
    assert len(begun) == MOST_LONG


def test_few_long_pieces_of_all_clients_go_on_at_once(
    turns: Turns, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.studio.turns.MOST_LONG_IN_ALL", 3)
    for number in range(6):
        turns.new_client().add(order.steps(str(number), 10, 0.002))
    done = order.wait(lambda done: sum(name.endswith("ended") for name in done) == 6)
    first_end = next(index for index, name in enumerate(done) if name.endswith("ended"))
    assert len({name for name in done[:first_end] if name.endswith(" 0")}) == 3


def test_who_lies_behind_gets_no_turn_until_it_has_read(turns: Turns, order: Order) -> None:
    behind, other = turns.new_client(), turns.new_client()
    behind.lies_behind(LAG_BYTES + 1)
    behind.add(order.work("behind"))
    other.add(order.work("other"))
    assert order.wait(lambda done: len(done) == 1) == ["other"]
    behind.lies_behind(-LAG_BYTES)
    order.wait(lambda done: done == ["other", "behind"])


def test_long_work_ends_when_it_is_stopped_even_if_nobody_reads(turns: Turns, order: Order) -> None:
    client = turns.new_client()
    client.add(order.steps("long", 10_000, 0.001, number=7))
    order.wait(lambda done: len(done) > 2)
    client.lies_behind(LAG_BYTES + 1)
    assert not client.stop(8)
    assert client.stop(7)
    assert order.wait(lambda done: "long stopped" in done)[-1] == "long stopped"


def test_what_waits_is_dropped_when_it_is_stopped(turns: Turns, order: Order) -> None:
    client = turns.new_client()
    first = order.block(client)
    waiting = order.work("second")
    waiting.name = 5
    client.add(waiting)
    assert client.stop(5)
    first.set()
    assert order.wait(lambda done: len(done) == 2) == ["second dropped", "first"]


def test_nothing_is_done_for_who_is_gone(turns: Turns, order: Order) -> None:
    client = turns.new_client()
    client.add(order.steps("long", 10_000, 0.001))
    order.wait(lambda done: len(done) > 2)
    for number in range(5):
        client.add(order.work(f"short {number}", 0.05))
    client.leave()
    done = order.wait(lambda done: "long stopped" in done)
    assert not client.add(order.work("more"))
    assert sum(name.startswith("short") for name in done) <= 1
    deadline = time.monotonic() + 10
    while turns.clients and time.monotonic() < deadline:
        time.sleep(0.01)
    assert turns.clients == []


def test_it_ends_with_long_work_on_its_way(order: Order) -> None:
    turns = Turns()
    turns.new_client().add(order.steps("long", 10_000, 0.001))
    order.wait(lambda done: len(done) > 2)
    turns.end()
    assert order.done[-1] == "long stopped"
