"""The shapes that the operators' docstrings state are those of what they return."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from stated_shapes import functions, stated, worked_out
from torch import Tensor, nn

import wspace.ops
from wspace.ops import winograd
from wspace.ops.bands import BANDS, amplify_bands, filter_bank
from wspace.ops.blurred_resampling import BlurredResampling
from wspace.ops.convolution import convolve
from wspace.ops.filtered_lrelu import filtered_lrelu, lowpass_filter, upsample_axis
from wspace.ops.frozen import FrozenConvolution
from wspace.ops.instance_norm import instance_norm
from wspace.ops.modulated import (
    ModulatedConvolution,
    demodulation,
    kernel_energy,
    modulate,
    modulated_pixelwise,
)
from wspace.ops.polyphase_convolution import (
    conv_transpose_phases,
    conv_upsample_phases,
    phase_kernels,
    sum_of_shifts,
    upsample_phase_kernel,
)
from wspace.ops.polyphase_filter import filter_by_phases
from wspace.ops.resample import (
    blur,
    conv_downsample,
    conv_downsample_fir,
    conv_upsample,
    conv_upsample_fir,
    downsample_mean,
    fir,
    fir_downsample,
    fir_filter,
    fir_kernel,
    fir_upsample,
    upsample_fir_kernels,
    upsample_kernel,
    upsample_nearest,
)
from wspace.ops.warp import mirrored, scaling, translation, warp

N, I, O, H, W = 2, 3, 5, 8, 12  # noqa: E741
SIZES = {"N": N, "I": I, "C": I, "O": O, "H": H, "W": W, "k": 3}
BINOMIAL = (1.0, 3.0, 3.0, 1.0)


def x() -> Tensor:
    return torch.randn(N, I, H, W)


def weight(side: int = 3) -> Tensor:
    return torch.randn(O, I, side, side)


def styles() -> Tensor:
    return torch.randn(N, I)


def modulated(up: bool) -> Tensor:
    operator = ModulatedConvolution(fir_kernel(BINOMIAL) if up else None)
    y: Tensor = operator(x(), weight(), styles(), bias=torch.randn(O))
    return y


def blurred() -> BlurredResampling:
    return BlurredResampling((1.0, 2.0, 1.0))


Result = Tensor | Sequence[Tensor]
# by name: the call, and what the names in its docstring stand for beside `SIZES`
CALLS: dict[str, list[tuple[Callable[[], Result], dict[str, int]]]] = {
    "bands.amplify_bands": [(lambda: amplify_bands(x(), torch.ones(N, BANDS)), {})],
    "bands.filter_bank": [(filter_bank, {"BANDS": BANDS})],
    "blurred_resampling.BlurredResampling.upsample": [
        (lambda: blurred().upsample(x(), weight(), torch.randn(O)), {})
    ],
    "blurred_resampling.BlurredResampling.downsample": [
        (lambda: blurred().downsample(x(), weight()), {})
    ],
    "convolution.convolve": [
        (lambda: convolve(x(), weight(), stride=(2, 1), padding=1), {"H'": 4, "W'": 12})
    ],
    "filtered_lrelu.lowpass_filter": [
        (lambda: lowpass_filter(6, cutoff=2.0, width=3.0, rate=16.0), {"num_taps": 6})
    ],
    "filtered_lrelu.filtered_lrelu": [
        (
            lambda: filtered_lrelu(
                x(), torch.ones(12), torch.ones(12), up=2, down=2, padding=(9, 8, 11, 10)
            ),
            {"H'": (16 + 21 - 11 - 11 - 1) // 2 + 1, "W'": (24 + 17 - 11 - 11 - 1) // 2 + 1},
        )
    ],
    "filtered_lrelu.upsample_axis": [
        (
            lambda: upsample_axis(x(), torch.ones(4), 2, 3, -1, axis=2),
            {"H'": 2 * H + 3 - 1 - 3},
        )
    ],
    "frozen.FrozenConvolution.forward": [
        (lambda: FrozenConvolution(nn.Conv2d(I, O, 3, stride=2))(x()), {"H'": 3, "W'": 5})
    ],
    "instance_norm.instance_norm": [(lambda: instance_norm(x()), {})],
    "modulated.ModulatedConvolution.forward": [
        (lambda: modulated(up=False), {"H'": H, "W'": W}),
        (lambda: modulated(up=True), {"H'": 2 * H, "W'": 2 * W}),
    ],
    "modulated.modulate": [(lambda: modulate(x(), styles()), {})],
    "modulated.kernel_energy": [(lambda: kernel_energy(weight()), {})],
    "modulated.demodulation": [(lambda: demodulation(weight(), styles()), {})],
    "modulated.modulated_pixelwise": [
        (lambda: modulated_pixelwise(x(), weight(1), styles(), torch.randn(O)), {})
    ],
    "polyphase_convolution.phase_kernels": [(lambda: phase_kernels(weight()), {})],
    "polyphase_convolution.conv_transpose_phases": [
        (lambda: conv_transpose_phases(x(), phase_kernels(weight())), {}),
    ],
    "polyphase_convolution.upsample_phase_kernel": [(lambda: upsample_phase_kernel(weight()), {})],
    "polyphase_convolution.conv_upsample_phases": [
        (lambda: conv_upsample_phases(x(), upsample_phase_kernel(weight())), {})
    ],
    "polyphase_convolution.sum_of_shifts": [(lambda: sum_of_shifts(weight()), {})],
    "polyphase_filter.filter_by_phases": [
        (
            lambda: filter_by_phases(
                x(),
                torch.ones(12),
                torch.ones(12),
                up=4,
                down=2,
                padding=(9, 8, 11, 10),
                act=torch.tanh,
            ),
            {"H'": (32 + 21 - 11 - 11 - 1) // 2 + 1, "W'": (48 + 17 - 11 - 11 - 1) // 2 + 1},
        )
    ],
    "resample.fir_filter": [(lambda: fir_filter(BINOMIAL), {"T": 4})],
    "resample.blur": [(lambda: blur(x(), fir_filter(BINOMIAL)), {})],
    "resample.upsample_nearest": [(lambda: upsample_nearest(x()), {})],
    "resample.downsample_mean": [(lambda: downsample_mean(x()), {})],
    "resample.upsample_kernel": [(lambda: upsample_kernel(weight(), torch.float32), {})],
    "resample.upsample_fir_kernels": [(lambda: upsample_fir_kernels(weight(), torch.float32), {})],
    "resample.conv_upsample": [(lambda: conv_upsample(x(), weight()), {})],
    "resample.conv_downsample": [(lambda: conv_downsample(x(), weight()), {})],
    "resample.fir_kernel": [(lambda: fir_kernel(BINOMIAL), {"T": 4})],
    "resample.fir": [
        (
            lambda: fir(x(), fir_kernel(BINOMIAL), (1, 2), stride=2),
            {"H'": (H + 3 - 4) // 2 + 1, "W'": (W + 3 - 4) // 2 + 1},
        )
    ],
    "resample.fir_downsample": [(lambda: fir_downsample(x(), fir_kernel(BINOMIAL)), {})],
    "resample.fir_upsample": [(lambda: fir_upsample(x(), fir_kernel(BINOMIAL)), {})],
    "resample.conv_upsample_fir": [
        (lambda: conv_upsample_fir(x(), weight(), fir_kernel(BINOMIAL)), {})
    ],
    "resample.conv_downsample_fir": [
        (lambda: conv_downsample_fir(x(), weight(), fir_kernel(BINOMIAL)), {})
    ],
    "warp.warp": [(lambda: warp(x(), torch.eye(3).expand(N, 3, 3)), {})],
    "warp.translation": [(lambda: translation(torch.ones(N), 2.0, x()), {})],
    "warp.scaling": [(lambda: scaling(torch.ones(N), 2.0, x()), {})],
    "warp.mirrored": [
        (lambda: mirrored(4, 2, 3, torch.device("cpu")), {"before": 2, "side": 4, "after": 3})
    ],
    "winograd.transform_weight": [(lambda: winograd.transform_weight(weight()), {})],
    "winograd.correlate": [(lambda: winograd.correlate(x(), weight()), {})],
    "winograd.weight_gradient": [
        (lambda: winograd.weight_gradient(x(), torch.randn(N, O, H, W)), {})
    ],
}
FUNCTIONS: dict[str, Any] = dict(functions(wspace.ops))


def test_every_operator_whose_docstring_states_a_shape_is_called() -> None:
    assert {name for name, function in FUNCTIONS.items() if stated(function)} == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_results_have_the_stated_shapes(name: str) -> None:
    for call, sizes in CALLS[name]:
        result = call()
        results = [result] if isinstance(result, Tensor) else result
        shapes = [worked_out(shape, SIZES | sizes) for shape in stated(FUNCTIONS[name])]
        assert shapes[: len(results)] == [tuple(one.shape) for one in results]
