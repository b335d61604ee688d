"""Instance normalisation, whose gradients are written out by hand."""

from __future__ import annotations

import torch
from torch import Tensor

from wspace.ops.instance_norm import instance_norm


def _plain(x: Tensor) -> Tensor:
    """The definition, its gradients left to autograd."""
    centred = x - x.mean(dim=(2, 3), keepdim=True)
    return centred / (centred.square().mean(dim=(2, 3), keepdim=True) + 1e-8).sqrt()


def _maps(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(3, 5, 4, 6, generator=generator) * 2 + 1
    return x.contiguous(memory_format=torch.channels_last)


def test_gradients_are_those_of_the_definition() -> None:
    x, grad = _maps(0), _maps(1)
    mine, plain = x.clone().requires_grad_(), x.clone().requires_grad_()
    normalized = instance_norm(mine)
    torch.testing.assert_close(normalized, _plain(plain))
    normalized.backward(grad)
    _plain(plain).backward(grad)
    torch.testing.assert_close(mine.grad, plain.grad)
    assert mine.grad is not None
    assert mine.grad.is_contiguous(memory_format=torch.channels_last)


def test_second_gradients_are_those_of_the_definition() -> None:
    """As path length regularisation takes them."""
    second = []
    for norm in (instance_norm, _plain):
        x = _maps(0).requires_grad_()
        weight = _maps(1).requires_grad_()
        (first,) = torch.autograd.grad((norm(x) * weight).sum(), x, create_graph=True)
        second.append(torch.autograd.grad(first.square().sum(), (x, weight)))
    torch.testing.assert_close(second[0], second[1], rtol=1e-4, atol=1e-5)


def test_a_constant_map_becomes_zero() -> None:
    x = torch.full((1, 2, 4, 4), 3.0, requires_grad=True)
    normalized = instance_norm(x)
    assert normalized.abs().max() == 0
    normalized.sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_half_precision_is_normalised_in_single() -> None:
    x = _maps(2).to(torch.bfloat16).requires_grad_()
    normalized = instance_norm(x)
    assert normalized.dtype == torch.bfloat16
    torch.testing.assert_close(normalized.float(), _plain(x.detach().float()), rtol=1e-2, atol=1e-2)
    normalized.backward(_maps(3).to(torch.bfloat16))
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16


def test_large_maps_of_half_precision_are_normalised_in_single_too() -> None:
    generator = torch.Generator().manual_seed(4)
    x, grad = (torch.randn(2, 3, 32, 40, generator=generator) + 3 for _ in range(2))
    x = (x * torch.tensor([1.0, 0.2, 10.0])[:, None, None]).bfloat16()
    x[0, 1] = 3.0
    mine, plain = x.clone().requires_grad_(), x.float().requires_grad_()
    normalized = instance_norm(mine)
    expected = _plain(plain)
    assert normalized.dtype == torch.bfloat16
    torch.testing.assert_close(normalized.float(), expected, rtol=1e-2, atol=2e-2)
    assert normalized[0, 1].abs().max() < 0.01
    others = torch.ones(2, 3, 1, 1)
    others[0, 1] = 0  # where a flat map wants to go is anybody's guess
    normalized.backward((grad * others).bfloat16())
    expected.backward((grad * others).bfloat16().float())
    assert mine.grad is not None
    assert plain.grad is not None
    for c in (0, 1, 2):
        torch.testing.assert_close(
            mine.grad[1, c].float(),
            plain.grad[1, c],
            rtol=2e-2,
            atol=float(plain.grad[1, c].abs().max()) / 50,
        )
