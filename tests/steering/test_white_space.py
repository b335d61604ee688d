"""Coordinates in which w are spread alike."""

from __future__ import annotations

import torch

from wspace.steering.white_space import WhiteSpace


def samples() -> torch.Tensor:
    torch.manual_seed(0)
    mixing = torch.randn(6, 6) * torch.tensor([3.0, 1, 0.3, 1, 1, 1])
    return torch.randn(20_000, 6) @ mixing + 5


def test_w_are_of_unit_variance_around_zero() -> None:
    w = samples()
    u = WhiteSpace.of(w).u_of(w)
    torch.testing.assert_close(u.mean(dim=0), torch.zeros(6), atol=1e-3, rtol=0)
    torch.testing.assert_close(torch.cov(u.T), torch.eye(6), atol=1e-3, rtol=0)


def test_there_and_back_is_the_same() -> None:
    w = samples()[:50]
    space = WhiteSpace.of(samples())
    torch.testing.assert_close(space.w_of(space.u_of(w)), w, atol=1e-4, rtol=1e-4)
    layers = w.reshape(10, 5, 6)
    torch.testing.assert_close(space.w_of(space.u_of(layers)), layers, atol=1e-4, rtol=1e-4)


def test_what_w_never_do_is_barely_open() -> None:
    w = samples()
    w[:, 2] = w[:, 0] + w[:, 1]  # a flat space
    space = WhiteSpace.of(w)
    assert space.deviations.min() > 0
    assert space.u_of(w).abs().max() < 10
    assert torch.isfinite(space.u_of(w + 1)).all()
