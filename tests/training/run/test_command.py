"""The command that starts a run is read back to the same configuration."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_run import make_model

from wspace.training.config import TrainConfig
from wspace.training.run.command import command_of


def test_defaults_need_no_words() -> None:
    assert command_of(TrainConfig(data="photos.zip")) == "wspace train photos.zip"


def test_what_is_given_is_said() -> None:
    config = TrainConfig(data="my photos", minutes=30, mirror=True, labels=False, batch_size=64)
    assert command_of(config) == (
        "wspace train 'my photos' --minutes 30 --mirror --no-labels --set batch_size=64"
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"minutes": 7.5, "seed": 3},
        {"total_kimg": 12.5, "batch_size": 16, "preset": "compact"},
        {"preset": "paper", "r1_gamma": 0.125, "half_life_kimg": 1 / 3},
        {"discriminator": "preset", "precision": "fp32", "device": "cpu"},
        {"preset": "medium", "attributes": True, "measure": False, "max_seconds": 10.0},
        {"preset": "stylegan2", "discriminator": "projected", "image_channels": 1},
        {"start_from": "a model.safetensors", "labels": True},
    ],
)
def test_it_makes_the_same_configuration(
    given: dict[str, Any],
    run_wspace: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    found: list[TrainConfig] = []

    def start(config: TrainConfig, *_: object) -> Any:
        found.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr("wspace.training.loop.start", start)
    monkeypatch.chdir(tmp_path)
    make_model(tmp_path / "a model.safetensors")  # says which preset it is of, if any
    config = TrainConfig(data="photos.zip", **given)
    words = shlex.split(command_of(config))
    assert words.pop(0) == "wspace"
    run_wspace(*words, "--out", tmp_path)
    assert found == [config]
