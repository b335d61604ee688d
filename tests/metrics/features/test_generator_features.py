"""Features of generators: of which pictures they are."""

import numpy as np
import pytest
import torch

from wspace.errors import WspaceError
from wspace.metrics.features.generators import generated_pixels, generator_features
from wspace.metrics.features.lite import LiteExtractor
from wspace.networks.build import build_generator
from wspace.networks.generator import Generator
from wspace.networks.presets import preset
from wspace.recipe.recipe import NoiseSettings, Recipe, Source
from wspace.rendering.render import render


@pytest.fixture(scope="module")
def lite() -> LiteExtractor:
    return LiteExtractor("cpu")


def make_generator(num_classes: int = 0) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config, _ = preset("compact", resolution=16, num_classes=num_classes)
        generator = build_generator(config).eval()
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if "noise_strength" in name:
                parameter.fill_(1.0)
    return generator


def test_features_of_a_generator_are_those_of_rendered_recipes(lite: LiteExtractor) -> None:
    generator = make_generator()
    done: list[tuple[int, int]] = []
    found = generator_features(
        generator,
        5,
        extractor=lite,
        first_seed=40,
        psi=0.7,
        batch_size=2,
        progress=lambda *position: done.append(position),
    )
    made = [
        Recipe(sources=(Source(seed=seed),), psi=0.7, noise=NoiseSettings(mode="seeded", seed=seed))
        for seed in range(40, 45)
    ]
    pixels = render(generator, made, batch_size=2).pixels
    expected = lite(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert done == [(2, 5), (4, 5), (5, 5)]


def test_generated_pictures_are_those_that_were_measured(lite: LiteExtractor) -> None:
    generator = make_generator()
    measured = generator_features(generator, 6, extractor=lite, first_seed=3)
    shown = lite(generated_pixels(generator, [8, 4]))
    torch.testing.assert_close(shown, measured[[5, 1]], atol=2e-2, rtol=0)
    assert (measured[0] - measured[1]).norm() > 0.1


def test_a_model_with_classes_draws_them_as_often_as_the_labels(lite: LiteExtractor) -> None:
    generator = make_generator(num_classes=3)
    only = generated_pixels(generator, range(4), labels=np.array([2, 2, 2]))
    made = [
        Recipe(
            sources=(Source(seed=seed, class_index=2),),
            noise=NoiseSettings(mode="seeded", seed=seed),
        )
        for seed in range(4)
    ]
    assert np.array_equal(only.permute(0, 2, 3, 1), render(generator, made).pixels)
    with pytest.raises(WspaceError, match="3 classes, the data has no labels"):
        generator_features(generator, 2, extractor=lite)
