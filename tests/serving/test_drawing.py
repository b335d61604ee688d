"""Who is drawn for next, with whom, and what becomes of it when something is wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wspace.errors import WspaceError
from wspace.recipe.recipe import Recipe, recipes
from wspace.rendering.render import render
from wspace.serving.drawing import Drawing, EndedError, FullError
from wspace.serving.models import open_models
from wspace.serving.shelf import OpenModel

SECONDS = 30


@pytest.fixture(scope="module")
def models(tiny_model: Path) -> list[OpenModel]:
    """Two models, which are the same."""
    (found,) = open_models([str(tiny_model)], "cpu").values()
    (other,) = open_models([str(tiny_model)], "cpu").values()
    return [found, other]


class Gate:
    """Holds drawing back until it is opened; what was drawn together, by seeds."""

    def __init__(self) -> None:
        self.batches: list[list[int | None]] = []
        self.has_begun, self.opened = threading.Event(), threading.Event()

    def render(self, generator: Any, asked: list[Recipe], **how: Any) -> Any:
        self.batches.append([recipe.sources[0].seed for recipe in asked])
        self.has_begun.set()
        assert self.opened.wait(SECONDS)
        return render(generator, asked, **how)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    made = Gate()
    monkeypatch.setattr("wspace.rendering.render.render", made.render)
    return made


Make = Callable[..., Drawing]


@pytest.fixture
def new_drawing() -> Iterator[Make]:
    made: list[Drawing] = []

    def make(most_waiting: int = 100, **how: Any) -> Drawing:
        made.append(Drawing(most_waiting, **how))
        return made[-1]

    yield make
    for one in made:
        one.end()


def held_back(gate: Gate, drawing: Drawing, model: OpenModel) -> None:
    """Have something drawn that does not come to an end yet."""
    drawing.add(model, recipes(seeds=(0,)))
    assert gate.has_begun.wait(SECONDS)


def test_each_request_gets_its_pictures_in_turn(
    gate: Gate, new_drawing: Make, models: list[OpenModel]
) -> None:
    drawing = new_drawing(batch_size=4)
    held_back(gate, drawing, models[0])
    many = drawing.add(models[0], recipes(seeds=range(10, 18)))
    few = drawing.add(models[0], recipes(seeds=(20, 21)))
    last = drawing.add(models[0], recipes(seeds=(30,)))
    gate.opened.set()
    assert [
        pictures.recipes[place].sources[0].seed for pictures, place in many.answer.result(SECONDS)
    ] == list(range(10, 18))
    assert len(few.answer.result(SECONDS)) == 2
    assert len(last.answer.result(SECONDS)) == 1
    assert gate.batches == [[0], [10, 20, 30, 11], [12, 21, 13, 14], [15, 16, 17]]


def test_models_take_turns_and_are_not_mixed(
    gate: Gate, new_drawing: Make, models: list[OpenModel]
) -> None:
    drawing = new_drawing(batch_size=2)
    held_back(gate, drawing, models[0])
    orders = [
        drawing.add(models[0], recipes(seeds=range(10, 14))),
        drawing.add(models[1], recipes(seeds=range(20, 24))),
    ]
    gate.opened.set()
    for order in orders:
        order.answer.result(SECONDS)
    assert gate.batches == [[0], [10, 11], [20, 21], [12, 13], [22, 23]]


def test_a_request_that_cannot_be_drawn_spoils_no_other(
    gate: Gate, new_drawing: Make, models: list[OpenModel]
) -> None:
    drawing = new_drawing()
    held_back(gate, drawing, models[0])
    (bad,) = recipes(seeds=(1,), psi=(0.5, 0.5))
    spoiled = drawing.add(models[0], [*recipes(seeds=(10,)), bad])
    good = drawing.add(models[0], recipes(seeds=(20, 21)))
    gate.opened.set()
    assert [place for _, place in good.answer.result(SECONDS)] == [0, 1]
    with pytest.raises(WspaceError, match="this model has 6 layers"):
        spoiled.answer.result(SECONDS)


def test_places_are_held_until_the_answer_was_taken(
    new_drawing: Make, models: list[OpenModel]
) -> None:
    drawing = new_drawing(3)
    first = drawing.add(models[0], recipes(seeds=(1, 2)))
    first.answer.result(SECONDS)
    assert drawing.waiting == 2
    with pytest.raises(FullError) as full:
        drawing.add(models[0], recipes(seeds=(1, 2)))
    assert full.value.seconds >= 1
    drawing.add(models[0], recipes(seeds=(1,)))
    drawing.leave(first)
    drawing.leave(first)
    assert drawing.waiting == 1
    drawing.add(models[0], recipes(seeds=(1, 2)))


@pytest.mark.parametrize(("limit", "most"), [("MOST_PIXELS", 3 * 256), ("MOST_BYTES", 3000)])
def test_what_waits_is_bounded_in_memory_too(
    new_drawing: Make,
    models: list[OpenModel],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    most: int,
) -> None:
    monkeypatch.setattr(f"wspace.serving.drawing.{limit}", most)
    drawing = new_drawing()
    orders = [drawing.add(models[0], recipes(seeds=(1,)), size=1000) for _ in range(3)]
    with pytest.raises(FullError):
        drawing.add(models[0], recipes(seeds=(1,)), size=1000)
    drawing.leave(orders[0])
    drawing.add(models[0], recipes(seeds=(1,)), size=1000)


def test_when_to_come_again_follows_from_how_long_drawing_takes(
    gate: Gate, new_drawing: Make, models: list[OpenModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = new_drawing(50)
    held_back(gate, drawing, models[0])
    monkeypatch.setattr(drawing, "_seconds_each", 0.2)
    drawing.add(models[0], recipes(seeds=range(49)))
    with pytest.raises(FullError) as full:
        drawing.add(models[0], recipes(seeds=(1,)))
    assert full.value.seconds == 10
    monkeypatch.setattr(drawing, "_seconds_each", 1000.0)
    with pytest.raises(FullError) as full:
        drawing.add(models[0], recipes(seeds=(1,)))
    assert full.value.seconds == 60
    gate.opened.set()


def test_what_nobody_waits_for_is_not_begun(
    gate: Gate, new_drawing: Make, models: list[OpenModel]
) -> None:
    drawing = new_drawing()
    held_back(gate, drawing, models[0])
    gone = drawing.add(models[0], recipes(seeds=(1,)))
    stays = drawing.add(models[0], recipes(seeds=(2,)))
    drawing.leave(gone)
    gate.opened.set()
    stays.answer.result(SECONDS)
    assert gone.answer.cancelled()
    assert gate.batches == [[0], [2]]


def test_at_its_end_it_draws_what_waits_and_takes_nothing_on(
    gate: Gate, new_drawing: Make, models: list[OpenModel]
) -> None:
    drawing = new_drawing(batch_size=1)
    held_back(gate, drawing, models[0])
    waiting = [drawing.add(models[0], recipes(seeds=(seed,))) for seed in (1, 2)]
    threading.Timer(0.1, gate.opened.set).start()
    drawing.end()
    assert all(order.answer.done() for order in waiting)
    with pytest.raises(EndedError):
        drawing.add(models[0], recipes(seeds=(1,)))
    assert not drawing.is_well


def test_two_models_of_one_name_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    other = tmp_path / tiny_model.name
    other.write_bytes(tiny_model.read_bytes())
    with pytest.raises(WspaceError, match="are both called"):
        open_models([str(tiny_model), str(other)], "cpu")
