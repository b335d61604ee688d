"""StyleGAN2's PyTorch networks as wspace's, from either repository that pickles them.

Source: the modules of StyleGAN2-ADA's and StyleGAN3's releases; tensors have the same names here.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.formats.official.network import Facts, OfficialNetwork, TensorReader
from wspace.networks.config import (
    BlockArchitecture,
    DemodulatedConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
)
from wspace.networks.layers import ACTIVATIONS

__all__ = [
    "convert_stylegan2_discriminator",
    "convert_stylegan2_generator",
    "mapping_config",
    "named_state",
]

State = dict[str, Tensor]

# Arguments of each part that are read from its attributes or tensors, or that only choose between
# ways to compute the same (fp16, memory layout, fused kernels).
_SIZES = {"z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "num_ws"}
_SPEED = {"num_fp16_res", "use_fp16", "fp16_channels_last", "fused_modconv_default"}
_BLOCK = {"architecture", "resample_filter", "conv_clamp", "activation", "channel_base"}
_SYNTHESIS = _SIZES | _SPEED | _BLOCK | {"channel_max", "kernel_size", "use_noise"}
_MAPPING = _SIZES | {
    *("num_layers", "embed_features", "layer_features", "activation", "lr_multiplier"),
    "w_avg_beta",
}
_DISCRIMINATOR = {
    *(_SIZES | _SPEED | _BLOCK),
    *("channel_max", "cmap_dim", "block_kwargs", "mapping_kwargs", "epilogue_kwargs"),
}
_DISCRIMINATOR_BLOCK = _SPEED | _BLOCK | {"freeze_layers"}
_EPILOGUE = {"mbstd_group_size", "mbstd_num_channels", "activation", "conv_clamp", "architecture"}


def convert_stylegan2_generator(network: OfficialNetwork) -> tuple[GeneratorConfig, State]:
    """The configuration and state dict of the wspace generator that computes the same.

    Raises:
        WspaceError: a tensor is missing, or an argument asks for what wspace cannot do.
    """
    top, synthesis = network.module(""), network.module("synthesis")
    refuse_unknown_arguments(synthesis, _SYNTHESIS)
    resolution = synthesis.integer("img_resolution")
    sides = _sides(resolution, synthesis)
    layers = [f"synthesis.b{side}.conv1" for side in sides]
    config = GeneratorConfig(
        architecture="demodulated",
        resolution=resolution,
        image_channels=synthesis.integer("img_channels"),
        z_dim=top.integer("z_dim"),
        w_dim=top.integer("w_dim"),
        num_classes=top.integer("c_dim"),
        mapping=mapping_config(network),
        synthesis=DemodulatedConfig(
            channels=tuple(network.shape(f"{layer}.bias", 1)[0] for layer in layers),
            architecture=block_architecture(network, [f"synthesis.b{side}" for side in sides]),
            resample_filter=filter_taps(network, f"synthesis.b{resolution}.resample_filter"),
            activation=same_in_all(network, layers, "activation").text("activation", "lrelu"),
            conv_clamp=same_in_all(network, layers, "conv_clamp").optional_number(
                "conv_clamp", None
            ),
            use_noise=same_in_all(network, layers, "use_noise").flag("use_noise", True),
        ),
    )
    return config, named_state(network)


def convert_stylegan2_discriminator(network: OfficialNetwork) -> tuple[DiscriminatorConfig, State]:
    """The configuration and state dict of the wspace discriminator that computes the same.

    Raises:
        WspaceError: as `convert_stylegan2_generator`.
    """
    top, epilogue = network.module(""), network.module("b4")
    refuse_unknown_arguments(top, _DISCRIMINATOR)
    for name, known in (("block_kwargs", _DISCRIMINATOR_BLOCK), ("epilogue_kwargs", _EPILOGUE)):
        given = network.arguments.values.get(name)
        Facts(top.owner, given if isinstance(given, dict) else {}).refuse_unknown(known)
    resolution, num_classes = top.integer("img_resolution"), top.integer("c_dim")
    sides = _sides(resolution, top)
    layers = ["b4.conv", *(f"b{side}.conv0" for side in sides[1:])]
    mbstd = network.modules.get("b4.mbstd")
    class_dim = epilogue.integer("cmap_dim", network.shape("b4.out.bias", 1)[0])
    config = DiscriminatorConfig(
        architecture="demodulated",
        resolution=resolution,
        image_channels=top.integer("img_channels"),
        num_classes=num_classes,
        channels=tuple(network.shape(f"{layer}.bias", 1)[0] for layer in layers),
        block_architecture=block_architecture(network, [f"b{side}" for side in sides]),
        resample_filter=filter_taps(network, f"b{resolution}.resample_filter")
        if resolution > 4
        else (1.0, 3.0, 3.0, 1.0),
        activation=same_in_all(network, layers, "activation").text("activation", "lrelu"),
        conv_clamp=same_in_all(network, layers, "conv_clamp").optional_number("conv_clamp", None),
        mbstd_group_size=mbstd.optional_integer("group_size") if mbstd else None,
        mbstd_num_channels=mbstd.integer("num_channels") if mbstd else 0,
        class_dim=class_dim if num_classes > 0 else None,
        mapping=mapping_config(network) if num_classes > 0 else None,
    )
    state = named_state(network)
    if config.projection_dim == 0:  # cmap_dim=0: there is a mapping, but nothing looks at it
        state = {name: t for name, t in state.items() if not name.startswith("mapping.")}
    return config, state


def mapping_config(network: OfficialNetwork) -> MappingConfig:
    """The mapping network of a StyleGAN2 or StyleGAN3 network."""
    facts = network.module("mapping")
    refuse_unknown_arguments(facts, _MAPPING)
    num_layers = network.count("mapping.fc{}.weight")
    layers = [f"mapping.fc{i}" for i in range(num_layers)]
    activation, lr_multiplier = "lrelu", 0.01
    if num_layers > 0:
        activation = same_in_all(network, layers, "activation").text("activation", "lrelu")
        lr_multiplier = same_in_all(network, layers, "bias_gain").number("bias_gain")
    if activation not in ACTIVATIONS:
        raise WspaceError(f"{facts.owner}: activation={activation!r} is unknown: not imported.")
    has_embedding = "mapping.embed.weight" in network.tensors
    return MappingConfig(
        num_layers=num_layers,
        hidden_dim=network.shape("mapping.fc0.weight", 2)[0] if num_layers > 1 else None,
        embed_dim=network.shape("mapping.embed.weight", 2)[0] if has_embedding else None,
        lr_multiplier=lr_multiplier,
        activation=activation,
        weight_gain=1.0,
        activation_gain=ACTIVATIONS[activation][2],
        class_input="embed",
        w_avg_beta=facts.optional_number("w_avg_beta", None),
    )


def named_state(network: OfficialNetwork) -> State:
    """All tensors by their own names, but for the filters, which the configuration holds."""
    reader = TensorReader(network)
    reader.drop(*(name for name in network.tensors if name.endswith("_filter")))
    state = {name: reader.take(name) for name in list(reader.left())}
    if network.name != "D" and "mapping.w_avg" not in state:  # w_avg_beta=None keeps no mean
        state["mapping.w_avg"] = torch.zeros(network.module("").integer("w_dim"))
    return state


def refuse_unknown_arguments(module: Facts, known: set[str]) -> None:
    """Refuse a module that was constructed with an argument that is not ``known``."""
    given = module.values.get("_init_kwargs")
    Facts(module.owner, given if isinstance(given, dict) else {}).refuse_unknown(known)


def same_in_all(network: OfficialNetwork, paths: list[str], name: str) -> Facts:
    """The attributes of the first module; all modules must agree on the attribute ``name``."""
    values = {_comparable(network.module(path).values.get(name)) for path in paths}
    if len(values) > 1:
        raise WspaceError(
            f"{network.arguments.owner} has layers that differ in {name}, which wspace's networks "
            "cannot: not imported."
        )
    return network.module(paths[0])


def block_architecture(network: OfficialNetwork, paths: list[str]) -> BlockArchitecture:
    """How the blocks carry the image: skip, resnet or orig, the same in all."""
    architecture = same_in_all(network, paths, "architecture").text("architecture")
    if architecture not in ("skip", "resnet", "orig"):
        raise WspaceError(
            f"{network.arguments.owner}: architecture={architecture!r} is unknown: not imported."
        )
    return architecture  # type: ignore[return-value]


def filter_taps(network: OfficialNetwork, name: str) -> tuple[float, ...]:
    """The taps of a filter: a buffer holds their outer product or, from 8 taps on, the taps."""
    stored = TensorReader(network).take(name)
    if stored.ndim not in (1, 2) or not 0 < stored.numel() <= 64 * 64:
        raise WspaceError(f"{network.arguments.owner}: {name} is no filter: the file is damaged.")
    taps = stored if stored.ndim == 1 else stored.double().sum(dim=1)
    separable = stored.ndim == 1 or (
        stored.shape[0] == stored.shape[1]
        and torch.allclose(torch.outer(taps, taps), stored.double(), atol=1e-6)
    )
    if not separable or not math.isfinite(float(taps.sum())):
        raise WspaceError(
            f"{network.arguments.owner}: {name} is not made of one row of taps, which wspace's "
            "networks cannot do: not imported."
        )
    return _tidy([float(tap) for tap in taps])


def _tidy(taps: list[float]) -> tuple[float, ...]:
    """Taps as small whole numbers in the same proportions, such as (1, 3, 3, 1), if possible."""
    smallest = min((abs(tap) for tap in taps if abs(tap) > 1e-6), default=1.0)
    scaled = [tap / smallest for tap in taps]
    whole = [float(round(tap)) for tap in scaled]
    near = all(abs(a - b) < 1e-4 for a, b in zip(scaled, whole, strict=True))
    return tuple(whole if near else taps)


def _sides(resolution: int, facts: Facts) -> list[int]:
    """4, 8, ... resolution, a power of two."""
    if resolution < 4 or resolution & (resolution - 1):
        raise WspaceError(f"{facts.owner}: img_resolution={resolution} is no power of two.")
    return [2**k for k in range(2, resolution.bit_length())]


def _comparable(value: object) -> object:
    plain = isinstance(value, (str, int, float)) or value is None
    return value if plain else f"a {type(value).__name__}"
