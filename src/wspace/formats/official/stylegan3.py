"""StyleGAN3's PyTorch generators as wspace's.

Source: the modules of Karras et al. 2021's release (StyleGAN3); tensors have the same names here.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.formats.official.network import Facts, OfficialNetwork, TensorReader
from wspace.formats.official.stylegan2 import mapping_config, named_state, same_in_all
from wspace.networks.config import AliasFreeConfig, GeneratorConfig
from wspace.networks.generator import Generator
from wspace.networks.stylegan3.synthesis import layer_signals

__all__ = ["check_stylegan3_filters", "convert_stylegan3_generator"]

State = dict[str, Tensor]

_MAX_TAPS = 1_024  # of one axis; the official ones have up to 24

_ARGUMENTS = {
    *("w_dim", "img_resolution", "img_channels", "channel_base", "channel_max", "num_layers"),
    *("num_critical", "first_cutoff", "first_stopband", "last_stopband_rel", "margin_size"),
    *("output_scale", "num_fp16_res", "conv_kernel", "filter_size", "lrelu_upsampling"),
    *("use_radial_filters", "conv_clamp", "magnitude_ema_beta"),
}


def convert_stylegan3_generator(network: OfficialNetwork) -> tuple[GeneratorConfig, State]:
    """The configuration and state dict of the wspace generator that computes the same.

    Raises:
        WspaceError: a tensor is missing, or an argument asks for what wspace cannot do.
    """
    top, synthesis = network.module(""), network.module("synthesis")
    given = synthesis.values.get("_init_kwargs")
    arguments = Facts(synthesis.owner, given if isinstance(given, dict) else {})
    arguments.refuse_unknown(_ARGUMENTS)
    num_layers = synthesis.integer("num_layers")
    layers = sorted(
        (path for path in network.modules if _is_layer(path)),
        key=lambda path: int(path.split(".")[1][1:].split("_")[0]),
    )
    if len(layers) != num_layers + 1:
        raise WspaceError(
            f"{synthesis.owner} has {len(layers)} layers, not {num_layers + 1}: damaged file."
        )
    hidden, first = layers[:-1], network.module(layers[0])
    default = AliasFreeConfig()
    radial = any(network.module(path).flag("down_radial", False) for path in hidden)
    config = GeneratorConfig(
        architecture="alias-free",
        resolution=synthesis.integer("img_resolution"),
        image_channels=synthesis.integer("img_channels"),
        z_dim=top.integer("z_dim"),
        w_dim=top.integer("w_dim"),
        num_classes=top.integer("c_dim"),
        mapping=mapping_config(network),
        synthesis=AliasFreeConfig(
            channel_base=arguments.integer("channel_base", default.channel_base),
            channel_max=arguments.integer("channel_max", default.channel_max),
            num_layers=num_layers,
            num_critical=synthesis.integer("num_critical"),
            first_cutoff=arguments.number("first_cutoff", default.first_cutoff),
            first_stopband=arguments.number("first_stopband", default.first_stopband),
            last_stopband_rel=arguments.number("last_stopband_rel", default.last_stopband_rel),
            margin_size=synthesis.integer("margin_size"),
            output_scale=synthesis.number("output_scale"),
            conv_kernel=same_in_all(network, hidden, "conv_kernel").integer("conv_kernel"),
            filter_size=arguments.integer("filter_size", default.filter_size),
            lrelu_upsampling=arguments.integer("lrelu_upsampling", default.lrelu_upsampling),
            use_radial_filters=arguments.flag("use_radial_filters", radial),
            conv_clamp=first.optional_number("conv_clamp", None),
            magnitude_ema_beta=first.number("magnitude_ema_beta", default.magnitude_ema_beta),
        ),
    )
    same_in_all(network, layers, "conv_clamp")
    _refuse_large_filters(config, synthesis.owner)
    return config, named_state(network)


def _refuse_large_filters(config: GeneratorConfig, owner: str) -> None:
    """Refuse a schedule that makes no sense, or whose filters alone would fill the memory."""
    assert isinstance(config.synthesis, AliasFreeConfig)
    try:
        signals = layer_signals(
            config.synthesis, resolution=config.size.height, image_channels=config.image_channels
        )
        taps = [
            config.synthesis.filter_size
            * config.synthesis.lrelu_upsampling
            * (max(before.rate, after.rate) / min(before.rate, after.rate))
            for before, after in pairwise(signals)
        ]
    except (ArithmeticError, ValueError):
        taps = [math.inf]
    if max(taps) > _MAX_TAPS:
        raise WspaceError(
            f"{owner} has options that no filters can be made for: the file is damaged, or was "
            "not made by the official code."
        )


def check_stylegan3_filters(network: OfficialNetwork, generator: Generator) -> None:
    """Refuse a generator whose filters are not those that its configuration designs.

    A file does not state most numbers of the layer schedule; the filters show them all.

    Raises:
        WspaceError: a filter differs.
    """
    reader = TensorReader(network)
    for path, module in generator.named_modules():
        for leaf in ("up_filter", "down_filter"):
            name = f"{path}.{leaf}"
            ours = getattr(module, leaf, None)
            theirs = reader.take(name) if name in reader else None
            if ours is None or theirs is None:
                same = ours is theirs
            else:
                same = ours.shape == theirs.shape and torch.allclose(
                    ours, theirs, rtol=1e-4, atol=1e-6
                )
            if not same:
                raise WspaceError(
                    f"{network.arguments.owner}: {name} is not the filter that its options ask "
                    "for: it was not made by the official code, and was not imported."
                )


def _is_layer(path: str) -> bool:
    """Whether this is the path of a synthesis layer, L{index}_{size}_{channels}."""
    parent, _, name = path.rpartition(".")
    return (
        parent == "synthesis"
        and name.startswith("L")
        and name[1:].split("_")[0].isdecimal()
        and len(name) < 40
    )
