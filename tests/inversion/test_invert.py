"""Inversion, on pictures whose w is known because the model drew them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import wspace
from wspace.errors import WspaceError
from wspace.inversion.invert import InversionConfig, invert, psnr
from wspace.networks.generator import Generator

SHORT = InversionConfig(steps=40)


def drawn(generator: Generator, seeds: list[int], **more: int) -> Tensor:
    """What the model draws, (N, H, W, C), of seeds that no start is taken from."""
    recipes = wspace.recipes(seeds=[seed + 10_000 for seed in seeds], **more)  # type: ignore[arg-type]
    return torch.from_numpy(wspace.render(generator, recipes).pixels)


def test_the_recipe_draws_nearly_the_given_picture(tiny_generator: Generator) -> None:
    pixels = drawn(tiny_generator, [1, 2])
    found = invert(tiny_generator, pixels, SHORT)
    again = wspace.render(tiny_generator, [one.recipe for one in found]).pixels
    for one, given, made in zip(found, pixels, again, strict=True):
        assert one.psnr == pytest.approx(psnr(given, torch.from_numpy(made)), abs=0.3)
        assert one.psnr > one.start_psnr + 3
        assert one.steps == 40
        assert len(one.start.sources) == 1


@pytest.mark.parametrize(("space", "sources"), [("w", 1), ("w+", 6)])
def test_one_w_or_one_a_layer(tiny_generator: Generator, space: str, sources: int) -> None:
    config = InversionConfig(space=space, steps=3)  # type: ignore[arg-type]
    (one,) = invert(tiny_generator, drawn(tiny_generator, [3]), config)
    assert len(one.recipe.sources) == sources


def test_it_is_the_same_each_time(tiny_generator: Generator) -> None:
    pixels, config = drawn(tiny_generator, [4]), InversionConfig(steps=3)
    (one,), (other,) = (invert(tiny_generator, pixels, config) for _ in range(2))
    assert one == other


def test_without_steps_it_is_the_nearest_of_random_ones(tiny_generator: Generator) -> None:
    recipes = wspace.recipes(seeds=[200])  # among those that are tried
    pixels = torch.from_numpy(wspace.render(tiny_generator, recipes).pixels)
    (one,) = invert(tiny_generator, pixels, InversionConfig(steps=0))
    assert one.recipe == one.start
    assert one.psnr > 40


def test_classes_are_kept_to(conditional_generator: Generator) -> None:
    pixels = drawn(conditional_generator, [1], class_index=2)
    (one,) = invert(conditional_generator, pixels, InversionConfig(steps=0), class_index=2)
    seeds = list(range(256))
    candidates = conditional_generator.mapping.w(
        wspace.latents(conditional_generator, seeds), torch.eye(3)[[2] * len(seeds)]
    )
    w = torch.tensor(one.recipe.sources[0].w)
    assert (candidates - w).abs().amax(dim=1).min() < 1e-5
    with pytest.raises(WspaceError, match="unknown"):
        invert(conditional_generator, pixels, SHORT, class_index=3)


def test_time_ends_it(tiny_generator: Generator) -> None:
    config = InversionConfig(steps=100_000, seconds=0.5)
    (one,) = invert(tiny_generator, drawn(tiny_generator, [5]), config)
    assert one.steps < 5_000


def test_who_watches_sees_the_pictures_asked_for(tiny_generator: Generator) -> None:
    seen: list[tuple[int, bool]] = []

    def watch(step: int, pixels: Tensor | None) -> None:
        seen.append((step, pixels is not None))

    pixels = drawn(tiny_generator, [6])
    invert(tiny_generator, pixels, InversionConfig(steps=4), watch=watch, show_every=2)
    shown = [step for step, was_shown in seen if was_shown]
    assert shown == [0, 2, 4]
    assert [step for step, _ in seen] == [0, 1, 2, 3, 4, 4]


def test_who_watches_can_end_it_with_what_was_found(tiny_generator: Generator) -> None:
    pixels = drawn(tiny_generator, [6])
    rested = []
    (whole,) = invert(tiny_generator, pixels, InversionConfig(steps=3))
    (ended,) = invert(
        tiny_generator,
        pixels,
        InversionConfig(steps=100_000),
        watch=lambda step, _: step == 3,
        pause=lambda: rested.append(1),
    )
    assert ended.steps == 3
    assert ended.psnr > ended.start_psnr
    assert whole.start == ended.start
    assert len(rested) == 8


def test_no_weight_of_the_model_moves(loaded_generator: Generator) -> None:
    before = {k: v.clone() for k, v in loaded_generator.state_dict().items()}
    invert(loaded_generator, drawn(loaded_generator, [7]), InversionConfig(steps=3))
    assert all((before[k] == v).all() for k, v in loaded_generator.state_dict().items())


@pytest.mark.parametrize("shape", [(1, 8, 16, 3), (1, 16, 16, 1)])
def test_pictures_of_another_size_are_refused(
    tiny_generator: Generator, shape: tuple[int, ...]
) -> None:
    with pytest.raises(WspaceError, match="fit them first"):
        invert(tiny_generator, torch.zeros(shape, dtype=torch.uint8), SHORT)


def test_psnr_is_that_of_the_definition() -> None:
    black, grey = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    pair = (torch.from_numpy(black), torch.from_numpy(grey))
    assert psnr(*pair) == pytest.approx(20 * math.log10(255 / 51))
    assert psnr(pair[0], pair[0]) == math.inf


@pytest.mark.parametrize(
    "change", [{"steps": -1}, {"rate": 0.0}, {"space": "z"}, {"seconds": -1.0}]
)
def test_settings_are_checked(change: dict[str, object]) -> None:
    with pytest.raises(WspaceError, match="inversion: "):
        InversionConfig(**change)  # type: ignore[arg-type]
