"""Single operators of StyleGAN1 against the numbers of the official code, with gradients."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from reference import assert_agrees, load_reference
from torch import Tensor

from wspace.networks.layers import EqualizedConv2d, EqualizedLinear, activate, minibatch_stddev
from wspace.networks.styles import AdaIN, pixel_norm
from wspace.ops.instance_norm import instance_norm
from wspace.ops.resample import (
    blur,
    conv_downsample,
    conv_upsample,
    downsample_mean,
    fir_filter,
    upsample_nearest,
)

Operands = dict[str, Tensor]
FACTS, TENSORS = load_reference("ops-sg1")


def _blur(args: dict[str, Any], x: Operands) -> Tensor:
    kernel = fir_filter(args["f"])
    if not args.get("normalize", True):
        kernel = kernel * sum(args["f"]) ** 2
    return blur(x["x"], kernel)


def _scaled(args: dict[str, Any], weight: Tensor) -> Tensor:
    """The 3x3 kernel that `EqualizedConv2d` would use for a TensorFlow weight."""
    kernel = weight.permute(3, 2, 0, 1)
    return kernel * (args["gain"] / math.sqrt(kernel[0].numel()))


def _conv_up(args: dict[str, Any], x: Operands) -> Tensor:
    kernel = _scaled(args, x["weight"])
    return conv_upsample(x["x"], kernel.flip(2, 3) if args["fused_scale"] else kernel)


def _conv(args: dict[str, Any], x: Operands) -> Tensor:
    layer = EqualizedConv2d(4, args["fmaps"], args["kernel"], bias=False, weight_gain=args["gain"])
    weight = {"weight": x["weight"].permute(3, 2, 0, 1)}
    return torch.func.functional_call(layer, weight, (x["x"],))


def _dense(args: dict[str, Any], x: Operands) -> Tensor:
    layer = EqualizedLinear(
        16, args["fmaps"], weight_gain=args["gain"], lr_multiplier=args.get("lrmul", 1)
    )
    return torch.func.functional_call(layer, {"weight": x["weight"].T}, (x["x"].flatten(1),))


def _bias(args: dict[str, Any], x: Operands) -> Tensor:
    layer = EqualizedLinear(4, 4, lr_multiplier=args["lrmul"])
    pixels = x["x"].permute(0, 2, 3, 1)
    identity = torch.eye(4) / layer.weight_scale
    tensors = {"weight": identity, "bias": x["bias"]}
    return torch.func.functional_call(layer, tensors, (pixels,)).permute(0, 3, 1, 2)


def _style(_: dict[str, Any], x: Operands) -> Tensor:
    layer = AdaIN(4, 5, normalize=False)
    tensors = {
        "affine.weight": x["StyleMod/weight"].T,
        "affine.bias": x["StyleMod/bias"],
    }
    return torch.func.functional_call(layer, tensors, (x["x"], x["dlatent"]))


def _stddev(args: dict[str, Any], x: Operands) -> Tensor:
    return minibatch_stddev(x["x"][: args["first_n"]], args["group_size"], args["num_new_features"])


def _repeated(step: Callable[[Tensor], Tensor]) -> Callable[[dict[str, Any], Operands], Tensor]:
    def run(args: dict[str, Any], x: Operands) -> Tensor:
        result = x["x"]
        for _ in range(args["factor"] // 2):
            result = step(result)
        return result

    return run


OPERATORS: dict[str, Callable[[dict[str, Any], Operands], Tensor]] = {
    "blur2d": _blur,
    "upscale2d": _repeated(upsample_nearest),
    "downscale2d": _repeated(downsample_mean),
    "upscale2d_conv2d": _conv_up,
    "conv2d_downscale2d": lambda a, x: conv_downsample(x["x"], _scaled(a, x["weight"])),
    "conv2d": _conv,
    "dense": _dense,
    "apply_bias": _bias,
    "leaky_relu": lambda _, x: activate(x["x"], "lrelu", gain=1.0),
    "pixel_norm": lambda _, x: pixel_norm(x["x"]),
    "instance_norm": lambda _, x: instance_norm(x["x"]),
    "style_mod": _style,
    "minibatch_stddev_layer": _stddev,
}
# No network resamples around a 1x1 convolution, or convolves without equalised rates.
CASES = [
    case
    for case in FACTS["cases"]
    if case["op"] in OPERATORS
    and not ("_conv2d" in case["op"] and case["args"]["kernel"] == 1)
    and not ("conv2d_" in case["op"] and case["args"]["kernel"] == 1)
    and case["args"].get("use_wscale", True)
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_operator_and_its_gradients_are_the_official_ones(case: dict[str, Any]) -> None:
    keys = case["inputs"] | case.get("variables", {})
    operands = {name: TENSORS[key].clone().requires_grad_() for name, key in keys.items()}
    output = OPERATORS[case["op"]](case["args"], operands)
    assert_agrees(output, TENSORS[case["output"]], tolerance=1e-5)
    if case["name"] == "blur2d/02":
        return  # the official gradient of an even blur is padded as the blur: not its adjoint
    wanted = case["grads"]
    gradients = torch.autograd.grad(
        output, [operands[name] for name in wanted], TENSORS[case["output_grad"]]
    )
    for (name, key), gradient in zip(wanted.items(), gradients, strict=True):
        assert_agrees(gradient, TENSORS[key], tolerance=5e-5, label=f"gradient of {name}")


def test_every_operator_that_the_networks_use_has_a_case() -> None:
    assert {case["op"] for case in CASES} == set(OPERATORS)
    assert len(CASES) == 25
