"""A generator's networks as nodes of an ONNX graph: each `forward` of `networks`, once more.

Trained tensors keep the names that the model file has for them; scales that never change are
multiplied into them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, count, pairwise

import numpy as np
import torch
from torch import Tensor

from wspace.exporting import operators as op
from wspace.exporting.graph import Graph
from wspace.networks.config import AdaINConfig
from wspace.networks.generator import Generator
from wspace.networks.layers import EqualizedConv2d, gain_around
from wspace.networks.mapping import MappingNetwork
from wspace.networks.stylegan1.synthesis import AdaINLayer, AdaINSynthesis
from wspace.networks.stylegan2.synthesis import DemodulatedLayer, DemodulatedSynthesis, ToRGB
from wspace.networks.stylegan3.synthesis import AliasFreeLayer, AliasFreeSynthesis, FourierFeatures
from wspace.networks.styles import pixel_norm
from wspace.ops.resample import upsample_kernel

__all__ = ["Styles", "mapping", "picture", "style_widths", "synthesis", "truncated"]


def style_widths(generator: Generator) -> list[int]:
    """The channels of each style, in the order of `Generator.affine_layers`."""
    return [len(affine.bias) for _, affine in generator.affine_layers]


class Styles:
    """What the affine layers make of ws, one after the other.

    Args:
        graph: gets the nodes.
        generator: has the layers.
        ws: (N, num_ws, w_dim).
        offsets: (N or 1, channels of all styles), added to them; None to add nothing.
    """

    def __init__(
        self, graph: Graph, generator: Generator, ws: str, offsets: str | None = None
    ) -> None:
        self._graph, self._ws = graph, ws
        names = {id(module): name for name, module in generator.named_modules()}
        self._layers = [
            (layer, affine, names[id(affine)]) for layer, affine in generator.affine_layers
        ]
        self._biases: list[str] | None = None
        if offsets is not None:
            own = torch.cat([affine.bias * affine.bias_scale for _, affine, _ in self._layers])
            shifted = graph.call("Add", offsets, graph.weight("synthesis.style_biases", own[None]))
            # Not by one Split: graphics cards have room for fewer outputs than there are styles.
            ends = list(accumulate(style_widths(generator)))
            self._biases = [
                graph.call("Slice", shifted, graph.whole(first), graph.whole(end), graph.whole(1))
                for first, end in pairwise([0, *ends])
            ]

    def __call__(self, number: int) -> str:
        """The style of that number in `Generator.affine_layers`, (N, channels)."""
        layer, affine, name = self._layers[number]
        w = self._graph.call("Gather", self._ws, self._graph.numbers(layer, np.int64), axis=1)
        bias = None if self._biases is None else self._biases[number]
        return op.linear(self._graph, w, affine, name, bias=bias)


def mapping(graph: Graph, network: MappingNetwork, z: str, classes: str | None) -> str:
    """`MappingNetwork.w`.

    Args:
        graph: gets the nodes.
        network: of a generator.
        z: (N, z_dim), float32.
        classes: (N,), int64; where the network has classes.

    Returns:
        (N, w_dim).
    """
    config = network.config
    parts = [z]
    if classes is not None:
        # a row a class, which is all that a one-hot class picks
        rows = network.class_rows if config.class_input == "concat" else _embedded(network)
        table = graph.weight("mapping.classes", rows)
        parts.append(graph.call("Gather", table, classes, axis=0))
    if config.normalize_z and (classes is None or config.class_input == "embed"):
        parts[0] = op.pixel_norm(graph, z, network.z_dim)
    x = parts[0] if len(parts) == 1 else graph.call("Concat", *parts, axis=1)
    if config.normalize_z and classes is not None and config.class_input == "concat":
        x = op.pixel_norm(graph, x, 2 * network.z_dim)
    for i in range(config.num_layers):
        layer = getattr(network, f"fc{i}")
        # what is rounded here moves whole pictures: of avatars in int8, to 41 dB instead of 54
        x = op.linear(graph, x, layer, f"mapping.fc{i}", channels=None)
        x = op.activate(graph, x, config.activation, gain=config.activation_gain)
    return x


@torch.no_grad()
def _embedded(network: MappingNetwork) -> Tensor:
    return pixel_norm(network.embed(torch.eye(network.num_classes)))


def truncated(graph: Graph, generator: Generator, w: str, psi: str) -> str:
    """`truncation.truncate` of one w for all layers.

    Args:
        graph: gets the nodes.
        generator: has the mean.
        w: (N, w_dim).
        psi: (N or 1, num_ws or 1).

    Returns:
        (N, num_ws, w_dim).
    """
    mean = graph.numbers(generator.w_avg)
    step = graph.call("Unsqueeze", graph.call("Sub", w, mean), graph.whole(1))  # (N, 1, w_dim)
    strength = graph.call("Unsqueeze", psi, graph.whole(2))
    ws = graph.call("Add", mean, graph.call("Mul", step, strength))  # (N, num_ws or 1, w_dim)
    return graph.call("Expand", ws, graph.whole(1, generator.num_ws, 1))


def synthesis(graph: Graph, generator: Generator, styles: Styles, noise: Sequence[str]) -> str:
    """`forward` of the synthesis network.

    Args:
        graph: gets the nodes.
        generator: of any generation.
        styles: of the affine layers.
        noise: a map (N or 1, 1, H, W) a noise layer.

    Returns:
        (N, image_channels, height, width), nominally in [-1, 1].
    """
    network = generator.synthesis
    if isinstance(network, AdaINSynthesis):
        return _adain(graph, generator, network, styles, noise)
    if isinstance(network, DemodulatedSynthesis):
        return _demodulated(graph, generator, network, styles, noise)
    assert isinstance(network, AliasFreeSynthesis)
    return _alias_free(graph, network, styles)


def picture(graph: Graph, image: str, channels: int) -> str:
    """`images.to_uint8`: (N, C, H, W), float32, to (N, H, W, C), uint8; alpha straight."""
    from onnx import TensorProto

    scaled = graph.call("Add", op.multiply(graph, image, 127.5), graph.numbers(128))
    scaled = graph.call("Clip", scaled, graph.numbers(0), graph.numbers(255))
    if channels == 4:
        colours, alpha = (
            graph.call("Slice", value, graph.whole(first), graph.whole(last), graph.whole(1))
            for value, first, last in ((image, 0, 3), (scaled, 3, 4))
        )
        alpha = graph.call("Floor", alpha)
        light = op.multiply(graph, graph.call("Add", colours, graph.numbers(1)), 0.5 * 255 * 255)
        light = graph.call("Div", light, graph.call("Max", alpha, graph.numbers(1)))
        light = graph.call("Add", light, graph.numbers(0.5))
        light = graph.call("Clip", light, graph.numbers(0), graph.numbers(255))
        seen = graph.call("Min", alpha, graph.numbers(1))
        scaled = graph.call("Concat", graph.call("Mul", light, seen), alpha, axis=1)
    pixels = graph.call("Cast", scaled, to=TensorProto.UINT8)
    return graph.call("Transpose", pixels, perm=[0, 2, 3, 1])


def _adain(
    graph: Graph,
    generator: Generator,
    network: AdaINSynthesis,
    styles: Styles,
    noise: Sequence[str],
) -> str:
    config = generator.config.synthesis
    assert isinstance(config, AdaINConfig)
    lod = network.lod
    last = len(network.to_rgb) - 1 - math.floor(lod)
    x = previous = graph.weight("synthesis.const", network.const)
    for k in range(last + 1):
        previous = x
        for i in network.block_layers[k]:
            x = _adain_layer(graph, network.layers[i], i, x, styles(i), noise[i])  # type: ignore[arg-type]
    image = _to_rgb(graph, network, last, x)
    fraction = lod - math.floor(lod)
    if fraction > 0:
        before = op.upsample_nearest(graph, _to_rgb(graph, network, last - 1, previous))
        blended = op.multiply(graph, before, fraction)
        image = graph.call("Add", op.multiply(graph, image, 1 - fraction), blended)
    for _ in range(math.floor(lod)):
        image = op.upsample_nearest(graph, image)
    return image


def _adain_layer(graph: Graph, layer: AdaINLayer, i: int, x: str, style: str, noise: str) -> str:
    name = f"synthesis.layers.{i}"
    channels = len(layer.bias)
    if layer.conv is None:
        x = op.add_channels(graph, x, layer.bias, f"{name}.bias")
    elif layer.blur is None:
        weight = graph.weight(f"{name}.conv.weight", layer.conv.scaled_weight, channels=0)
        x = op.convolve(graph, x, weight, graph.weight(f"{name}.bias", layer.bias), kernel=3)
    else:
        kernel = upsample_kernel(layer.conv.scaled_weight, torch.float32)  # (I, O, 4, 4)
        weight = graph.weight(f"{name}.conv.weight", kernel, channels=1)
        x = op.upsampling_convolution(graph, x, weight, kernel=4, pad=1)
        bias = graph.weight(f"{name}.bias", layer.bias)
        if layer.blur.kernel is None:
            x = graph.call("Add", x, graph.call("Unsqueeze", bias, graph.whole(1, 2)))
        else:
            x = op.blur(graph, x, layer.blur.kernel, channels, bias)
    strength = graph.weight(f"{name}.noise_strength", layer.noise_strength.reshape(-1, 1, 1))
    x = graph.call("Add", x, graph.call("Mul", noise, strength))
    x = op.activate(graph, x, layer.activation, gain=1.0)
    if layer.pixel_norm:
        x = op.pixel_norm(graph, x, channels)
    if layer.style.normalize:
        x = op.instance_norm(graph, x, channels)
    scale, bias = (
        op.per_channel(
            graph,
            graph.call("Slice", style, graph.whole(k), graph.whole(k + channels), graph.whole(1)),
        )
        for k in (0, channels)
    )
    scale = graph.call("Add", scale, graph.numbers(1))
    return graph.call("Add", graph.call("Mul", x, scale), bias)


def _to_rgb(graph: Graph, network: AdaINSynthesis, k: int, x: str) -> str:
    layer = network.to_rgb[k]
    assert isinstance(layer, EqualizedConv2d)
    assert layer.bias is not None
    weight = graph.weight(f"synthesis.to_rgb.{k}.weight", layer.scaled_weight, channels=0)
    bias = graph.weight(f"synthesis.to_rgb.{k}.bias", layer.bias)
    return op.convolve(graph, x, weight, bias, kernel=1)


def _demodulated(
    graph: Graph,
    generator: Generator,
    network: DemodulatedSynthesis,
    styles: Styles,
    noise: Sequence[str],
) -> str:
    size, image_channels = generator.size, generator.image_channels
    maps: list[str | None] = list(noise) or [None] * (2 * len(network.sides) - 1)
    x, image = "", ""
    numbers = count()
    for k, (side, block) in enumerate(zip(network.sides, network.blocks, strict=True)):
        name, i = f"synthesis.b{side}", max(2 * k - 1, 0)
        channels = block.conv1.weight.shape[0]
        kernel = block.resample_filter
        y = ""
        if block.has_skip:
            weight = block.skip.scaled_weight * math.sqrt(0.5)
            y = op.convolve(
                graph, x, graph.weight(f"{name}.skip.weight", weight, channels=0), kernel=1
            )
            y = op.fir_upsample(graph, y, kernel, channels)
        if block.is_first:
            x = graph.weight(f"{name}.const", block.const[None])
        else:
            style = styles(next(numbers))
            x = _demodulated_layer(graph, block.conv0, f"{name}.conv0", x, style, maps[i])
            i += 1
        gain = math.sqrt(0.5) if y else 1.0
        conv1, style = block.conv1, styles(next(numbers))
        x = _demodulated_layer(graph, conv1, f"{name}.conv1", x, style, maps[i], gain=gain)
        x = graph.call("Add", x, y) if y else x
        if image:
            image = op.fir_upsample(graph, image, kernel, image_channels)
        if block.has_torgb:
            area = size.halved(size.doublings - k)
            style = styles(next(numbers))
            rgb = _torgb(graph, block.torgb, f"{name}.torgb", x, style, tuple(area))
            image = graph.call("Add", image, rgb) if image else rgb
    return image


def _demodulated_layer(
    graph: Graph,
    layer: DemodulatedLayer,
    name: str,
    x: str,
    styles: str,
    noise: str | None,
    *,
    gain: float = 1.0,
) -> str:
    before, after = gain_around(layer.activation, gain)
    up_filter = layer.convolution.up_filter
    channels = layer.weight.shape[0]
    x = graph.call("Mul", x, op.per_channel(graph, styles))
    if up_filter is None:
        weight = graph.weight(f"{name}.weight", layer.weight, channels=0)
        x = op.convolve(graph, x, weight, kernel=3)
    else:
        weight = graph.weight(f"{name}.weight", layer.weight.transpose(0, 1), channels=1)
        x = op.upsampling_convolution(graph, x, weight, kernel=3, pad=0)
        taps = up_filter.shape[0]
        sides = ((taps + 1) // 2 - 1, (taps - 2) // 2)
        x = op.fir(graph, x, up_filter, channels, sides, gain=4.0)
    scale = _demodulation(graph, weight, styles, transposed=up_filter is not None)
    x = graph.call("Mul", x, op.per_channel(graph, op.multiply(graph, scale, before)))
    if noise is not None:
        strength = graph.weight(f"{name}.noise_strength", layer.noise_strength * before)
        x = graph.call("Add", x, graph.call("Mul", noise, strength))
    x = op.add_channels(graph, x, layer.bias * before, f"{name}.bias")
    bound = None if layer.clamp is None else layer.clamp * gain
    return op.activate(graph, x, layer.activation, gain=after, bound=bound)


def _demodulation(
    graph: Graph, weight: str, styles: str, *, transposed: bool = False, eps: float = 1e-8
) -> str:
    """`modulated.demodulation`, (N, O); the weight is (I, O, k, k) if transposed."""
    energy = graph.call(
        "ReduceSum", graph.call("Mul", weight, weight), graph.whole(2, 3), keepdims=0
    )
    if not transposed:
        energy = graph.call("Transpose", energy, perm=[1, 0])  # (I, O)
    sums = graph.call("MatMul", graph.call("Mul", styles, styles), energy)
    deviation = graph.call("Sqrt", graph.call("Add", sums, graph.numbers(eps)))
    return graph.call("Reciprocal", deviation)


def _torgb(
    graph: Graph, layer: ToRGB, name: str, x: str, styles: str, size: tuple[int, ...]
) -> str:
    """`ToRGB.forward`, as one product a picture: its maps are read once."""
    channels, before = layer.weight.shape[:2]
    scaled = layer.weight.flatten(start_dim=1) * layer.weight_scale
    weight = graph.weight(f"{name}.weight", scaled, channels=0)
    weights = graph.call("Mul", graph.call("Unsqueeze", styles, graph.whole(1)), weight)
    pixels = graph.call("Reshape", x, graph.whole(0, before, -1))  # (N, I, H W)
    image = graph.call("MatMul", weights, pixels)  # (N, O, H W)
    image = graph.call("Reshape", image, graph.whole(0, channels, *size))
    image = op.add_channels(graph, image, layer.bias, f"{name}.bias")
    return op.clamp(graph, image, layer.clamp)


def _alias_free(graph: Graph, network: AliasFreeSynthesis, styles: Styles) -> str:
    x = _fourier_features(graph, network.input, styles(0))
    side = network.input.signal.size
    for i, layer in enumerate(network.layers):
        name = f"synthesis.{network.layer_names[i]}"
        x, side = _alias_free_layer(graph, layer, name, x, styles(i + 1), side)
    return op.multiply(graph, x, network.output_scale)


def _alias_free_layer(
    graph: Graph, layer: AliasFreeLayer, name: str, x: str, styles: str, side: int
) -> tuple[str, int]:
    """`AliasFreeLayer.forward`, and the side of what it makes of maps of that side."""
    channels, before, kernel = layer.weight.shape[:3]
    weight = layer.weight.detach()
    if layer.is_torgb:
        styles = op.multiply(graph, styles, 1 / math.sqrt(before))
    else:
        weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
        styles = op.pixel_norm(graph, styles, before, eps=0.0)
    magnitude = layer.magnitude_ema.rsqrt().item()
    stored = graph.weight(f"{name}.weight", weight, channels=0)
    scaled = op.multiply(graph, styles, magnitude)
    x = graph.call("Mul", x, op.per_channel(graph, scaled))
    x = op.convolve(graph, x, stored, kernel=kernel, pad=kernel - 1)
    if not layer.is_torgb:
        x = graph.call("Mul", x, op.per_channel(graph, _demodulation(graph, stored, styles)))
    x = op.add_channels(graph, x, layer.bias, f"{name}.bias")
    side += kernel - 1
    x = op.filtered_activation(
        graph,
        x,
        layer.up_filter,
        layer.down_filter,
        channels=channels,
        side=side,
        up=layer.up,
        down=layer.down,
        padding=layer.padding[:2],
        gain=1.0 if layer.is_torgb else math.sqrt(2),
        slope=1.0 if layer.is_torgb else 0.2,
        bound=layer.clamp,
    )
    taps = [1 if line is None else len(line) for line in (layer.up_filter, layer.down_filter)]
    enlarged = side * layer.up + sum(layer.padding[:2]) - (taps[0] - 1)
    return x, (enlarged - taps[1]) // layer.down + 1


def _fourier_features(graph: Graph, layer: FourierFeatures, t: str) -> str:
    """`FourierFeatures.forward`, (N, C, side, side), of its style (N, 4)."""
    signal, name = layer.signal, "synthesis.input"
    turn = graph.call("Slice", t, graph.whole(0), graph.whole(2), graph.whole(1))
    square = graph.call("ReduceSum", graph.call("Mul", turn, turn), graph.whole(1), keepdims=1)
    t = graph.call("Div", t, graph.call("Sqrt", square))
    # of cosine and sine the rows (cosine, -sine), (sine, cosine)
    rows = np.array([[1, 0, 0, 1], [0, -1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    turn = graph.call("MatMul", t, graph.numbers(rows))
    turn = graph.call("Reshape", turn, graph.whole(-1, 2, 2))
    shift = graph.call("Slice", t, graph.whole(2), graph.whole(4), graph.whole(1))
    shift = graph.call("Neg", graph.call("Unsqueeze", shift, graph.whole(2)))  # (N, 2, 1)
    matrix = graph.call("Concat", turn, graph.call("MatMul", turn, shift), axis=2)  # (N, 2, 3)
    matrix = graph.call("MatMul", matrix, graph.numbers(layer.transform))
    linear, offset = (
        graph.call("Slice", matrix, graph.whole(a), graph.whole(b), graph.whole(2))
        for a, b in ((0, 2), (2, 3))
    )
    stored = graph.numbers(layer.freqs)
    moved = graph.call("MatMul", stored, offset)  # (N, C, 1)
    phases = graph.call("Add", moved, graph.numbers(layer.phases[:, None]))
    freqs = graph.call("MatMul", stored, linear)  # (N, C, 2)
    square = graph.call("ReduceSum", graph.call("Mul", freqs, freqs), graph.whole(2), keepdims=1)
    excess = graph.call("Sub", graph.call("Sqrt", square), graph.numbers(signal.cutoff))
    excess = op.multiply(graph, excess, 1 / (signal.rate / 2 - signal.cutoff))
    amplitudes = graph.call("Sub", graph.numbers(1), excess)
    amplitudes = graph.call("Clip", amplitudes, graph.numbers(0), graph.numbers(1))  # (N, C, 1)
    steps = torch.arange(signal.size, dtype=torch.float32)
    position = (steps + 0.5 - signal.size / 2) / signal.rate
    lines = []
    for axis in (0, 1):
        own = graph.call("Slice", freqs, graph.whole(axis), graph.whole(axis + 1), graph.whole(2))
        lines.append(graph.call("Mul", own, graph.numbers(position)))  # (N, C, side)
    across = graph.call("Unsqueeze", lines[0], graph.whole(2))
    along = graph.call("Unsqueeze", graph.call("Add", lines[1], phases), graph.whole(3))
    angle = op.multiply(graph, graph.call("Add", across, along), 2 * math.pi)
    waves = graph.call("Sin", angle)
    waves = graph.call("Mul", waves, graph.call("Unsqueeze", amplitudes, graph.whole(3)))
    weight = (layer.weight / math.sqrt(signal.channels))[:, :, None, None]
    return op.convolve(graph, waves, graph.weight(f"{name}.weight", weight, channels=0), kernel=1)
