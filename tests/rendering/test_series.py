"""Pictures that are handed on while others are still to be drawn."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

import wspace
from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe
from wspace.rendering.pictures import Pictures
from wspace.rendering.series import _PART, render_each


def test_they_are_those_of_render_to_the_last_bit(tiny_generator: Generator) -> None:
    recipes = wspace.recipes(seeds=range(_PART + 30), psi=0.7)
    whole = wspace.render(tiny_generator, recipes)
    parts = list(render_each(tiny_generator, recipes, len(recipes)))
    joined = Pictures.joined(parts)
    assert np.array_equal(joined.pixels, whole.pixels)
    assert joined.recipes == whole.recipes
    assert {part.rendered_by for part in parts} == {whole.rendered_by}
    assert max(map(len, parts)) == whole.rendered_by.batch_size


def test_recipes_are_made_when_they_are_needed(tiny_generator: Generator) -> None:
    made = 0

    def each() -> Iterator[Recipe]:
        nonlocal made
        for seed in range(10 * _PART):
            made += 1
            yield from wspace.recipes(seeds=[seed])

    told: list[tuple[int, int]] = []
    drawn = render_each(
        tiny_generator, each(), 10 * _PART, progress=lambda *numbers: told.append(numbers)
    )
    next(drawn)
    assert made == _PART
    assert told == []  # the first are still with whoever asked for them
    next(drawn)
    assert told == [(16, 10 * _PART)]


def test_memory_does_not_grow_with_their_number(tiny_generator: Generator) -> None:
    def peak(count: int) -> int:
        each = (recipe for seed in range(count) for recipe in wspace.recipes(seeds=[seed]))
        tracemalloc.start()
        for _ in render_each(tiny_generator, each, count):
            pass
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return held

    peak(_PART)  # what is kept from the first time on
    more = 6 * _PART
    bytes_of_pictures = more * 3 * tiny_generator.resolution**2
    assert peak(2 * _PART + more) - peak(2 * _PART) < bytes_of_pictures / 8


def test_what_does_not_fit_is_refused(tiny_generator: Generator) -> None:
    wrong = wspace.recipes(seeds=[1], class_index=1)
    with pytest.raises(WspaceError, match="has no classes"):
        next(render_each(tiny_generator, wrong, 1))
    with pytest.raises(WspaceError, match="batch_size=0"):
        next(render_each(tiny_generator, wspace.recipes(seeds=[1]), 1, batch_size=0))
