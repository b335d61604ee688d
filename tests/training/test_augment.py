"""How strong augmentation is: adapted to how sure the discriminator is, and kept."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import make_config

from wspace.training import loop
from wspace.training.augment import Augmentation, decide_augmentation
from wspace.training.config import AdversarialConfig, TrainConfig
from wspace.training.run.folder import read_config


def make(**changes: Any) -> Augmentation:
    values = {"augment": "ada", "augment_kimg": 10.0} | changes
    return Augmentation(AdversarialConfig(**values))


def images() -> torch.Tensor:
    return torch.randn(4, 3, 8, 8, generator=random()).clamp(-1, 1)


def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_every_four_steps_it_moves_towards_the_target() -> None:
    augment = make()
    for sign in (1.0, 0.9, 0.5, 0.4):  # 0.7 on average, above 0.6
        assert augment.strength == 0
        augment.observe(sign, 8)
    assert augment.overfitting == pytest.approx(0.7)
    assert augment.strength == pytest.approx(4 * 8 / 10_000)  # batch * 4 / (kimg * 1000)
    for _ in range(4):
        augment.observe(0.5, 8)
    assert augment.overfitting == pytest.approx(0.5)  # of the last four alone
    assert augment.strength == 0


def test_it_never_falls_below_nothing_and_may_rise_above_one() -> None:
    augment = make(augment_kimg=0.01)
    for sign, expected in ((0.0, 0.0), (1.0, 3.2), (1.0, 6.4), (0.6, 6.4), (0.0, 3.2)):
        for _ in range(4):
            augment.observe(sign, 8)
        assert augment.strength == pytest.approx(expected)
    assert augment(images(), random()).isfinite().all()


def test_numbers_that_are_not_finite_leave_it_as_it_is() -> None:
    augment, other = make(), make()
    for sign in (1.0, math.nan, 1.0, math.inf, 1.0, 1.0):
        augment.observe(sign, 8)
    for _ in range(4):
        other.observe(1.0, 8)
    assert augment.state_dict() == other.state_dict()
    assert augment.strength > 0


def test_it_goes_on_as_it_was_saved_between_two_adjustments() -> None:
    one = make(augment_strength=0.3)
    for sign in (1.0, 0.2, 0.9, 0.8, -0.9):
        one.observe(sign, 8)
    two = make()
    two.load_state_dict(one.state_dict())
    for sign in (1.0, 0.9, 0.8):
        for augment in (one, two):
            augment.observe(sign, 8)
    assert one.state_dict() == two.state_dict()
    assert one.strength == pytest.approx(0.3 - 0.0032 + 0.0032)


def test_a_fixed_strength_stays_and_without_it_nothing_is_changed() -> None:
    fixed, off = make(augment="fixed", augment_strength=0.4), make(augment="none")
    for _ in range(8):
        fixed.observe(1.0, 8)
        off.observe(1.0, 8)
    assert (fixed.strength, fixed.overfitting) == (0.4, None)
    assert not off.on
    given = images()
    assert off(given, random()) is given
    assert not torch.equal(fixed(given, random()), given)


def test_at_no_strength_nothing_is_drawn() -> None:
    given, generator = images(), random()
    before = generator.get_state()
    assert make()(given, generator) is given
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(
    ("discriminator", "count", "pays"),
    [("preset", 100, True), ("preset", 1_000_000, False), ("projected", 100, False)],
)
def test_whether_it_pays_depends_on_the_discriminator_and_the_pictures(
    discriminator: str, count: int, pays: bool
) -> None:
    decided = decide_augmentation(TrainConfig(discriminator=discriminator), count)
    assert decided["adversarial.augment"] == ("ada" if pays else "none")


@pytest.mark.parametrize("given", ["ada", "none"])
def test_what_was_given_is_not_decided(given: str) -> None:
    decided = decide_augmentation(TrainConfig(augment=given, augment_kimg=7.0), 100)
    assert decided == {}


@pytest.mark.parametrize(
    ("preset", "start_from", "kimg"),
    [("small", None, 20.0), ("paper", None, 500.0), ("stylegan2", "model.safetensors", 100.0)],
)
def test_how_fast_it_adapts_is_the_release_s_where_training_is_as_long(
    preset: str, start_from: str | None, kimg: float
) -> None:
    config = TrainConfig(preset=preset, start_from=start_from)
    decided = config.replace(**decide_augmentation(config, 100))
    assert decided.adversarial.augment_kimg == kimg


def test_auto_is_decided_before_a_run_and_kept_with_it(tmp_path: Path) -> None:
    run = loop.start(make_config(tmp_path, steps=1), tmp_path / "runs").run
    saved = read_config(run)["adversarial"]
    assert saved["augment"] == "ada"
    assert loop.resume(run, total_kimg=0.008).kimg == 0.008
    del saved["augment"]  # as runs of before that
    assert TrainConfig.from_dict({"adversarial": saved}).adversarial.augment == "none"
