"""Upsampling by phases is the transposed convolution, and has gradients of its own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from wspace.networks.phases import (
    _Interleave,
    _interleaved,
    _taken_apart,
    _Unweave,
    _Weave,
    _woven,
    conv_transpose_phases,
    fir_phase_kernels,
)
from wspace.networks.resample import conv_upsample_fir, fir_kernel


def test_interleaving_phases_has_its_own_gradients() -> None:
    y = torch.randn(2, 12, 5, 4, dtype=torch.float64, requires_grad=True)
    image = _interleaved(y)
    assert image.shape == (2, 3, 8, 6)
    grad = torch.randn_like(image)
    (plain,) = torch.autograd.grad(image, y, grad)
    assert torch.equal(_taken_apart(grad), plain)
    assert torch.autograd.gradcheck(_Interleave.apply, (y,))
    assert torch.autograd.gradgradcheck(_Interleave.apply, (y,))


def test_kernels_of_phases_are_the_nine_taps_each_once() -> None:
    weight = torch.arange(2 * 3 * 9).reshape(2, 3, 3, 3)
    kernels = fir_phase_kernels(weight)
    assert [kernel.shape[2:] for kernel in kernels] == [(2, 2), (2, 1), (1, 2), (1, 1)]
    taps = torch.cat([kernel.flatten(start_dim=2) for kernel in kernels], dim=2)
    assert torch.equal(taps.sort(dim=2).values, weight.flatten(start_dim=2))
    assert kernels[0][0, 0].tolist() == [[8, 6], [2, 0]]
    assert kernels[3][0, 0].tolist() == [[4]]


@pytest.mark.parametrize("side", [(1, 1), (4, 4), (5, 3)])
def test_four_phases_are_the_transposed_convolution(side: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *side, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    found = conv_transpose_phases(x, fir_phase_kernels(weight))
    exact = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    torch.testing.assert_close(found, exact)
    grad = torch.randn_like(exact)
    torch.testing.assert_close(
        torch.autograd.grad(found, (x, weight), grad), torch.autograd.grad(exact, (x, weight), grad)
    )


def test_second_gradients_of_four_phases_are_right() -> None:
    x = torch.randn(1, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)

    def enlarge(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return conv_transpose_phases(x, fir_phase_kernels(weight))

    assert torch.autograd.gradcheck(enlarge, (x, weight))
    assert torch.autograd.gradgradcheck(enlarge, (x, weight))


def test_weaving_phases_has_its_own_gradients() -> None:
    shapes = [(2, 3, 3, 4), (2, 3, 3, 3), (2, 3, 2, 4), (2, 3, 2, 3)]
    parts = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    whole = _woven(parts)
    assert whole.shape == (2, 3, 5, 7)
    assert torch.equal(whole[:, :, 1::2, 0::2], parts[2])
    grad = torch.randn_like(whole)
    plain = torch.autograd.grad(whole, parts, grad)
    own = torch.autograd.grad(_Weave.apply(*parts), parts, grad)  # type: ignore[no-untyped-call]
    assert all(torch.equal(a, b) for a, b in zip(own, plain, strict=True))
    assert torch.autograd.gradcheck(_Weave.apply, parts)
    assert torch.autograd.gradgradcheck(_Weave.apply, parts)
    assert torch.autograd.gradgradcheck(_Unweave.apply, (whole.detach().requires_grad_(),))


@pytest.mark.parametrize("taps", [(1.0, 3.0, 3.0, 1.0), tuple(range(1, 13))])
def test_in_bfloat16_upsampling_runs_by_phases_and_stays_close(taps: tuple[float, ...]) -> None:
    random = torch.Generator().manual_seed(3)
    x = torch.randn(2, 6, 5, 7, generator=random)
    weight = torch.randn(4, 6, 3, 3, generator=random) / 7
    kernel = fir_kernel(taps)
    exact = conv_upsample_fir(x, weight, kernel)
    found = conv_upsample_fir(x.bfloat16(), weight, kernel).float()
    assert 0 < (found - exact).abs().max() < 0.03 * exact.abs().max()
