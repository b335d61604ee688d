"""A convolution that never learns, through which gradients of gradients flow fast."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["FrozenConvolution"]


class FrozenConvolution(nn.Module):
    """What a trained convolution does to its maps, for good: its weight and bias are buffers.

    As R1 needs it, the gradient of a gradient is again a convolution. torch's own takes grouped
    convolutions apart, one channel at a time, for the weight's sake, which learns nothing here
    (benchmarks/RESULTS.md). Nor are maps kept for the weight.

    On a CPU a strided grouped convolution is worked out in float32 where maps are bfloat16:
    oneDNN's gradient of one takes 40 to 300 times as long in that.

    Args:
        convolution: not transposed, padded with zeros.
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.out_channels, self.stride = convolution.out_channels, convolution.stride
        bias = convolution.bias
        self.register_buffer("weight", convolution.weight.detach(), persistent=False)
        self.register_buffer("bias", None if bias is None else bias.detach(), persistent=False)
        self.how = (
            list(convolution.stride),
            [int(side) for side in convolution.padding],
            list(convolution.dilation),
            convolution.groups,
        )
        self.slow_in_bf16 = convolution.groups > 1 and max(convolution.stride) > 1

    def forward(self, x: Tensor) -> Tensor:
        """(N, I, H, W) to (N, O, H', W'), differentiable any number of times."""
        if self.slow_in_bf16 and x.dtype == torch.bfloat16 and x.device.type == "cpu":
            with torch.autocast("cpu", enabled=False):
                return self._convolve(x.float()).to(x.dtype)
        return self._convolve(x)

    def _convolve(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling() or not (torch.is_grad_enabled() and x.requires_grad):
            return F.conv2d(x, self.weight, self.bias, *self.how)
        return _apply(_Convolution, x, self.weight, self.bias, self.how)


class _Convolution(torch.autograd.Function):
    """Maps to maps."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, how: Any) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.how, ctx.shape = how, x.shape
        return F.conv2d(x, weight, bias, *how)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None, None]:
        (weight,) = ctx.saved_tensors
        return _apply(_Adjoint, grad, weight, ctx.how, ctx.shape), None, None, None


class _Adjoint(torch.autograd.Function):
    """What `_Convolution` does to gradients."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, weight: Tensor, how: Any, shape: torch.Size) -> Tensor:
        weight = weight.to(grad.dtype)  # autocast ends with the forward pass
        ctx.save_for_backward(weight)
        ctx.how = how
        *sides, groups = how
        x = torch.empty(
            shape, dtype=grad.dtype, device=grad.device, memory_format=torch.channels_last
        )  # nothing of it is read but its shape and layout
        adjoint = torch.ops.aten.convolution_backward(
            grad, x, weight, None, *sides, False, [0, 0], groups, [True, False, False]
        )
        result: Tensor = adjoint[0]
        return result

    @staticmethod
    def backward(ctx: Any, second: Tensor) -> tuple[Tensor | None, None, None, None]:
        (weight,) = ctx.saved_tensors
        second = second.to(weight.dtype)
        return _apply(_Convolution, second, weight, None, ctx.how), None, None, None


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    result: Tensor = function.apply(*arguments)
    return result
