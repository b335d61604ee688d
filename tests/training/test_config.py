"""The training configuration: what it refuses and that it comes back from plain data."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from wspace.errors import WspaceError
from wspace.networks.presets import PRESETS
from wspace.training.config import ADVERSARIAL_LOSSES, ONE_STAGE, TrainConfig
from wspace.training.losses import LOSSES


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 6),
        ("batch_size", 0),
        ("total_kimg", 0),
        ("total_kimg", float("nan")),
        ("r1_gamma", -1),
        ("style_mixing_probability", 1.5),
        ("preset", "huge"),
        ("discriminator", "huge"),
        ("learning_rate_d", 0.0),
        ("loss", "wasserstein"),
        ("r2_gamma", -1.0),
        ("precision", "fp8"),
        ("compile", "maybe"),
        ("seed", -1),
        ("total_kimg", math.inf),
        ("total_kimg", "9"),
        ("total_kimg", True),
        ("batch_size", 8.0),
        ("batch_size", 2**20),
        ("seed", "0"),
        ("data", 3),
        ("data", None),
        ("mirror", 1),
        ("labels", "yes"),
        ("reconstruction.attributes", 1),
        ("reconstruction.attributes", True),  # there is no encoder to tell them
        ("average.ramp", -1.0),
        ("reconstruction.weight", -0.5),
        ("reconstruction.kimg", -1.0),
        ("matching.kimg", -1.0),
        ("matching.kimg", 5.0),  # without pretraining there are no w to match
        ("reconstruction.kimg", 5.0),  # without reconstruction there is nothing to learn from
        ("reconstruction.weight", float("nan")),
        ("augment", "much"),
        ("augment", "fixed"),  # how strong?
        ("augment_strength", 0.5),  # of nothing
        ("augment_strength", -0.1),
        ("augment_target", 2.0),
        ("augment_set", "cgb"),
        ("keep_every", -1),
        ("max_seconds", -1.0),
        ("preset", "x" * 5000),
        ("preset", ["compact"]),
        ("memory_budget_gb", 1e300),
    ],
)
def test_a_value_out_of_range_is_named(name: str, value: object) -> None:
    with pytest.raises(WspaceError, match=name) as caught:
        TrainConfig(**({"discriminator": "preset"} | ONE_STAGE | {name: value}))
    assert len(str(caught.value)) < 300


def test_every_loss_can_be_asked_for() -> None:
    assert set(ADVERSARIAL_LOSSES) == set(LOSSES)


@pytest.mark.parametrize("preset", ["small", "compact", "medium"])
def test_stages_come_first_whatever_the_discriminator(preset: str) -> None:
    # from nothing, the preset's own draws one picture a class (benchmarks/RESULTS.md)
    usual, own = TrainConfig(preset=preset), TrainConfig(preset=preset, discriminator="preset")
    assert usual.discriminator == "projected"
    assert (own.reconstruction, own.matching) == (usual.reconstruction, usual.matching)
    assert own.reconstruction.alone
    assert own.matching.on
    assert own.adversarial.r1_gamma  # the projected one's settings are not its own


@pytest.mark.parametrize("changes", [{"start_from": "a"}, {"fade_kimg": 9.0, "total_kimg": 99.0}])
def test_nothing_is_reconstructed_where_a_model_goes_on_or_grows(changes: dict[str, Any]) -> None:
    config = TrainConfig(discriminator="preset", **changes)
    assert not config.reconstruction.weight
    assert not config.matching.on


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_saved_configuration_is_the_same_again(preset: str) -> None:
    config = TrainConfig(preset=preset)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_an_unknown_key_is_named() -> None:
    with pytest.raises(WspaceError, match="'growing'"):
        TrainConfig.from_dict({"growing": True})


def test_r1_follows_the_rule_of_thumb_unless_given() -> None:
    assert TrainConfig(batch_size=32, r1_gamma=None).r1_gamma_for(64) == pytest.approx(
        0.0002 * 4096 / 32
    )
    assert TrainConfig(r1_gamma=0.0).r1_gamma_for(64) == 0.0
