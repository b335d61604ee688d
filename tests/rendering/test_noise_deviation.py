"""Where a picture changes with its noise."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_generators import make_tiny_generator

from wspace.errors import WspaceError
from wspace.figures.deviation import deviation_map
from wspace.networks.generator import Generator
from wspace.recipe.recipe import NoiseSettings, Recipe, Source, recipes
from wspace.rendering.deviation import noise_deviation
from wspace.rendering.render import render

RECIPE = Recipe(sources=(Source(seed=1),), noise=NoiseSettings(strength=2.0))


def test_it_is_the_deviation_over_noise_seeds(tiny_generator: Generator) -> None:
    tile, white = noise_deviation(tiny_generator, RECIPE, 5)
    drawn = [
        RECIPE.replace(noise=NoiseSettings(mode="seeded", seed=seed, strength=2.0))
        for seed in range(5)
    ]
    expected = deviation_map(render(tiny_generator, drawn).pixels)
    assert white == expected.max() > 0
    assert (tile[:, :, 0] == np.rint(expected * (255 / white))).all()
    assert tile.shape == (16, 16, 3)


def test_layers_without_noise_stay_without(tiny_generator: Generator) -> None:
    none = RECIPE.replace(noise=NoiseSettings(mode="none"))
    tile, white = noise_deviation(tiny_generator, none, 3)
    assert white == 0
    assert not tile.any()
    some = RECIPE.replace(noise=NoiseSettings(mode=("none",) * 5 + ("const",), seed=7))
    _, fine = noise_deviation(tiny_generator, some, 3)
    _, everywhere = noise_deviation(tiny_generator, RECIPE, 3)
    assert 0 < fine < everywhere


@pytest.mark.parametrize("count", [1, 0, -1, 10_001])
def test_a_count_that_says_nothing_is_refused(tiny_generator: Generator, count: int) -> None:
    with pytest.raises(WspaceError, match="outside 2 to 10000"):
        noise_deviation(tiny_generator, RECIPE, count)


def test_a_model_without_noise_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = make_tiny_generator(0)
    monkeypatch.setattr(type(generator), "const_noise", property(lambda self: []))
    with pytest.raises(WspaceError, match="no noise inputs"):
        noise_deviation(generator, recipes(seeds=(1,))[0], 3)
