"""What networks compute, as nodes of an ONNX graph, in the forms that runtimes are fast with.

Whatever follows from weights alone is worked out here by the operators of `ops` themselves.
Results differ from theirs by the order of sums.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from wspace.exporting.graph import Graph
from wspace.networks.layers import ACTIVATIONS, EqualizedLinear
from wspace.ops.filtered_lrelu import upsample_axis

__all__ = [
    "activate",
    "add_channels",
    "blur",
    "clamp",
    "convolve",
    "filtered_activation",
    "fir",
    "fir_upsample",
    "instance_norm",
    "linear",
    "multiply",
    "per_channel",
    "pixel_norm",
    "upsample_nearest",
    "upsampling_convolution",
    "upsampling_matrix",
]

# Up to this many samples, enlarging an axis is faster as one product with a matrix.
_MATRIX_SIDE = 160


def linear(
    graph: Graph,
    x: str,
    layer: EqualizedLinear,
    name: str,
    *,
    bias: str | None = None,
    channels: int | None = 0,
) -> str:
    """`EqualizedLinear`: (N, in_features) to (N, out_features).

    Args:
        graph: gets the nodes.
        x: (N, in_features).
        layer: has the weights.
        name: of the layer.
        bias: (N or 1, out_features), in the place of the layer's own.
        channels: see `Graph.weight`.
    """
    weight = graph.weight(f"{name}.weight", layer.weight * layer.weight_scale, channels=channels)
    if bias is None:
        bias = graph.weight(f"{name}.bias", layer.bias * layer.bias_scale)
    return graph.call("Gemm", x, weight, bias, transB=1)


def activate(
    graph: Graph, x: str, name: str, *, gain: float | None = None, bound: float | None = None
) -> str:
    """`layers.activate`."""
    _, slope, own_gain = ACTIVATIONS[name]
    gain = own_gain if gain is None else gain
    if name == "lrelu":
        x = graph.call("LeakyRelu", x, alpha=slope)
    elif name == "swish":
        x = graph.call("Mul", x, graph.call("Sigmoid", x))
    elif name != "linear":
        operators = {"relu", "tanh", "sigmoid", "elu", "selu", "softplus"}
        assert name in operators
        x = graph.call(name.capitalize(), x)
    return clamp(graph, multiply(graph, x, gain), bound)


def multiply(graph: Graph, x: str, factor: float) -> str:
    """``x`` times a number."""
    return x if factor == 1 else graph.call("Mul", x, graph.numbers(factor))


def clamp(graph: Graph, x: str, bound: float | None) -> str:
    """``x`` within -bound and bound; None for no bound."""
    if bound is None:
        return x
    return graph.call("Clip", x, graph.numbers(-bound), graph.numbers(bound))


def per_channel(graph: Graph, values: str) -> str:
    """(N, C) to (N, C, 1, 1)."""
    return graph.call("Unsqueeze", values, graph.whole(2, 3))


def add_channels(graph: Graph, x: str, tensor: Tensor, name: str) -> str:
    """A number a channel added to maps (N, C, H, W)."""
    return graph.call("Add", x, graph.weight(name, tensor.reshape(-1, 1, 1)))


def pixel_norm(graph: Graph, x: str, channels: int, eps: float = 1e-8) -> str:
    """`styles.pixel_norm` of (N, C) or (N, C, H, W)."""
    energy = graph.call("ReduceSum", graph.call("Mul", x, x), graph.whole(1), keepdims=1)
    mean = multiply(graph, energy, 1 / channels)
    mean = graph.call("Add", mean, graph.numbers(eps)) if eps else mean
    return graph.call("Div", x, graph.call("Sqrt", mean))


def instance_norm(graph: Graph, x: str, channels: int, eps: float = 1e-8) -> str:
    """`ops.instance_norm.instance_norm` of (N, C, H, W)."""
    ones, zeros = graph.numbers(np.ones(channels)), graph.numbers(np.zeros(channels))
    return graph.call("InstanceNormalization", x, ones, zeros, epsilon=eps)


def convolve(
    graph: Graph, x: str, weight: str, bias: str = "", *, kernel: int, pad: int | None = None
) -> str:
    """A convolution with square kernels; by default with as many pixels after it as before."""
    pad = kernel // 2 if pad is None else pad
    values = [x, weight, bias] if bias else [x, weight]
    return graph.call("Conv", *values, kernel_shape=[kernel, kernel], pads=[pad] * 4)


def blur(graph: Graph, x: str, kernel: Tensor, channels: int, bias: str = "") -> str:
    """`resample.blur` of (N, C, H, W) by one (T, T) kernel."""
    taps = kernel.shape[0]
    before, after = (taps - 1) // 2, taps // 2
    return _filter_each(graph, x, kernel, channels, (before, after), bias)


def fir(
    graph: Graph, x: str, kernel: Tensor, channels: int, sides: tuple[int, int], *, gain: float
) -> str:
    """`resample.fir` without a stride."""
    if kernel.ndim == 2:
        return _filter_each(graph, x, kernel * gain, channels, sides)
    for line in (kernel[:, None], kernel[None]):
        x = _filter_each(graph, x, line * gain**0.5, channels, sides)
    return x


def fir_upsample(graph: Graph, x: str, kernel: Tensor, channels: int) -> str:
    """`resample.fir_upsample`: (N, C, H, W) to (N, C, 2H, 2W)."""
    taps = kernel.shape[0]
    # of the full convolution, what lies outside of the enlarged maps
    before, after = taps - 1 - (taps + 1) // 2, taps - 2 - (taps - 2) // 2
    lines = [kernel * 4] if kernel.ndim == 2 else [kernel[:, None] * 2, kernel[None] * 2]
    for line in lines:
        x = _insert_and_filter(graph, x, line.flip(0, 1), channels, before, after, 2)
    return x


def upsample_nearest(graph: Graph, x: str) -> str:
    """`resample.upsample_nearest`: (N, C, H, W) to (N, C, 2H, 2W)."""
    return graph.call(
        "Resize",
        x,
        "",
        graph.numbers([1, 1, 2, 2]),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def upsampling_convolution(graph: Graph, x: str, weight: str, *, kernel: int, pad: int) -> str:
    """A transposed convolution with stride 2: (N, C, H, W) to about twice the sides."""
    return graph.call(
        "ConvTranspose", x, weight, kernel_shape=[kernel] * 2, strides=[2, 2], pads=[pad] * 4
    )


def filtered_activation(
    graph: Graph,
    x: str,
    up_filter: Tensor | None,
    down_filter: Tensor | None,
    *,
    channels: int,
    side: int,
    up: int,
    down: int,
    padding: tuple[int, int],
    gain: float,
    slope: float,
    bound: float | None,
) -> str:
    """`filtered_lrelu.filtered_lrelu` of (N, C, side, side), alike on both axes."""
    before, after = padding
    if up_filter is None:
        x = multiply(graph, _pad(graph, x, (before, after), (before, after)), gain)
    elif side <= _MATRIX_SIDE:
        matrix = upsampling_matrix(
            up_filter * (up * math.sqrt(gain)), side, up=up, before=before, after=after
        )
        across = graph.numbers(matrix)
        along = graph.call("Transpose", across, perm=[1, 0])
        x = graph.call("MatMul", along, graph.call("MatMul", x, across))
    else:
        line = up_filter * (up * math.sqrt(gain))
        taps = len(line)
        first, last = taps - 1 - before, taps - up - after  # of the full convolution, cut off
        for kernel in (line[:, None], line[None]):
            x = _insert_and_filter(graph, x, kernel, channels, first, last, up)
    if slope != 1:
        x = graph.call("LeakyRelu", x, alpha=slope)
    x = clamp(graph, x, bound)
    if down_filter is None:
        return x
    mirrored = down_filter.flip(list(range(down_filter.ndim)))
    lines = [mirrored] if mirrored.ndim == 2 else [mirrored[:, None], mirrored[None]]
    for kernel in lines:
        x = _filter_each(graph, x, kernel, channels, (0, 0), stride=down)
    return x


def upsampling_matrix(line: Tensor, side: int, *, up: int, before: int, after: int) -> Tensor:
    """What enlarging one axis is as a product: (side, side') to multiply rows of samples with.

    Args:
        line: (T,), the filter.
        side: samples of the axis.
        up: factor of enlargement.
        before: zeros in front at the enlarged size; a negative number crops.
        after: zeros behind, likewise.
    """
    samples = torch.eye(side)[:, None, None]  # (side, 1, 1, side): a picture of one row a sample
    return upsample_axis(samples, line, up, before, after, axis=3)[:, 0, 0]


def _filter_each(
    graph: Graph,
    x: str,
    kernel: Tensor,
    channels: int,
    sides: tuple[int, int],
    bias: str = "",
    *,
    stride: int = 1,
) -> str:
    """Each map by one kernel (T, T'), zeros around; an axis with one tap is left alone."""
    before, after = sides
    rows, columns = (len(kernel) > 1, kernel.shape[1] > 1) if kernel.numel() > 1 else (True, True)
    weight = graph.numbers(kernel.expand(channels, 1, -1, -1))
    pads = [before * rows, before * columns, after * rows, after * columns]
    if min(pads) < 0:
        x, pads = _pad(graph, x, (pads[0], pads[2]), (pads[1], pads[3])), [0] * 4
    return graph.call(
        "Conv",
        *([x, weight, bias] if bias else [x, weight]),
        kernel_shape=list(kernel.shape),
        strides=[stride if rows else 1, stride if columns else 1],
        pads=pads,
        group=channels,
    )


def _insert_and_filter(
    graph: Graph, x: str, kernel: Tensor, channels: int, first: int, last: int, up: int
) -> str:
    """Each map enlarged with zeros between its samples, then convolved truly with (T, T').

    An axis with one tap is left alone where the other has more. ``first`` and ``last`` samples of
    the full convolution are cut off; negative numbers put zeros there.
    """
    rows, columns = (len(kernel) > 1, kernel.shape[1] > 1) if kernel.numel() > 1 else (True, True)
    cut = [first * rows, first * columns, last * rows, last * columns]
    weight = graph.numbers(kernel.expand(channels, 1, -1, -1))
    x = graph.call(
        "ConvTranspose",
        x,
        weight,
        kernel_shape=list(kernel.shape),
        strides=[up if rows else 1, up if columns else 1],
        pads=[max(number, 0) for number in cut],
        group=channels,
    )
    missing = [max(-number, 0) for number in cut]
    return _pad(graph, x, (missing[0], missing[2]), (missing[1], missing[3]))


def _pad(graph: Graph, x: str, rows: tuple[int, int], columns: tuple[int, int]) -> str:
    """Zeros before and after; negative numbers crop."""
    if not any((*rows, *columns)):
        return x
    return graph.call("Pad", x, graph.whole(0, 0, rows[0], columns[0], 0, 0, rows[1], columns[1]))
