"""Which discriminator a run trains with, and what it trains it with."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_run import make_config

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.formats.model_file import load, load_model_file, read_metadata
from wspace.networks.build import build_discriminator
from wspace.networks.config import MappingConfig
from wspace.networks.presets import projected_discriminator
from wspace.networks.pretrained import efficientnet
from wspace.networks.projected import ProjectedDiscriminator
from wspace.training import loop
from wspace.training.config import TrainConfig, defaults
from wspace.training.run.clock import Progress
from wspace.training.session import Session
from wspace.training.setup import first_networks
from wspace.training.transfer import Shape, carried_discriminator


def run(tmp_path: Path, **changes: object) -> Path:
    return loop.start(make_config(tmp_path, steps=2, **changes), tmp_path / "runs").run


PROJECTED = {"discriminator": "projected", **defaults("compact", "projected")}


@pytest.fixture
def projected_run(tmp_path: Path) -> Path:
    return run(tmp_path, **PROJECTED)


def test_a_projected_discriminator_takes_the_place_of_a_models_own(projected_run: Path) -> None:
    model = load_model_file(projected_run)
    assert isinstance(model.discriminator, ProjectedDiscriminator)
    assert model.discriminator.config.resolution == 8
    assert read_metadata(projected_run)["metadata"]["training"]["discriminator"] == "projected"


def test_the_next_run_goes_on_with_the_discriminator_of_its_own_kind(
    projected_run: Path,
) -> None:
    trained = load_model_file(projected_run).discriminator
    assert trained is not None
    config = TrainConfig(**PROJECTED | {"start_from": str(projected_run)})
    kept = first_networks(config, Data)[1]
    assert all((a == b).all() for a, b in zip(kept.parameters(), trained.parameters(), strict=True))
    fresh = first_networks(
        TrainConfig(start_from=str(projected_run), discriminator="preset"), Data
    )[1]
    assert not isinstance(fresh, ProjectedDiscriminator)


class Data:
    """What `first_networks` asks of a dataset."""

    resolution, num_classes, image_channels = 8, 0, 3


def test_a_run_at_a_higher_resolution_starts_a_projected_discriminator_afresh() -> None:
    small, larger = (projected_discriminator(resolution=side) for side in (8, 16))
    shape = Shape(resolution=16, num_classes=0, image_channels=3)
    carried, _ = carried_discriminator(build_discriminator(small), shape, MappingConfig())
    assert carried is None
    same, _ = carried_discriminator(build_discriminator(larger), shape, MappingConfig())
    assert same is not None


def test_its_model_makes_pictures_where_the_pretrained_network_is_not_installed(
    projected_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(variant: object) -> None:
        raise WspaceError("not installed")

    monkeypatch.setattr(efficientnet, "_pretrained", missing)
    assert load(projected_run).resolution == 8
    with pytest.raises(WspaceError, match="not installed"):
        load_model_file(projected_run)


def test_reconstructions_are_also_compared_through_the_pretrained_network(
    tmp_path: Path,
) -> None:
    config = make_config(
        tmp_path, steps=30, **PROJECTED, reconstruction_weight=10.0, pretraining_kimg=10.0
    )
    found: dict[float, list[float]] = {0.0: [], config.reconstruction.perceptual_weight: []}
    for weight, losses in found.items():

        def report(progress: Progress, losses: list[float] = losses) -> None:
            if progress.last is not None:
                losses.append(progress.last.losses["perceptual"])

        loop.start(config.replace(perceptual_weight=weight), tmp_path / "runs", report)
    without, with_it = found.values()
    assert len(without) == len(with_it) == 30
    assert without[0] == with_it[0]
    assert sum(with_it[-5:]) < 0.97 * sum(without[-5:])


def test_each_network_has_its_own_learning_rate(tmp_path: Path) -> None:
    config = make_config(tmp_path, learning_rate=0.002, learning_rate_d=0.0005, r1_interval=1)
    with Dataset.open(config.data) as data:
        networks = first_networks(config, data)
        state = Session(config, data, tmp_path, networks, lambda _: None).state
    assert state.context.optimizers["generator"].param_groups[0]["lr"] == 0.002
    assert state.context.optimizers["discriminator"].param_groups[0]["lr"] == 0.0005


def test_a_presets_defaults_hold_where_the_discriminator_has_none() -> None:
    assert defaults("compact") == defaults("compact", "projected")
    assert defaults("paper") == defaults("paper", "preset")
    assert defaults("compact", "preset")["adversarial.r1_gamma"] > 0
    assert defaults("compact", "projected")["adversarial.learning_rate_d"] > 0
    assert defaults("paper", "projected")["average.ramp"] is None
