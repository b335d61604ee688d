"""A convolution whose gradients, of any order, are convolutions as fast as itself on a CPU.

R1 and path length need gradients of gradients. Those that torch derives swap images with channels,
which is several times as slow, and take grouped channels one after the other, even where the weight
does not learn (benchmarks/RESULTS.md). Here three operators are each other's gradients: maps by
weight, its adjoint, and the gradient of the weight.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.ops import choose, winograd

__all__ = ["convolve"]

# Strides, paddings, dilations and the number of groups, as torch's own operators take them.
_How = tuple[list[int], list[int], list[int], int]


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    groups: int = 1,
    transformed: Tensor | None = None,
    onto: Tensor | None = None,
) -> Tensor:
    """Correlate maps with kernels, with zero padding.

    Args:
        x: (N, I, H, W). Under autocast it is rounded as torch's own convolution would.
        weight: (O, I / groups, k, k'); rounded to the type of the maps.
        bias: (O,), or None.
        stride: of rows and columns.
        padding: zeros on both sides of rows and columns.
        groups: of channels that only meet each other.
        transformed: ``winograd.transform_weight(weight)`` where that is at hand; for drawing.
        onto: maps (N, O, H', W') of the type of ``x``, which the result is added to in place; they
            are returned; for drawing.

    Returns:
        (N, O, H', W'), differentiable any number of times.
    """
    how = (_pair(stride), _pair(padding), [1, 1], groups)
    if onto is not None:
        return _add_onto(onto, x, weight.to(x.dtype), bias, how)
    dtype = choose.working_dtype(x)
    inner = choose.convolution_dtype(x, strided_groups=groups > 1 and max(how[0]) > 1)
    x, weight = x.to(inner), weight.to(inner)
    bias = None if bias is None else bias.to(inner)
    with choose.without_autocast(x):
        if choose.leaves_gradients_to_torch(x, weight):
            y = F.conv2d(x, weight, bias, *how)
        elif torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):
            y = _apply(_MapsByWeight, x, weight, bias, how)
        else:
            y = _correlate(x, weight, bias, how, transformed)
        return y.to(dtype)


def _pair(number: int | tuple[int, int]) -> list[int]:
    return [number, number] if isinstance(number, int) else list(number)


class _MapsByWeight(torch.autograd.Function):
    """Maps by weight to maps: (N, I, H, W) and (O, I / groups, k, k') to (N, O, H', W')."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, how: _How) -> Tensor:
        # a weight that does not learn needs no maps
        ctx.save_for_backward(x if ctx.needs_input_grad[1] else None, weight)
        ctx.how, ctx.shape = how, x.shape
        return _correlate(x, weight, bias, how)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        return (
            _apply(_Adjoint, grad, weight, ctx.how, ctx.shape) if of_x else None,
            _apply(_WeightGradient, x, grad, ctx.how, weight.shape) if of_weight else None,
            grad.sum(dim=(0, 2, 3)) if of_bias else None,
            None,
        )


class _Adjoint(torch.autograd.Function):
    """What `_MapsByWeight` does to gradients: (N, O, H', W') to (N, I, H, W)."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, weight: Tensor, how: _How, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grad if ctx.needs_input_grad[1] else None, weight)
        ctx.how = how
        return _adjoint(grad, weight, how, shape)

    @staticmethod
    def backward(ctx: Any, second: Tensor) -> tuple[Tensor | None, ...]:
        grad, weight = ctx.saved_tensors
        of_grad, of_weight, *_ = ctx.needs_input_grad
        return (
            _apply(_MapsByWeight, second, weight, None, ctx.how) if of_grad else None,
            _apply(_WeightGradient, second, grad, ctx.how, weight.shape) if of_weight else None,
            None,
            None,
        )


class _WeightGradient(torch.autograd.Function):
    """(N, I, H, W) and (N, O, H', W') to the weight's gradient, (O, I / groups, k, k')."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, grad: Tensor, how: _How, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(x, grad)
        ctx.how = how
        return _weight_gradient(x, grad, how, shape)

    @staticmethod
    def backward(ctx: Any, second: Tensor) -> tuple[Tensor | None, ...]:
        x, grad = ctx.saved_tensors
        of_x, of_grad, *_ = ctx.needs_input_grad
        return (
            _apply(_Adjoint, grad, second, ctx.how, x.shape) if of_x else None,
            _apply(_MapsByWeight, x, second, None, ctx.how) if of_grad else None,
            None,
            None,
        )


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    result: Tensor = function.apply(*arguments)
    return result


def _correlate(
    x: Tensor, weight: Tensor, bias: Tensor | None, how: _How, transformed: Tensor | None = None
) -> Tensor:
    if _same_size(weight.shape, how) and choose.winograd_pays(
        x, weight, transformed=transformed is not None
    ):
        y = winograd.correlate(x, weight, transformed)
        return y if bias is None else y.add_(bias[:, None, None])
    return F.conv2d(x, weight, bias, *how)


def _add_onto(onto: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, how: _How) -> Tensor:
    """Add a convolution to maps: by oneDNN while it convolves, or in a second pass."""
    stride, padding, dilation, groups = how
    bias = None if bias is None else bias.to(x.dtype)
    if not choose.adds_while_convolving(x):
        return onto.add_(F.conv2d(x, weight, bias, *how))
    torch.ops.mkldnn._convolution_pointwise_.binary(
        onto, x, weight, bias, padding, stride, dilation, groups, "add", 1.0, None, [], None
    )
    return onto


def _adjoint(grad: Tensor, weight: Tensor, how: _How, shape: torch.Size) -> Tensor:
    if _same_size(weight.shape, how) and choose.winograd_pays(grad, weight):
        return winograd.correlate(grad, weight.flip(2, 3).transpose(0, 1))
    strides, paddings, _, groups = how
    if groups == shape[1] == len(weight) and strides == [1, 1]:
        # one map by one kernel: with it mirrored, oneDNN takes 30 to 75 % of the time
        sides = [side - 1 - zeros for side, zeros in zip(weight.shape[2:], paddings, strict=True)]
        if min(sides) >= 0:
            return F.conv2d(grad, weight.flip(2, 3), None, 1, sides, 1, groups)
    return _gradients(grad, _of_shape(shape, grad), weight, how, 0)


def _weight_gradient(x: Tensor, grad: Tensor, how: _How, shape: torch.Size) -> Tensor:
    if _same_size(shape, how) and choose.winograd_weight_gradient_pays(x, grad):
        return winograd.weight_gradient(x, grad)
    return _gradients(grad, x, _of_shape(shape, grad), how, 1)


def _of_shape(shape: torch.Size, like: Tensor) -> Tensor:
    """A tensor of which nothing is read but its shape, layout and type."""
    return torch.empty(
        shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last
    )


def _gradients(grad: Tensor, x: Tensor, weight: Tensor, how: _How, which: int) -> Tensor:
    """The gradient by the maps (0) or by the weight (1)."""
    *sides, groups = how
    mask = [which == k for k in range(3)]
    gradients = torch.ops.aten.convolution_backward(
        grad, x, weight, None, *sides, False, [0, 0], groups, mask
    )
    result: Tensor = gradients[which]
    return result


def _same_size(shape: torch.Size, how: _How) -> bool:
    """Whether it is a 3x3 convolution with as many pixels after it as before."""
    return shape[2:] == (3, 3) and how == ([1, 1], [1, 1], [1, 1], 1)
