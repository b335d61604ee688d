from __future__ import annotations

import torch

from wspace.networks.truncation import psi_curve, truncate


def test_the_curve_is_one_from_the_cutoff_on() -> None:
    assert psi_curve(0.5, 2, 4) == (0.5, 0.5, 1.0, 1.0)
    assert psi_curve((0.1, 0.2, 0.3), None, 3) == (0.1, 0.2, 0.3)
    assert psi_curve(0.5, 0, 2) == (1.0, 1.0)


def test_truncation_with_psi_one_returns_ws_itself() -> None:
    ws = torch.randn(2, 4, 8)
    assert truncate(ws, torch.randn(8)) is ws


def test_truncation_with_psi_zero_returns_the_mean_below_the_cutoff() -> None:
    ws, w_avg = torch.randn(2, 4, 8), torch.randn(8)
    truncated = truncate(ws, w_avg, psi=0.0, cutoff=3)
    assert torch.equal(truncated[:, :3], w_avg.expand(2, 3, 8))
    assert torch.equal(truncated[:, 3:], ws[:, 3:])


def test_each_layer_has_its_psi_and_none_from_the_cutoff_on() -> None:
    ws, w_avg = torch.ones(2, 4, 3), torch.zeros(3)
    psi = torch.tensor([0.25, 0.5, 0.75, -1.0])
    assert truncate(ws, w_avg, psi)[1, :, 0].tolist() == [0.25, 0.5, 0.75, -1.0]
    assert truncate(ws, w_avg, psi, cutoff=2)[1, :, 0].tolist() == [0.25, 0.5, 1.0, 1.0]
    assert torch.equal(truncate(ws, w_avg, psi, cutoff=9), truncate(ws, w_avg, psi))
