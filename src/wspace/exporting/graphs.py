"""The graphs that a model leaves with: mapping, synthesis, the whole, and its stored noise."""

from __future__ import annotations

import numpy as np

from wspace.exporting import networks
from wspace.exporting.graph import Graph, Port, WeightType
from wspace.networks.generator import Generator

__all__ = ["ABOUT", "OFFSETS", "graphs_of", "noise_name"]

ABOUT = {
    "mapping": "z (and a class) to w, not truncated",
    "synthesis": "one w a layer, and noise maps, to images and pictures",
    "whole": "z, psi (and a class) to images and pictures, with the stored noise",
    "defaults": "what synthesis takes where nothing else is asked: stored noise, styles unchanged",
}
BATCH = "batch"
BATCH_OR_1 = "batch or 1"
OFFSETS = "style_offsets"


def noise_name(number: int) -> str:
    """What the map of a noise layer is called, as an input and as an output."""
    return f"noise_{number}"


def graphs_of(generator: Generator, weights: WeightType = "float32") -> dict[str, Graph]:
    """The graphs of a generator, by name.

    Args:
        generator: on the CPU, its weights in float32.
        weights: see `Graph`.
    """
    return {
        "mapping": _mapping(generator, weights),
        "synthesis": _synthesis(generator, weights),
        "whole": _whole(generator, weights),
        "defaults": _defaults(generator, weights),
    }


def _mapping(generator: Generator, weights: WeightType) -> Graph:
    graph = Graph("mapping", weights)
    w = _w(graph, generator)
    about = "each picture's w, not truncated: w_avg + psi * (w - w_avg) truncates it"
    graph.give(w, Port(name="w", dtype="float32", shape=(BATCH, generator.w_dim), about=about))
    return graph


def _synthesis(generator: Generator, weights: WeightType) -> Graph:
    graph = Graph("synthesis", weights)
    shape = (BATCH, generator.num_ws, generator.w_dim)
    about = "a w for each layer: truncated, mixed, edited"
    ws = graph.take(Port(name="ws", dtype="float32", shape=shape, about=about))
    maps = [graph.take(port) for port in _noise_ports(generator)]
    styles = networks.Styles(graph, generator, ws, graph.take(_offsets_port(generator)))
    _pictures(graph, generator, styles, maps)
    return graph


def _whole(generator: Generator, weights: WeightType) -> Graph:
    graph = Graph("whole", weights)
    w = _w(graph, generator)
    about = (
        f"truncation of each picture and layer: 1 is off, 0 the mean picture; the second side is "
        f"{generator.num_ws}, or 1 for all layers alike"
    )
    shape = (BATCH_OR_1, "layers or 1")
    psi = graph.take(Port(name="psi", dtype="float32", shape=shape, about=about))
    styles = networks.Styles(graph, generator, networks.truncated(graph, generator, w, psi))
    _pictures(graph, generator, styles, _stored_noise(graph, generator))
    return graph


def _defaults(generator: Generator, weights: WeightType) -> Graph:
    graph = Graph("defaults", weights)
    for value, port in zip(_stored_noise(graph, generator), _noise_ports(generator), strict=True):
        graph.give(value, _of_one(port))
    port = _of_one(_offsets_port(generator))
    graph.give(graph.numbers(np.zeros(port.shape)), port)
    return graph


def _of_one(port: Port) -> Port:
    """The same for one picture."""
    return Port(name=port.name, dtype=port.dtype, shape=(1, *port.shape[1:]), about=port.about)


def _w(graph: Graph, generator: Generator) -> str:
    """The inputs that mapping takes, and the w of them."""
    about = "latents, N(0, 1)"
    shape = (BATCH, generator.z_dim)
    z = graph.take(Port(name="z", dtype="float32", shape=shape, about=about))
    classes = None
    if generator.num_classes:
        about = f"the class of each picture, 0 to {generator.num_classes - 1}"
        classes = graph.take(Port(name="class", dtype="int64", shape=(BATCH,), about=about))
    return networks.mapping(graph, generator.mapping, z, classes)


def _noise_ports(generator: Generator) -> list[Port]:
    """The inputs for noise, one a noise layer."""
    return [
        Port(
            name=noise_name(number),
            dtype="float32",
            shape=(BATCH_OR_1, 1, height, width),
            about=f"what layer {layer} of ws adds: N(0, 1), zeros for none",
        )
        for number, (layer, (height, width)) in enumerate(
            zip(generator.noise_layers, generator.noise_shapes, strict=True)
        )
    ]


def _offsets_port(generator: Generator) -> Port:
    """The input for changes of styles."""
    return Port(
        name=OFFSETS,
        dtype="float32",
        shape=(BATCH_OR_1, sum(networks.style_widths(generator))),
        about="added to the channels of all styles, one style after the other; zeros for none",
    )


def _stored_noise(graph: Graph, generator: Generator) -> list[str]:
    return [
        graph.weight(f"noise_const.{number}", stored)
        for number, stored in enumerate(generator.const_noise)
    ]


def _pictures(
    graph: Graph, generator: Generator, styles: networks.Styles, noise: list[str]
) -> None:
    """The outputs of synthesis: its image as it is, and in bytes."""
    channels = generator.image_channels
    image = networks.synthesis(graph, generator, styles, noise)
    height, width = generator.size
    alpha = "; colours times alpha" if channels == 4 else ""
    about = f"nominally in [-1, 1]{alpha}"
    shape: tuple[int | str, ...] = (BATCH, channels, height, width)
    graph.give(image, Port(name="image", dtype="float32", shape=shape, about=about))
    kind = {1: "grey", 3: "red, green, blue", 4: "red, green, blue, alpha"}[channels]
    shape = (BATCH, height, width, channels)
    pixels = networks.picture(graph, image, channels)
    graph.give(pixels, Port(name="picture", dtype="uint8", shape=shape, about=kind))
