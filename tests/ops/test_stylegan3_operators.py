"""Single operators of StyleGAN3 against the numbers of the official code, with gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from reference import assert_agrees, load_reference
from slow_stylegan3 import literal_filtered_lrelu
from torch import Tensor

from wspace.networks.stylegan3.synthesis import FourierFeatures, Signal
from wspace.ops.filtered_lrelu import filtered_lrelu, lowpass_filter
from wspace.ops.modulated import demodulation, modulate

Operands = dict[str, Tensor]
FACTS, TENSORS = load_reference("ops-sg3")


def _lowpass(args: dict[str, Any], _: Operands) -> Tensor:
    return lowpass_filter(
        args["numtaps"], cutoff=args["cutoff"], width=args["width"], rate=args["fs"]
    )


def _filtered_lrelu(args: dict[str, Any], x: Operands) -> Tensor:
    y = x["x"] + x["b"][:, None, None] if "b" in x else x["x"]
    options = {"up": 1, "down": 1, "padding": [0, 0, 0, 0]} | args
    options["padding"] = tuple(options["padding"])
    return filtered_lrelu(y, x.get("fu"), x.get("fd"), **options)


def _modulated(args: dict[str, Any], x: Operands) -> Tensor:
    """As `AliasFreeLayer` computes it, with an input gain that may differ between channels."""
    weight, styles = x["w"], x["s"]
    demodulate = args.get("demodulate", True)
    if demodulate:
        weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
        styles = styles * styles.square().mean(dim=1, keepdim=True).rsqrt()
    y = modulate(x["x"], styles * x.get("input_gain", torch.ones([])))
    y = F.conv2d(y, weight, padding=args.get("padding", 0))
    return y * demodulation(weight, styles)[:, :, None, None] if demodulate else y


def _input(args: dict[str, Any], x: Operands) -> Tensor:
    signal = Signal(
        channels=args["channels"],
        size=args["size"],
        rate=args["sampling_rate"],
        cutoff=args["bandwidth"],
        half_width=1.0,
    )
    layer = FourierFeatures(signal, args["w_dim"])
    names = {"affine_weight": "affine.weight", "affine_bias": "affine.bias"}
    layer.load_state_dict({names.get(k, k): v for k, v in x.items() if k != "w"})
    return layer(x["w"])


OPERATORS: dict[str, Callable[[dict[str, Any], Operands], Tensor]] = {
    "design_lowpass_filter": _lowpass,
    "filtered_lrelu": _filtered_lrelu,
    "modulated_conv2d": _modulated,
    "synthesis_input": _input,
}
# No network mirrors its filters, or enlarges with a filter that is not separable.
UNUSED = ("filtered_lrelu/05", "filtered_lrelu/06")
CASES = [case for case in FACTS["cases"] if case["name"] not in UNUSED]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_operator_and_its_gradients_are_the_official_ones(case: dict[str, Any]) -> None:
    wanted = case.get("grads", {})
    operands = {
        name: TENSORS[key].clone().requires_grad_(name in wanted)
        for name, key in case["inputs"].items()
        if key is not None
    }
    output = OPERATORS[case["op"]](case["args"], operands)
    assert_agrees(output, TENSORS[case["output"]], tolerance=1e-5)
    with torch.no_grad():
        without = OPERATORS[case["op"]](case["args"], operands)
    torch.testing.assert_close(without, output)
    if wanted:
        gradients = torch.autograd.grad(
            output, [operands[name] for name in wanted], TENSORS[case["output_grad"]]
        )
        for (name, key), gradient in zip(wanted.items(), gradients, strict=True):
            assert_agrees(gradient, TENSORS[key], tolerance=5e-5, label=f"gradient of {name}")


def test_every_operator_that_the_networks_use_has_a_case() -> None:
    assert {case["op"] for case in CASES} == set(OPERATORS)
    assert len(CASES) == 19


@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize(
    ("up", "down", "up_taps", "down_taps", "padding"),
    [
        (2, 2, 12, 12, (9, 8, 9, 8)),
        (4, 2, 24, 12, (-6, -9, -6, -9)),
        (2, 2, 12, 12, (-11, -12, -10, -9)),
        (4, 2, 20, 10, (3, 4, 0, 9)),
        (4, 4, 20, 20, (5, 3, 7, 2)),
        (8, 2, 16, 4, (1, 2, 6, 0)),
        (3, 1, 9, 5, (1, 2, -1, 4)),
        (6, 2, 6, 2, (1, 2, -1, 4)),
        (2, 4, 12, 24, (15, 20, 11, 12)),
        (1, 1, 5, 7, (6, 2, 3, 4)),
    ],
)
def test_filtering_by_phases_equals_inserting_zeros_and_dropping_samples(
    radial: bool, up: int, down: int, up_taps: int, down_taps: int, padding: tuple[int, ...]
) -> None:
    random = torch.Generator().manual_seed(up * 100 + down)
    x = torch.randn(2, 3, 21, 24, generator=random)
    up_filter = torch.randn(up_taps, generator=random)
    shape = (down_taps, down_taps) if radial else (down_taps,)
    down_filter = torch.randn(shape, generator=random)
    result = filtered_lrelu(
        x,
        up_filter,
        down_filter,
        up=up,
        down=down,
        padding=padding,  # type: ignore[arg-type]
    )
    reference = literal_filtered_lrelu(x, up_filter, down_filter, up, down, padding)
    assert_agrees(result, reference, tolerance=1e-3)


def test_a_radial_filter_is_symmetric_and_sums_to_one() -> None:
    kernel = lowpass_filter(12, cutoff=5.0, width=4.0, rate=32.0, radial=True)
    assert kernel.shape == (12, 12)
    torch.testing.assert_close(kernel, kernel.rot90())
    torch.testing.assert_close(kernel, kernel.T)
    assert kernel.sum().item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 4, 1.3])
def test_a_radial_filter_treats_every_direction_alike(angle: float) -> None:
    kernel = lowpass_filter(40, cutoff=4.0, width=3.0, rate=32.0, radial=True).double()
    position = (torch.arange(40, dtype=torch.float64) - 19.5) / 32
    for frequency in (2.0, 4.0, 5.0):
        across = position * frequency * math.cos(angle)
        along = position * frequency * math.sin(angle)
        response = (kernel * torch.cos(2 * math.pi * (across + along[:, None]))).sum()
        straight = (kernel * torch.cos(2 * math.pi * position * frequency)).sum()
        # the square that the taps fill leaves a little direction in the window
        assert response.item() == pytest.approx(straight.item(), abs=0.01)
