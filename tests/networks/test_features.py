"""Maps on the way to the image, of every kind of network."""

from __future__ import annotations

import pytest
import torch
from one_of_each_generation import make_generator

from wspace.networks.features import SynthesisWithMaps

LAYERS = {
    "adain": [0, 1, 2, 3, 4, 5],
    "demodulated": [0, 2, 4],
    "resnet": [0, 2, 4],
    "alias-free": [1, 2, 3, 4],
}


@pytest.mark.parametrize("kind", LAYERS)
def test_maps_have_the_stated_size_and_the_image_stays_the_same(kind: str) -> None:
    generator = make_generator(kind)
    ws = torch.randn(2, generator.num_ws, 8)
    assert [place.layer for place in generator.feature_maps] == LAYERS[kind]
    for place in generator.feature_maps:
        image, maps = SynthesisWithMaps(generator.synthesis, place.layer)(ws)
        sides = tuple(side + 2 * place.margin for side in place.size)
        assert maps.shape[2:] == sides
        assert (image == generator.synthesis(ws)).all()
    assert generator.feature_maps[-1].size == (16, 16)


@pytest.mark.parametrize("kind", LAYERS)
def test_maps_depend_on_the_layers_up_to_theirs_alone(kind: str) -> None:
    generator = make_generator(kind)
    ws = torch.randn(1, generator.num_ws, 8, requires_grad=True)
    for place in generator.feature_maps:
        image, maps = SynthesisWithMaps(generator.synthesis, place.layer)(ws)
        assert not image.requires_grad
        (gradient,) = torch.autograd.grad(maps.square().sum(), [ws])
        touched = gradient[0].abs().sum(dim=1) > 0
        assert touched[place.layer]
        assert not touched[place.layer + 1 :].any()


def test_the_network_itself_is_left_as_it_is() -> None:
    generator = make_generator("adain")
    ws = torch.randn(1, generator.num_ws, 8)
    seeing = SynthesisWithMaps(generator.synthesis, 3)
    assert not any(parameter.requires_grad for parameter in seeing.parameters())
    assert all(parameter.requires_grad for parameter in generator.parameters())
    own = {parameter.data_ptr() for parameter in generator.synthesis.parameters()}
    assert {parameter.data_ptr() for parameter in seeing.parameters()} == own
    seeing(ws)
    assert torch.is_grad_enabled()
    assert generator.synthesis(ws).requires_grad
