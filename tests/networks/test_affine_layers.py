"""Which layer of ws each style is made of, in every generation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from one_of_each_generation import GENERATIONS, make_generator


@pytest.mark.parametrize("architecture", GENERATIONS)
def test_each_affine_layer_gets_the_w_of_the_layer_that_is_said(architecture: Any) -> None:
    generator = make_generator(architecture)
    ws = torch.randn(2, generator.num_ws, 8)
    given: dict[int, torch.Tensor] = {}
    for place, (_, layer) in enumerate(generator.affine_layers):
        layer.register_forward_hook(
            lambda _layer, inputs, _output, place=place: given.update({place: inputs[0]})
        )
    with torch.inference_mode():
        generator.synthesis(ws)
    assert sorted(given) == list(range(len(generator.affine_layers)))  # each once, none forgotten
    for place, (index, _) in enumerate(generator.affine_layers):
        torch.testing.assert_close(given[place], ws[:, index])
    assert {index for index, _ in generator.affine_layers} == set(range(generator.num_ws))
    found = sum(name.endswith("affine.weight") for name, _ in generator.named_parameters())
    assert found == len(generator.affine_layers)
