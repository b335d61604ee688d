"""The pictures around a picture."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit, NoiseSettings, Recipe, Source
from wspace.rendering.render import render
from wspace.steering.directions import sample_w
from wspace.steering.latents import w_of_sources, with_own_w
from wspace.steering.neighbourhood import MAX_STEP, neighbours

MIDDLE = Recipe(
    sources=(Source(seed=3),),
    psi=0.8,
    noise=NoiseSettings(mode="none"),
    edits=(Edit(direction=(0.1,) * 8),),
)


def w_of(generator: Generator, recipe: Recipe) -> Tensor:
    return w_of_sources(generator, recipe.sources)


def test_eight_lie_around_and_those_across_lie_opposite(tiny_generator: Generator) -> None:
    middle = w_of(tiny_generator, MIDDLE)
    found = neighbours(tiny_generator, MIDDLE, step=0.01, seed=5)
    ways = torch.cat([w_of(tiny_generator, one) - middle for one in found])
    assert len(ways) == 8
    torch.testing.assert_close(ways, -ways.flip(0), atol=1e-4, rtol=0.05)
    assert torch.linalg.matrix_rank(ways, atol=1e-5) >= 4
    assert {one.replace(sources=MIDDLE.sources) for one in found} == {MIDDLE}


def test_a_step_of_one_is_as_long_as_w_are_from_their_mean(tiny_generator: Generator) -> None:
    w = sample_w(tiny_generator, 4096)
    usual = (w - w.mean(dim=0)).square().sum(dim=1).mean().sqrt()
    at_mean = Recipe(sources=(Source(w=tuple(tiny_generator.w_avg.tolist())),))
    lengths = []
    for seed in range(40):
        for one in neighbours(tiny_generator, at_mean, step=0.5, seed=seed):
            lengths.append((w_of(tiny_generator, one) - tiny_generator.w_avg).square().sum())
    length = torch.stack(lengths).mean().sqrt()
    torch.testing.assert_close(length, 0.5 * usual, rtol=0.15, atol=0)


def test_many_steps_do_not_leave_what_the_model_draws(tiny_generator: Generator) -> None:
    usual = (sample_w(tiny_generator, 512) - tiny_generator.w_avg).norm(dim=1)
    recipe = MIDDLE
    for seed in range(30):
        recipe = neighbours(tiny_generator, recipe, step=1.0, seed=seed)[seed % 8]
    distance = (w_of(tiny_generator, recipe) - tiny_generator.w_avg).norm()
    assert distance < 2 * usual.square().mean().sqrt()


def test_the_same_seed_finds_the_same_ones(tiny_generator: Generator) -> None:
    first, again, other = (
        neighbours(tiny_generator, MIDDLE, step=0.3, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again
    assert not set(first) & set(other)


def test_all_sources_of_a_mixture_take_the_same_step(tiny_generator: Generator) -> None:
    centre = tuple(tiny_generator.w_avg.tolist())
    near = tuple((tiny_generator.w_avg + 0.01).tolist())
    sources = (Source(w=near), Source(w=centre, centre=centre))
    mixed = Recipe(sources=sources, layer_sources=(0, 1, 0, 1, 0, 1))
    before = w_of(tiny_generator, mixed)
    for one in neighbours(tiny_generator, mixed, step=0.01, seed=0):
        after = w_of(tiny_generator, one)
        torch.testing.assert_close((after - before)[0], (after - before)[1], atol=1e-5, rtol=0)
        assert one.layer_sources == mixed.layer_sources
        assert one.sources[1].centre == centre


def test_steps_go_on_where_the_class_is_not_known_any_more(
    conditional_generator: Generator,
) -> None:
    recipe = Recipe(sources=(Source(seed=1, class_index=2),))
    first = neighbours(conditional_generator, recipe, step=0.3, seed=0)[0]
    assert first.sources[0].class_index is None
    assert len(neighbours(conditional_generator, first, step=0.3, seed=2**32 - 1)) == 8


@pytest.mark.parametrize("step", [0.0, -1.0, MAX_STEP + 1, float("nan"), float("inf")])
def test_steps_of_no_length_or_too_long_are_refused(tiny_generator: Generator, step: float) -> None:
    with pytest.raises(WspaceError, match="is outside 0 to 4"):
        neighbours(tiny_generator, MIDDLE, step=step, seed=0)


def test_a_recipe_with_its_own_w_draws_the_same_picture(tiny_generator: Generator) -> None:
    centre = tuple(sample_w(tiny_generator, 2)[0].tolist())
    mixed = Recipe(
        sources=(Source(seed=1), Source(w=(0.1,) * 8), Source(seed=2, centre=centre)),
        layer_sources=(0, 1, 2, 0, 1, 2),
        psi=0.5,
    )
    own = with_own_w(tiny_generator, mixed)
    assert all(source.w is not None for source in own.sources)
    pixels = render(tiny_generator, [mixed, own]).pixels
    assert (pixels[0] == pixels[1]).all()
