"""Single operators of StyleGAN2-ADA against the numbers of the official code, with gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from reference import assert_agrees, load_reference
from torch import Tensor

from wspace.networks.layers import EqualizedLinear, activate, minibatch_stddev
from wspace.networks.styles import pixel_norm
from wspace.ops.modulated import demodulation, modulate
from wspace.ops.resample import (
    conv_downsample_fir,
    conv_upsample_fir,
    fir,
    fir_downsample,
    fir_kernel,
    fir_upsample,
)

Operands = dict[str, Tensor]
FACTS, TENSORS = load_reference("ops-sg2ada")


def _setup(args: dict[str, Any], _: Operands) -> Tensor:
    kernel = fir_kernel(args["f"])
    return kernel.flip(list(range(kernel.ndim)))


def _filter2d(_: dict[str, Any], x: Operands) -> Tensor:
    taps = x["f"].shape[0]
    return fir(x["x"], fir_kernel(x["f"]), (taps // 2, (taps - 1) // 2))


def _resampled_conv(args: dict[str, Any], x: Tensor, weight: Tensor, f: Tensor | None) -> Tensor:
    if args.get("up") == 2:
        kernel = fir_kernel(f)
        if weight.shape[2] == 1:
            return fir_upsample(F.conv2d(x, weight), kernel)
        return conv_upsample_fir(x, weight, kernel)
    if args.get("down") == 2:
        return conv_downsample_fir(x, weight, fir_kernel(f))
    return F.conv2d(x, weight, padding=args.get("padding", 0))


def _modulated(args: dict[str, Any], x: Operands) -> Tensor:
    weight, styles = x["weight"], x["styles"]
    y = _resampled_conv(args, modulate(x["x"], styles), weight, x.get("resample_filter"))
    if args.get("demodulate", True):
        y = y * demodulation(weight, styles)[:, :, None, None]
    return y + x["noise"] if "noise" in x else y


def _bias_act(args: dict[str, Any], x: Operands) -> Tensor:
    y = x["x"] + x["b"][:, None, None] if "b" in x else x["x"]
    name = args.get("act", "linear")
    return activate(y, name, gain=args.get("gain"), clamp=args.get("clamp"))


def _stddev(args: dict[str, Any], x: Operands) -> Tensor:
    return minibatch_stddev(x["x"][: args["first_n"]], args["group_size"], args["num_channels"])


def _dense(args: dict[str, Any], x: Operands) -> Tensor:
    layer = EqualizedLinear(10, 7, lr_multiplier=args["lr_multiplier"])
    tensors = {"weight": x["weight"], "bias": x["bias"]}
    return activate(torch.func.functional_call(layer, tensors, (x["x"],)), args["activation"])


OPERATORS: dict[str, Callable[[dict[str, Any], Operands], Tensor]] = {
    "setup_filter": _setup,
    "filter2d": _filter2d,
    "upsample2d": lambda _, x: fir_upsample(x["x"], fir_kernel(x["f"])),
    "downsample2d": lambda _, x: fir_downsample(x["x"], fir_kernel(x["f"])),
    "conv2d_resample": lambda a, x: _resampled_conv(a, x["x"], x["w"], x.get("f")),
    "bias_act": _bias_act,
    "modulated_conv2d": _modulated,
    "minibatch_std": _stddev,
    "normalize_2nd_moment": lambda _, x: pixel_norm(x["x"]),
    "fully_connected": _dense,
}


def _used(case: dict[str, Any]) -> bool:
    """Whether the networks need this form of the operator."""
    op, args = case["op"], case["args"]
    if op == "setup_filter":
        return set(args) == {"f"} and args["f"] != 3
    if op in ("filter2d", "upsample2d", "downsample2d"):
        return not args
    if op == "bias_act":
        return "dim" not in args and not ("alpha" in args and args["act"] == "lrelu")
    if op == "conv2d_resample":
        plain = not args.get("up") and not args.get("down")
        if plain:
            return False  # PyTorch's own convolution
        flipped = args.get("flip_weight", True)
        kernel = TENSORS[case["inputs"]["w"]].shape
        known = set(args) <= {"up", "down", "padding", "flip_weight"} and not (
            "up" in args and "down" in args
        )
        return known and (
            kernel[2:] == (1, 1) or (kernel[2:] == (3, 3) and flipped == ("down" in args))
        )
    if op == "modulated_conv2d":  # true convolution only where the layer upsamples
        return "flip_weight" not in args or "up" in args
    return op in OPERATORS


CASES = [case for case in FACTS["cases"] if _used(case)]


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
    if wanted:
        gradients = torch.autograd.grad(
            output, [operands[name] for name in wanted], TENSORS[case["output_grad"]]
        )
        for (name, key), gradient in zip(wanted.items(), gradients, strict=True):
            assert_agrees(gradient, TENSORS[key], tolerance=5e-5, label=f"gradient of {name}")


def test_every_operator_that_the_networks_use_has_a_case() -> None:
    assert {case["op"] for case in CASES} == set(OPERATORS)
    assert len(CASES) == 64
