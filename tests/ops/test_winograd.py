"""The fast 3x3 convolution computes what the plain one does, to any order of gradients."""

from __future__ import annotations

import functools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.ops import choose, winograd
from wspace.ops.convolution import convolve
from wspace.ops.winograd import transform_weight

conv3x3 = functools.partial(convolve, padding=1)


def _random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator).contiguous(memory_format=torch.channels_last)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the fast way for few channels, too."""
    monkeypatch.setattr(choose, "WINOGRAD_CHANNELS", 1)
    monkeypatch.setattr(choose, "WINOGRAD_CHANNELS_OF_WEIGHT_GRADIENT", 1)
    monkeypatch.setattr(choose, "WINOGRAD_TILES", 1)
    monkeypatch.setattr(choose, "WINOGRAD_TILES_TRANSFORMED", 1)


def test_the_matrices_convolve_exactly() -> None:
    """For whole numbers, by the definition of F(4x4, 3x3), in float64."""
    tile = torch.arange(36.0, dtype=torch.float64).reshape(6, 6) - 17
    kernel = torch.tensor([[1.0, -2, 3], [4, 0, -1], [2, 5, -3]], dtype=torch.float64)
    inputs, weights, results = (matrix.double() for matrix in winograd._matrices())
    products = (inputs @ tile.flatten()) * (weights @ kernel.flatten())
    plain = F.conv2d(tile[None, None], kernel[None, None])
    torch.testing.assert_close((results @ products).reshape(4, 4), plain[0, 0], rtol=0, atol=1e-4)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (3, 5, 8, 12), (2, 4, 40, 4), (5, 40, 16, 8)])
def test_it_is_the_plain_convolution(shape: tuple[int, ...]) -> None:
    x, weight = _random(*shape, seed=0), _random(7, shape[1], 3, 3, seed=1)
    plain = F.conv2d(x, weight, padding=1)
    torch.testing.assert_close(conv3x3(x, weight), plain, rtol=1e-5, atol=1e-4)
    transformed = transform_weight(weight)
    assert torch.equal(conv3x3(x, weight, transformed=transformed), conv3x3(x, weight))
    assert conv3x3(x, weight).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.usefixtures("small")
def test_first_and_second_gradients_are_the_plain_ones() -> None:
    gradients = []
    for conv in (conv3x3, lambda x, weight: F.conv2d(x, weight, padding=1)):
        x = _random(2, 6, 8, 8, seed=0).requires_grad_()
        weight = _random(5, 6, 3, 3, seed=1).requires_grad_()
        y = conv(x, weight).square()
        of_x, of_weight = torch.autograd.grad(y.sum(), (x, weight), create_graph=True)
        penalty = of_x.square().sum() + of_weight.square().sum()
        gradients.append((of_x, of_weight, *torch.autograd.grad(penalty, (x, weight))))
    for mine, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(
            mine, plain, rtol=1e-4, atol=1e-4 * float(plain.detach().abs().max())
        )


def test_it_is_as_exact_as_the_plain_convolution() -> None:
    x, weight = _random(1, 128, 32, 32, seed=0), _random(128, 128, 3, 3, seed=1)
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    mine = (conv3x3(x, weight) - exact).square().mean().sqrt()
    plain = (F.conv2d(x, weight, padding=1) - exact).square().mean().sqrt()
    assert mine != plain  # the fast way was taken
    assert mine < 2 * plain


def test_few_channels_odd_sides_and_other_types_go_the_plain_way() -> None:
    for x, weight in (
        (_random(1, 128, 6, 6, seed=0), _random(128, 128, 3, 3, seed=1)),
        (_random(4, 16, 16, 16, seed=0), _random(128, 16, 3, 3, seed=1)),
        (_random(2, 128, 16, 16, seed=0).bfloat16(), _random(128, 128, 3, 3, seed=1).bfloat16()),
    ):
        assert torch.equal(conv3x3(x, weight), F.conv2d(x, weight, padding=1))
    assert choose.winograd_takes_weight(_random(128, 128, 3, 3, seed=0))
    assert not choose.winograd_takes_weight(_random(64, 128, 3, 3, seed=0))
    assert not choose.winograd_takes_weight(_random(128, 128, 3, 3, seed=0).bfloat16())
