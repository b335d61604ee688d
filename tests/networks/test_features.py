"""Maps on the way to the image, of every kind of network."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from wspace.networks.build import build_generator
from wspace.networks.config import (
    AdaINConfig,
    AliasFreeConfig,
    DemodulatedConfig,
    GeneratorConfig,
    MappingConfig,
)
from wspace.networks.features import SynthesisWithMaps
from wspace.networks.generator import Generator

KINDS: dict[str, Any] = {
    "adain": (AdaINConfig(channels=(8, 8, 4)), [0, 1, 2, 3, 4, 5]),
    "demodulated": (DemodulatedConfig(channels=(8, 8, 4)), [0, 2, 4]),
    "resnet": (DemodulatedConfig(channels=(8, 8, 4), architecture="resnet"), [0, 2, 4]),
    "alias-free": (
        AliasFreeConfig(channel_base=64, channel_max=8, num_layers=4, margin_size=2),
        [1, 2, 3, 4],
    ),
}


def make(kind: str) -> Generator:
    config = GeneratorConfig(
        architecture="demodulated" if kind == "resnet" else kind,  # type: ignore[arg-type]
        resolution=16,
        z_dim=8,
        w_dim=8,
        mapping=MappingConfig(num_layers=2),
        synthesis=KINDS[kind][0],
    )
    return build_generator(config).eval()


@pytest.mark.parametrize("kind", KINDS)
def test_maps_have_the_stated_size_and_the_image_stays_the_same(kind: str) -> None:
    generator = make(kind)
    ws = torch.randn(2, generator.num_ws, 8)
    assert [place.layer for place in generator.feature_maps] == KINDS[kind][1]
    for place in generator.feature_maps:
        image, maps = SynthesisWithMaps(generator.synthesis, place.layer)(ws)
        sides = tuple(side + 2 * place.margin for side in place.size)
        assert maps.shape[2:] == sides
        assert (image == generator.synthesis(ws)).all()
    assert generator.feature_maps[-1].size == (16, 16)


@pytest.mark.parametrize("kind", KINDS)
def test_maps_depend_on_the_layers_up_to_theirs_alone(kind: str) -> None:
    generator = make(kind)
    ws = torch.randn(1, generator.num_ws, 8, requires_grad=True)
    for place in generator.feature_maps:
        image, maps = SynthesisWithMaps(generator.synthesis, place.layer)(ws)
        assert not image.requires_grad
        (gradient,) = torch.autograd.grad(maps.square().sum(), [ws])
        touched = gradient[0].abs().sum(dim=1) > 0
        assert touched[place.layer]
        assert not touched[place.layer + 1 :].any()


def test_the_network_itself_is_left_as_it_is() -> None:
    generator = make("adain")
    ws = torch.randn(1, generator.num_ws, 8)
    seeing = SynthesisWithMaps(generator.synthesis, 3)
    assert not any(parameter.requires_grad for parameter in seeing.parameters())
    assert all(parameter.requires_grad for parameter in generator.parameters())
    own = {parameter.data_ptr() for parameter in generator.synthesis.parameters()}
    assert {parameter.data_ptr() for parameter in seeing.parameters()} == own
    seeing(ws)
    assert torch.is_grad_enabled()
    assert generator.synthesis(ws).requires_grad
