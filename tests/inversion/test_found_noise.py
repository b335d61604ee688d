"""Noise maps that are found for a picture: nearer than without, and still noise."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor, nn

import wspace
from wspace.errors import WspaceError
from wspace.inversion.invert import InversionConfig, invert, psnr
from wspace.inversion.noise import correlation, noise_settings, normalised, start_maps
from wspace.networks.build import build_generator
from wspace.networks.config import AliasFreeConfig, GeneratorConfig
from wspace.networks.encoder import Encoder
from wspace.networks.generator import Generator
from wspace.recipe.recipe import NoiseSettings, Recipe
from wspace.steering.directions import sample_w
from wspace.steering.noise import NoiseInputs


class Knows(Encoder):
    """Says what it knows."""

    def __init__(self, w: Tensor) -> None:
        nn.Module.__init__(self)
        self.w = w.clone()

    def forward(self, images: Tensor, values: Tensor | None = None) -> Tensor:
        return self.w


def test_noise_brings_pictures_nearer_and_stays_with_the_recipe(
    tiny_generator: Generator,
) -> None:
    noise = NoiseSettings(mode="seeded", seed=5)
    pixels = torch.from_numpy(
        wspace.render(tiny_generator, wspace.recipes(seeds=[1, 2], noise=noise)).pixels
    )
    knows = Knows(sample_w(tiny_generator, 2, seed=1))
    config = InversionConfig(steps=40, rate=1e-6)
    without = invert(tiny_generator, pixels, config, encoder=knows)
    config = dataclasses.replace(config, noise=True)
    found = invert(tiny_generator, pixels, config, encoder=knows)
    recipes = [Recipe.from_json(one.recipe.to_json()) for one in found]
    again = torch.from_numpy(wspace.render(tiny_generator, recipes).pixels)
    for one, before, given, made in zip(found, without, pixels, again, strict=True):
        assert one.steps == 80
        assert one.recipe.sources == before.recipe.sources
        assert one.psnr > before.psnr + 1
        assert psnr(made, given) == pytest.approx(one.psnr, abs=0.3)
    assert found[0].recipe.noise != found[1].recipe.noise


def test_maps_are_normal_and_neighbours_in_them_are_hardly_alike(
    tiny_generator: Generator, other_generator: Generator
) -> None:
    pixels = torch.from_numpy(wspace.render(other_generator, wspace.recipes(seeds=[1])).pixels)
    alike = []
    for weight in (0.0, 100.0):
        config = InversionConfig(steps=15, noise=True, noise_weight=weight)
        (found,) = invert(tiny_generator, pixels, config)
        maps = NoiseInputs(tiny_generator).of([found.recipe.noise], torch.float32)
        assert not isinstance(maps, str)
        for one in maps:
            assert one is not None
            deviation, mean = torch.std_mean(one, correction=0)
            assert abs(float(mean)) < 0.01
            assert float(deviation) == pytest.approx(1, abs=0.01)
        alike.append(sum(float(correlation(one)) for one in maps if one is not None))
    assert alike[1] < 0.5 * alike[0]


def test_correlation_is_near_0_for_noise_and_1_a_direction_for_a_flat_map() -> None:
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 1, 64, 64, generator=random)
    assert (correlation(noise) < 0.1).all()
    flat = torch.ones(1, 1, 8, 8)
    torch.testing.assert_close(correlation(flat), torch.tensor([2.0]))


def test_normalised_maps_have_mean_0_and_variance_1() -> None:
    maps = normalised(torch.randn(3, 1, 8, 8) * 4 + 2)
    torch.testing.assert_close(maps.mean(dim=(1, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(maps.square().mean(dim=(1, 2, 3)), torch.ones(3))


def test_the_start_is_the_models_own_noise(tiny_generator: Generator) -> None:
    (settings,) = noise_settings(tiny_generator, start_maps(tiny_generator, 1))
    (recipe,) = wspace.recipes(seeds=[1])
    own, given = wspace.render(tiny_generator, [recipe, recipe.replace(noise=settings)]).pixels
    assert abs(own.astype(int) - given.astype(int)).max() <= 1


def test_a_model_without_noise_inputs_says_so() -> None:
    config = GeneratorConfig(
        architecture="alias-free",
        resolution=16,
        z_dim=8,
        w_dim=8,
        synthesis=AliasFreeConfig(channel_base=64, channel_max=8, num_layers=4, margin_size=2),
    )
    generator = build_generator(config).eval()
    pixels = torch.zeros(1, 16, 16, 3, dtype=torch.uint8)
    with pytest.raises(WspaceError, match="no noise inputs"):
        invert(generator, pixels, InversionConfig(steps=1, noise=True))
