"""Each class has a running mean of w, where its network was made with one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from wspace.errors import WspaceError
from wspace.networks.build import build_generator
from wspace.networks.config import GeneratorConfig, MappingConfig
from wspace.networks.mapping import MappingNetwork
from wspace.networks.presets import preset

BETA = 0.9


def mapping(num_classes: int = 3, **changes: Any) -> MappingNetwork:
    config = MappingConfig(num_layers=1, w_avg_beta=BETA, class_means=True, **changes)
    return MappingNetwork(config, z_dim=2, num_classes=num_classes, w_dim=2, num_ws=4)


def of(*classes: int) -> torch.Tensor:
    return F.one_hot(torch.tensor(classes), 3).float()


def test_the_first_images_of_a_class_are_its_mean() -> None:
    network = mapping()
    network.update_w_avg(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), of(0, 0, 2))
    assert network.class_w_avg is not None
    assert network.class_w_avg.tolist() == [[2, 3], [0, 0], [5, 6]]


def test_a_class_moves_with_its_share_and_others_stay() -> None:
    network = mapping()
    network.update_w_avg(torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), of(0, 1, 2))
    before = network.class_w_avg
    assert before is not None
    before = before.clone()
    # one of three images: as many as of each class in an even batch
    network.update_w_avg(torch.tensor([[7.0, 7.0], [4.0, 4.0], [6.0, 6.0]]), of(1, 0, 0))
    after = network.class_w_avg
    assert after is not None
    torch.testing.assert_close(after[1], torch.full((2,), 7 + (2 - 7) * BETA))
    torch.testing.assert_close(after[0], torch.full((2,), 5 + (1 - 5) * BETA**2))
    assert torch.equal(after[2], before[2])


def test_the_mean_of_all_is_what_it_was_without() -> None:
    w = torch.randn(6, 2)
    networks = [mapping(), mapping()]
    for network, c in zip(networks, (of(0, 1, 2, 0, 1, 2), None), strict=True):
        network.update_w_avg(w, c)
    assert torch.equal(networks[0].w_avg, networks[1].w_avg)
    torch.testing.assert_close(networks[0].w_avg, w.mean(dim=0) * (1 - BETA))


def test_new_networks_with_classes_have_means_and_earlier_ones_stay_as_they_were() -> None:
    for name in ("small", "stylegan2"):
        config = preset(name, resolution=16, num_classes=3)[0]
        assert config.to_dict()["mapping"]["class_means"] is True
        means = build_generator(config).mapping.class_w_avg
        assert means is not None
        assert means.shape == (3, config.w_dim)
        assert build_generator(preset(name, resolution=16)[0]).mapping.class_w_avg is None
        earlier = config.to_dict()
        del earlier["mapping"]["class_means"]
        generator = build_generator(GeneratorConfig.from_dict(earlier))
        assert "mapping.class_w_avg" not in generator.state_dict()
        assert generator.config == config  # it is the same network


def test_names_are_one_a_class_and_each_its_own() -> None:
    config = preset("small", resolution=16, num_classes=2)[0]
    assert "class_names" not in config.to_dict()
    named = replace(config, class_names=("boot", "bag"))
    assert named == config
    assert GeneratorConfig.from_dict(named.to_dict()).class_names == ("boot", "bag")
    assert build_generator(named).class_names == ("boot", "bag")
    for names, says in (
        (("boot",), "1 names for 2 classes"),
        (("boot", "boot"), "a name twice"),
        (("boot", ""), "no text of at most"),
        (("boot", 1), "no text"),
    ):
        with pytest.raises(WspaceError, match=says):
            replace(config, class_names=names)
