"""Upsampling by phases is the transposed convolution, and has gradients of its own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from wspace.ops.polyphase_convolution import (
    _Interleave,
    _interleaved,
    _taken_apart,
    _unweave,
    _weave,
    conv_transpose_phases,
    phase_kernels,
)
from wspace.ops.resample import conv_upsample_fir, fir_kernel


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
    kernels = phase_kernels(weight)
    assert [kernel.shape[2:] for kernel in kernels] == [(2, 2), (2, 1), (1, 2), (1, 1)]
    taps = torch.cat([kernel.flatten(start_dim=2) for kernel in kernels], dim=2)
    assert torch.equal(taps.sort(dim=2).values, weight.flatten(start_dim=2))
    assert kernels[0][0, 0].tolist() == [[8, 6], [2, 0]]
    assert kernels[3][0, 0].tolist() == [[4]]


@pytest.mark.parametrize("side", [(1, 1), (4, 4), (5, 3)])
def test_four_phases_are_the_transposed_convolution(side: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *side, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    found = conv_transpose_phases(x, phase_kernels(weight))
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
        return conv_transpose_phases(x, phase_kernels(weight))

    assert torch.autograd.gradcheck(enlarge, (x, weight))
    assert torch.autograd.gradgradcheck(enlarge, (x, weight))


@pytest.mark.parametrize("bordered", [False, True])
def test_weaving_phases_has_its_own_gradients(bordered: bool) -> None:
    shapes = [(2, 3, 3, 4), (2, 3, 3, 3), (2, 3, 2, 4), (2, 3, 2, 3)]
    parts = [torch.randn(*shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    whole = _weave(*parts, bordered)
    margin = 1 if bordered else 0
    assert whole.shape == (2, 3, 5 + 2 * margin, 7 + 2 * margin)
    inside = whole[:, :, margin : 5 + margin, margin : 7 + margin]
    assert torch.equal(inside[:, :, 1::2, 0::2], parts[2])
    assert torch.equal(inside[:, :, 0::2, 1::2], parts[1])
    assert torch.autograd.gradcheck(lambda *p: _weave(*p, bordered), parts)
    assert torch.autograd.gradgradcheck(lambda *p: _weave(*p, bordered), parts)
    apart = whole.detach().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda w: _unweave(w, bordered), (apart,))


def test_sums_across_a_border_are_zero() -> None:
    parts = [torch.randn(1, 2, *shape) for shape in ((3, 3), (3, 2), (2, 3), (2, 2))]
    whole = _weave(*parts, True)
    for line in (whole, whole.transpose(2, 3)):
        assert torch.equal(line[:, :, 0], -line[:, :, 1])
        assert torch.equal(line[:, :, -1], -line[:, :, -2])


@pytest.mark.parametrize("bordered", [False, True])
def test_a_compiler_is_told_what_weaving_makes(bordered: bool) -> None:
    parts = [torch.randn(1, 2, *shape) for shape in ((3, 3), (3, 2), (2, 3), (2, 2))]
    parts = [part.to(memory_format=torch.channels_last).requires_grad_() for part in parts]
    torch.library.opcheck(_weave, (*parts, bordered))
    torch.library.opcheck(_unweave, (_weave(*parts, bordered).detach().requires_grad_(), bordered))


@pytest.mark.parametrize("taps", [(1.0, 3.0, 3.0, 1.0), tuple(range(1, 13))])
def test_in_bfloat16_upsampling_runs_by_phases_and_stays_close(taps: tuple[float, ...]) -> None:
    random = torch.Generator().manual_seed(3)
    x = torch.randn(2, 6, 5, 7, generator=random)
    weight = torch.randn(4, 6, 3, 3, generator=random) / 7
    kernel = fir_kernel(taps)
    exact = conv_upsample_fir(x, weight, kernel)
    found = conv_upsample_fir(x.bfloat16(), weight, kernel).float()
    assert 0 < (found - exact).abs().max() < 0.03 * exact.abs().max()
