"""Another depth of mapping than the preset's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_pictures import write_pictures

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.training.config import TrainConfig
from wspace.training.setup import first_networks


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return Dataset.open(write_pictures(tmp_path / "data", count=4))


@pytest.mark.parametrize("layers", [1, 3])
def test_mapping_is_as_deep_as_it_is_asked_to_be(data: Dataset, layers: int) -> None:
    generator, _ = first_networks(TrainConfig(mapping_layers=layers, labels=False), data)
    assert generator.config.mapping.num_layers == layers
    usual, _ = first_networks(TrainConfig(labels=False), data)
    assert usual.config.mapping.num_layers not in (1, 3)


def test_without_layers_w_is_z_at_mean_square_one(data: Dataset) -> None:
    generator, _ = first_networks(TrainConfig(mapping_layers=0, labels=False), data)
    z = torch.randn(2, generator.z_dim)
    expected = z / z.square().mean(dim=1, keepdim=True).sqrt()
    torch.testing.assert_close(generator.mapping.w(z), expected)


def test_a_models_mapping_keeps_its_depth(data: Dataset, tiny_model: Path) -> None:
    config = TrainConfig(mapping_layers=2, start_from=str(tiny_model), labels=False)
    with pytest.raises(WspaceError, match="has a mapping network of its own"):
        first_networks(config, data)


def test_w_that_is_z_has_no_classes() -> None:
    from wspace.networks.config import MappingConfig
    from wspace.networks.presets import preset

    config, _ = preset("compact", resolution=16, num_classes=3)
    with pytest.raises(WspaceError, match="num_layers=0: without layers w is z, but"):
        type(config)(**{**vars(config), "mapping": MappingConfig(num_layers=0)})
