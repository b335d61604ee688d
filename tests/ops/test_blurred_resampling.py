"""Blurred resampling with nine products is the long way of it: enlarge, convolve, blur."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.ops import choose
from wspace.ops.blurred_resampling import BlurredResampling, _border, _put_border, _take_border
from wspace.ops.resample import blur, conv_downsample, conv_upsample


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Both forms have filters of float32, so that sums near zero differ by chance."""
    torch.manual_seed(0)


def _double(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def _blur(taps: tuple[float, ...] | None) -> BlurredResampling:
    return BlurredResampling(taps).double()


TAPS = [(1.0, 2.0, 1.0), (1.0, 5.0, 1.0), (1.0, 2.0, 3.0), (1.0, 3.0, 3.0, 1.0), (1.0,), None]


@pytest.mark.parametrize("taps", TAPS)
@pytest.mark.parametrize("side", [(1, 1), (4, 4), (3, 5)])
def test_enlarging_equals_the_long_way(
    taps: tuple[float, ...] | None, side: tuple[int, int]
) -> None:
    layer, x, weight, bias = _blur(taps), _double(2, 3, *side), _double(4, 3, 3, 3), _double(4)
    exact = F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, padding=1)
    exact = exact if layer.kernel is None else blur(exact, layer.kernel)
    exact = exact + bias[:, None, None]
    found = layer.upsample(x, weight, bias)
    torch.testing.assert_close(found, exact)
    grad, operands = torch.randn_like(exact), (x, weight, bias)
    torch.testing.assert_close(
        torch.autograd.grad(found, operands, grad), torch.autograd.grad(exact, operands, grad)
    )


@pytest.mark.parametrize("taps", TAPS)
@pytest.mark.parametrize("side", [(2, 2), (8, 8), (4, 6)])
def test_shrinking_equals_the_long_way(
    taps: tuple[float, ...] | None, side: tuple[int, int]
) -> None:
    layer, x, weight, bias = _blur(taps), _double(2, 3, *side), _double(4, 3, 3, 3), _double(4)
    exact = x if layer.kernel is None else blur(x, layer.kernel)
    exact = F.avg_pool2d(F.conv2d(exact, weight, bias, padding=1), 2)
    found = layer.downsample(x, weight, bias)
    torch.testing.assert_close(found, exact)
    grad, operands = torch.randn_like(exact), (x, weight, bias)
    torch.testing.assert_close(
        torch.autograd.grad(found, operands, grad), torch.autograd.grad(exact, operands, grad)
    )


def test_the_box_goes_to_a_symmetric_blur_of_three_taps_alone() -> None:
    assert [taps for taps in TAPS if BlurredResampling(taps).boxed is not None] == TAPS[:2]


def test_second_gradients_are_right() -> None:
    layer, x, weight, bias = _blur(TAPS[0]), _double(1, 2, 2, 2), _double(2, 2, 3, 3), _double(2)
    assert torch.autograd.gradgradcheck(layer.upsample, (x, weight, bias))
    assert torch.autograd.gradgradcheck(layer.downsample, (x, weight, bias))


def test_matrix_units_keep_the_box_in_the_kernel_in_bfloat16_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer, weight = BlurredResampling(TAPS[0]), torch.randn(4, 3, 3, 3)
    for units, dtype, count in (
        (True, torch.bfloat16, 1),
        (True, torch.float32, 4),
        (False, torch.bfloat16, 4),
        (False, torch.float32, 4),
    ):
        monkeypatch.setattr(choose, "has_matrix_units", lambda units=units: units)
        assert len(layer.upsample_kernels(weight, dtype)) == count


@pytest.mark.parametrize("units", [False, True])
def test_in_bfloat16_both_stay_close(units: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer, x, weight = (
        BlurredResampling(TAPS[0]),
        torch.randn(2, 16, 8, 8),
        torch.randn(8, 16, 3, 3) / 12,
    )
    monkeypatch.setattr(choose, "has_matrix_units", lambda: units)
    enlarged = blur(conv_upsample(x, weight), layer.kernel)  # type: ignore[arg-type]
    shrunk = conv_downsample(blur(x, layer.kernel), weight)  # type: ignore[arg-type]
    half = x.bfloat16()
    for exact, found in (
        (enlarged, layer.upsample(half, weight, torch.zeros(8))),
        (shrunk, layer.downsample(half, weight)),
    ):
        assert found.dtype == torch.bfloat16
        error = (found.float() - exact).square().mean().sqrt() / exact.square().mean().sqrt()
        assert 0 < error < 0.01


def test_a_border_has_its_own_gradients() -> None:
    x = _double(1, 2, 3, 4)
    whole = _border(x)
    assert torch.equal(whole[:, :, 2:-2, 2:-2], x)
    assert not whole[:, :, 1].any()
    assert torch.equal(whole[:, :, 0], -whole[:, :, 2])
    assert torch.equal(whole[:, :, :, -1], -whole[:, :, :, -3])
    assert torch.autograd.gradcheck(_border, (x,))
    assert torch.autograd.gradgradcheck(_border, (x,))
    assert torch.autograd.gradgradcheck(_take_border, (whole.detach().requires_grad_(),))


def test_a_compiler_is_told_what_a_border_makes() -> None:
    x = torch.randn(1, 2, 3, 4).to(memory_format=torch.channels_last).requires_grad_()
    torch.library.opcheck(_put_border, (x,))
    torch.library.opcheck(_take_border, (_border(x).detach().requires_grad_(),))
