"""What is added to styles, in every generation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from one_of_each_generation import GENERATIONS, make_generator

from wspace.networks.generator import Generator


def _generator(architecture: Any) -> Generator:
    torch.manual_seed(0)
    return make_generator(architecture).requires_grad_(False).double()


@pytest.mark.parametrize("architecture", GENERATIONS)
def test_an_offset_does_what_the_same_change_of_the_bias_does(architecture: str) -> None:
    generator = _generator(architecture)
    ws = torch.randn(2, generator.num_ws, 8, dtype=torch.float64)
    shifts = [0.1 * torch.randn_like(affine.bias) for _, affine in generator.affine_layers]
    offsets = [shift.expand(2, -1) for shift in shifts]
    plain = generator.synthesis(ws)
    moved = generator.synthesis(ws, style_offsets=offsets)
    for (_, affine), shift in zip(generator.affine_layers, shifts, strict=True):
        affine.bias += shift
    torch.testing.assert_close(moved, generator.synthesis(ws), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(moved, plain, atol=1e-3)


@pytest.mark.parametrize("architecture", GENERATIONS)
def test_each_style_has_an_offset_of_its_own(architecture: str) -> None:
    generator = _generator(architecture)
    ws = torch.randn(1, generator.num_ws, 8, dtype=torch.float64)
    none = [torch.zeros(1, len(a.bias), dtype=torch.float64) for _, a in generator.affine_layers]
    plain = generator.synthesis(ws)
    torch.testing.assert_close(generator.synthesis(ws, style_offsets=none), plain, rtol=0, atol=0)
    seen = []
    for i, offset in enumerate(none):
        one = [*none[:i], torch.full_like(offset, 0.3), *none[i + 1 :]]
        seen.append(generator.synthesis(ws, style_offsets=one))
    for i, image in enumerate(seen):
        for other in [plain, *seen[:i]]:
            assert not torch.allclose(image, other, atol=1e-6)


@pytest.mark.parametrize("architecture", GENERATIONS)
def test_a_wrong_number_of_offsets_is_a_bug(architecture: str) -> None:
    generator = _generator(architecture)
    ws = torch.randn(1, generator.num_ws, 8, dtype=torch.float64)
    with pytest.raises(ValueError, match="1 style offsets for"):
        generator.synthesis(ws, style_offsets=[torch.zeros(1, 8)])
