from __future__ import annotations

import pytest
import torch

from wspace.errors import WspaceError
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


@pytest.mark.parametrize(
    ("psi", "cutoff", "says"),
    [
        (float("nan"), None, "psi=nan is not finite|psi=.*nan.* is not finite"),
        (float("inf"), 2, "is not finite"),
        (torch.tensor([0.5, float("nan"), 1.0, 1.0]), None, "is not finite"),
        (torch.full((2, 4, 1), float("nan")), None, "not finite everywhere"),
        (torch.tensor([0.5, 0.5, 0.5]), None, "3 values for 4 layers"),
        (0.5, -1, "cutoff=-1 is no layer"),
    ],
)
def test_what_is_no_truncation_is_refused(
    psi: float | torch.Tensor, cutoff: int | None, says: str
) -> None:
    with pytest.raises(WspaceError, match=says):
        truncate(torch.ones(2, 4, 3), torch.zeros(3), psi, cutoff)


def test_psi_may_be_learned() -> None:
    psi = torch.tensor([0.5, 0.5], requires_grad=True)
    truncate(torch.ones(1, 2, 3), torch.zeros(3), psi).sum().backward()
    assert psi.grad is not None
    assert psi.grad.tolist() == [3.0, 3.0]
