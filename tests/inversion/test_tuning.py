"""Pivotal tuning: given pictures come nearer, others hardly change, and little is stored."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import wspace
from wspace.errors import WspaceError
from wspace.formats.difference import with_changes
from wspace.formats.model_file import load, model_sha256
from wspace.inversion.invert import psnr
from wspace.inversion.tuning import MOST_LOST, TuningConfig, smallest_changes, tune
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe, Source
from wspace.steering.directions import sample_w


@pytest.fixture(scope="module")
def given(tiny_model: Path) -> Tensor:
    """Two pictures that `tiny_generator` does not draw, but one like it does, (2, 16, 16, 3)."""
    generator = load(tiny_model)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in generator.synthesis.parameters():
            weight += 0.1 * torch.randn(weight.shape, generator=random)
    return torch.from_numpy(wspace.render(generator, wspace.recipes(seeds=[1, 2])).pixels)


@pytest.fixture(scope="module")
def pivots(tiny_generator: Generator) -> list[Recipe]:
    """The w that they were drawn from."""
    w = sample_w(tiny_generator, 2, seed=1).tolist()
    return [Recipe(sources=(Source(w=tuple(row)),)) for row in w]


def drawn(generator: Generator, recipes: list[Recipe]) -> Tensor:
    return torch.from_numpy(wspace.render(generator, recipes).pixels)


def test_pictures_come_nearer_and_the_model_stays(
    tiny_generator: Generator, given: Tensor, pivots: list[Recipe]
) -> None:
    sha = model_sha256(tiny_generator)
    seen: list[int] = []
    tuned = tune(
        tiny_generator,
        given,
        pivots,
        TuningConfig(steps=40, rate=0.02),
        after=lambda n, _: seen.append(n),
    )
    assert seen == list(range(1, 41))
    assert model_sha256(tiny_generator) == sha
    assert not any(parameter.requires_grad for parameter in tuned.parameters())
    for before, after, one in zip(
        drawn(tiny_generator, pivots), drawn(tuned, pivots), given, strict=True
    ):
        assert psnr(after, one) > psnr(before, one) + 2
    mapping = tiny_generator.mapping.state_dict()
    assert all(torch.equal(mapping[k], v) for k, v in tuned.mapping.state_dict().items())
    stored = smallest_changes(tiny_generator, tuned, given, pivots)
    again = with_changes(tiny_generator, stored)
    for exact, small, one in zip(drawn(tuned, pivots), drawn(again, pivots), given, strict=True):
        assert psnr(small, one) > psnr(exact, one) - MOST_LOST - 0.2


def test_locality_keeps_other_pictures_nearer(
    tiny_generator: Generator, given: Tensor, pivots: list[Recipe]
) -> None:
    others = list(wspace.recipes(seeds=range(20, 36)))
    before = drawn(tiny_generator, others).double()
    changed = []
    for weight in (0.0, 3.0):
        tuned = tune(
            tiny_generator, given, pivots, TuningConfig(steps=20, rate=0.02, locality_weight=weight)
        )
        changed.append(float((drawn(tuned, others).double() - before).abs().mean()))
    assert changed[1] < 0.8 * changed[0]


def test_it_is_the_same_each_time(
    tiny_generator: Generator, given: Tensor, pivots: list[Recipe]
) -> None:
    one, other = (tune(tiny_generator, given, pivots, TuningConfig(steps=3)) for _ in range(2))
    assert model_sha256(one) == model_sha256(other)


def test_without_steps_nothing_is_tuned(
    tiny_generator: Generator, given: Tensor, pivots: list[Recipe]
) -> None:
    for config in (TuningConfig(steps=0), TuningConfig(seconds=0)):
        tuned = tune(tiny_generator, given, pivots, config)
        assert model_sha256(tuned) == model_sha256(tiny_generator)
        assert smallest_changes(tiny_generator, tuned, given, pivots) == {}


def test_pivots_are_one_w_a_picture_and_nothing_else(
    tiny_generator: Generator, given: Tensor, pivots: list[Recipe]
) -> None:
    with pytest.raises(WspaceError, match="1 pivots for pictures"):
        tune(tiny_generator, given, pivots[:1])
    with pytest.raises(WspaceError, match="take truncation and edits out"):
        tune(tiny_generator, given[:1], [pivots[0].replace(psi=0.5)])


@pytest.mark.parametrize("change", [{"steps": -1}, {"rate": 0.0}, {"locality_weight": -1.0}])
def test_settings_are_checked(change: dict[str, float]) -> None:
    with pytest.raises(WspaceError, match="tuning: "):
        TuningConfig(**change)  # type: ignore[arg-type]
