"""StyleGAN2's TensorFlow networks as wspace's.

Source: the variables and arguments of Karras et al. 2020's releases (StyleGAN2, StyleGAN2-ADA).
"""

from __future__ import annotations

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.formats.official.network import OfficialNetwork, TensorReader
from wspace.networks.config import (
    BlockArchitecture,
    DemodulatedConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
)
from wspace.networks.layers import ACTIVATIONS

__all__ = ["convert_stylegan2_tf_discriminator", "convert_stylegan2_tf_generator"]

State = dict[str, Tensor]

# Arguments that are read from the tensors' shapes, or that do not change what a network computes.
_SHAPES = {
    *("num_channels", "resolution", "label_size", "fmap_base", "fmap_decay", "fmap_min"),
    *("fmap_max", "mapping_layers", "mapping_fmaps", "architecture"),
}
_READ = {"mapping_lrmul", "mapping_nonlinearity", "nonlinearity", "resample_kernel", "conv_clamp"}
_NO_EFFECT = {
    *("structure", "dtype", "num_fp16_res", "fused_modconv", "conditioning", "is_template_graph"),
    *("is_training", "is_validation"),
}
_GENERATOR_ARGUMENTS = {
    *("latent_size", "dlatent_size", "dlatent_broadcast", "label_fmaps", "use_noise"),
    *("randomize_noise", "normalize_latents", "w_avg_beta", "dlatent_avg_beta"),
    *("truncation_psi", "truncation_cutoff", "truncation_psi_val", "truncation_cutoff_val"),
    *("style_mixing_prob", "mapping_func", "synthesis_func"),
}
_DISCRIMINATOR_ARGUMENTS = {"mbstd_group_size", "mbstd_num_features", "freeze_layers"}


def convert_stylegan2_tf_generator(network: OfficialNetwork) -> tuple[GeneratorConfig, State]:
    """The configuration and state dict of the wspace generator that computes the same.

    Raises:
        WspaceError: a tensor is missing, or an argument asks for what wspace cannot do.
    """
    facts, reader = network.arguments, TensorReader(network)
    facts.refuse_unknown(_SHAPES | _READ | _NO_EFFECT | _GENERATOR_ARGUMENTS)
    sides = network.sides("synthesis/{0}x{0}/Conv1/weight")
    architecture = _generator_architecture(network, sides[-1])
    (w_dim,) = network.shape("dlatent_avg", 1)
    state = {"mapping.w_avg": reader.take("dlatent_avg")}
    num_classes, z_dim = _class_input(network, reader, state, w_dim)
    for i in range(network.count("mapping/Dense{}/weight")):
        state |= _dense(reader, f"mapping/Dense{i}", f"mapping.fc{i}")
    use_noise = facts.flag("use_noise", True)
    channels = _synthesis(reader, state, sides, architecture, use_noise=use_noise)
    reader.refuse_growth("lod", "synthesis/lod")
    rgb = _rgb_scope(reader, "synthesis/", "ToRGB", sides[-1], sides[-1])
    config = GeneratorConfig(
        architecture="demodulated",
        resolution=sides[-1],
        image_channels=network.shape(f"{rgb}/weight", 4)[3],
        z_dim=z_dim,
        w_dim=w_dim,
        num_classes=num_classes,
        mapping=_mapping_config(
            network,
            template="mapping/Dense{}",
            lr_multiplier=facts.number("mapping_lrmul", 0.01),
            concat="mapping/LabelConcat/weight" in reader,
            w_avg_beta=facts.optional_number(
                "w_avg_beta", facts.optional_number("dlatent_avg_beta", 0.995)
            ),
        ),
        synthesis=DemodulatedConfig(
            channels=tuple(channels),
            architecture=architecture,
            resample_filter=facts.filter_taps("resample_kernel", [1, 3, 3, 1]),
            activation=facts.text("nonlinearity", "lrelu"),
            conv_clamp=facts.optional_number("conv_clamp", None),
            use_noise=use_noise,
        ),
    )
    return config, state


def convert_stylegan2_tf_discriminator(
    network: OfficialNetwork,
) -> tuple[DiscriminatorConfig, State]:
    """The configuration and state dict of the wspace discriminator that computes the same.

    Raises:
        WspaceError: as `convert_stylegan2_tf_generator`.
    """
    facts, reader = network.arguments, TensorReader(network)
    facts.refuse_unknown(_SHAPES | _READ | _NO_EFFECT | _DISCRIMINATOR_ARGUMENTS)
    sides = network.sides("{0}x{0}/Conv0/weight")
    top = sides[-1]
    architecture = _discriminator_architecture(network, sides)
    state: State = {}
    for side in sides[1:]:
        block, source = f"b{side}", f"{side}x{side}"
        state |= _convolution(reader, f"{source}/Conv0", f"{block}.conv0")
        state |= _convolution(reader, f"{source}/Conv1_down", f"{block}.conv1")
        if architecture == "resnet":
            state[f"{block}.skip.weight"] = reader.convolution(f"{source}/Skip/weight")
    for side in sides if architecture == "skip" else [top]:
        source = _rgb_scope(reader, "", "FromRGB", side, top)
        state |= _convolution(reader, source, f"b{side}.fromrgb")
    state |= _convolution(reader, "4x4/Conv", "b4.conv")
    state |= _dense(reader, "4x4/Dense0", "b4.fc")
    state |= _dense(reader, "Output", "b4.out")
    num_classes = facts.integer("label_size", 0)
    if num_classes > 0:
        state |= _classes(network, reader, num_classes)
    reader.refuse_growth("lod", "synthesis/lod")
    (bottom,) = network.shape("4x4/Conv/bias", 1)
    config = DiscriminatorConfig(
        architecture="demodulated",
        resolution=top,
        image_channels=network.shape(f"{_rgb_scope(reader, '', 'FromRGB', top, top)}/weight", 4)[2],
        num_classes=num_classes,
        channels=(bottom, *(network.shape(f"{s}x{s}/Conv0/bias", 1)[0] for s in sides[1:])),
        block_architecture=architecture,
        resample_filter=facts.filter_taps("resample_kernel", [1, 3, 3, 1]),
        activation=facts.text("nonlinearity", "lrelu"),
        conv_clamp=facts.optional_number("conv_clamp", None),
        mbstd_group_size=_group_size(network),
        mbstd_num_channels=network.extra_inputs("4x4/Conv/weight"),
        class_dim=network.shape("Output/bias", 1)[0] if num_classes > 0 else None,
        mapping=None
        if num_classes == 0
        else _mapping_config(
            network,
            template="Mapping{}",
            lr_multiplier=facts.number("mapping_lrmul", 0.1),
            concat=False,
            w_avg_beta=None,
        ),
    )
    return config, state


def _generator_architecture(network: OfficialNetwork, resolution: int) -> BlockArchitecture:
    """The architecture, told by variables that only one has; a 4² network fits all."""
    if f"synthesis/{resolution}x{resolution}/Skip/weight" in network.tensors:
        return "resnet"
    if "synthesis/4x4/ToRGB/weight" in network.tensors:
        return "skip"
    return "orig"


def _discriminator_architecture(network: OfficialNetwork, sides: list[int]) -> BlockArchitecture:
    if f"{sides[-1]}x{sides[-1]}/Skip/weight" in network.tensors:
        return "resnet"
    if "4x4/FromRGB/weight" in network.tensors:
        return "skip"
    return "orig"


def _group_size(network: OfficialNetwork) -> int | None:
    """None for the whole batch: the default of StyleGAN2-ADA, where StyleGAN2 had groups of 4."""
    default = 4 if network.function.startswith("D_stylegan") else None
    group_size = network.arguments.optional_integer("mbstd_group_size", default)
    return None if group_size is None else max(group_size, 1)  # 0 turns it off


def _classes(network: OfficialNetwork, reader: TensorReader, num_classes: int) -> State:
    """What the discriminator compares its output with."""
    if "LabelEmbed/weight" not in reader:
        # StyleGAN2 takes the class's own output. With this embedding a projection does the same:
        # once normalised it is √classes at the class and 0 elsewhere, and the score is divided by
        # √classes.
        weight = torch.eye(num_classes) * num_classes
        return {"mapping.embed.weight": weight, "mapping.embed.bias": torch.zeros(num_classes)}
    state = _dense(reader, "LabelEmbed", "mapping.embed")
    for i in range(network.count("Mapping{}/weight")):
        state |= _dense(reader, f"Mapping{i}", f"mapping.fc{i}")
    return state


def _class_input(
    network: OfficialNetwork, reader: TensorReader, state: State, w_dim: int
) -> tuple[int, int]:
    """Take what turns classes into inputs of the mapping; returns num_classes and z_dim."""
    has_layers = "mapping/Dense0/weight" in reader
    features = network.shape("mapping/Dense0/weight", 2)[0] if has_layers else w_dim
    if "mapping/LabelEmbed/weight" in reader:
        num_classes, embed_dim = network.shape("mapping/LabelEmbed/weight", 2)
        state |= _dense(reader, "mapping/LabelEmbed", "mapping.embed")
        return num_classes, features - embed_dim
    if "mapping/LabelConcat/weight" in reader:
        num_classes, z_dim = network.shape("mapping/LabelConcat/weight", 2)
        state["mapping.class_rows"] = reader.take("mapping/LabelConcat/weight")
        return num_classes, z_dim
    return 0, features


def _mapping_config(
    network: OfficialNetwork,
    *,
    template: str,
    lr_multiplier: float,
    concat: bool,
    w_avg_beta: float | None,
) -> MappingConfig:
    facts = network.arguments
    activation = facts.text("mapping_nonlinearity", "lrelu")
    if activation not in ACTIVATIONS:
        raise WspaceError(f"{facts.owner}: mapping_nonlinearity={activation!r} is unknown.")
    num_layers = network.count(template + "/weight")
    embedding = "LabelEmbed/weight" if network.name == "D" else "mapping/LabelEmbed/weight"
    has_embedding = embedding in network.tensors
    first = template.format(0) + "/weight"
    return MappingConfig(
        num_layers=num_layers,
        hidden_dim=network.shape(first, 2)[1] if num_layers > 1 else None,
        embed_dim=network.shape(embedding, 2)[1] if has_embedding else None,
        lr_multiplier=lr_multiplier,
        activation=activation,
        weight_gain=1.0,
        activation_gain=ACTIVATIONS[activation][2],
        normalize_z=facts.flag("normalize_latents", True),
        class_input="concat" if concat else "embed",
        w_avg_beta=w_avg_beta,
    )


def _synthesis(
    reader: TensorReader,
    state: State,
    sides: list[int],
    architecture: BlockArchitecture,
    *,
    use_noise: bool,
) -> list[int]:
    """Take the synthesis network into ``state``; returns the channels of its blocks."""
    channels = []
    state["synthesis.b4.const"] = reader.take("synthesis/4x4/Const/const").flatten(0, 1)
    for k, side in enumerate(sides):
        source, block = f"synthesis/{side}x{side}", f"synthesis.b{side}"
        layers = [("Conv0_up", "conv0", 2 * k - 1), ("Conv1", "conv1", 2 * k)]
        for scope, name, index in layers if k > 0 else [("Conv", "conv1", 0)]:
            target = f"{block}.{name}"
            state |= _modulated(reader, f"{source}/{scope}", target, mirrored=name == "conv0")
            if use_noise:
                strength = reader.scalar(f"{source}/{scope}/noise_strength")
                state[f"{target}.noise_strength"] = torch.tensor(strength)
                noise = reader.take(f"synthesis/noise{index}")
                state[f"{target}.noise_const"] = noise.reshape(noise.shape[-2:])
        channels.append(int(state[f"{block}.conv1.weight"].shape[0]))
        if architecture == "skip" or side == sides[-1]:
            scope = _rgb_scope(reader, "synthesis/", "ToRGB", side, sides[-1])
            state |= _modulated(reader, scope, f"{block}.torgb", mirrored=False)
        if architecture == "resnet" and k > 0:
            state[f"{block}.skip.weight"] = reader.convolution(f"{source}/Skip/weight").flip(2, 3)
    return channels


def _modulated(reader: TensorReader, source: str, target: str, *, mirrored: bool) -> State:
    """A modulated convolution; upsampling ones are stored as a transposed convolution uses them."""
    kernel = reader.convolution(f"{source}/weight")
    return {
        f"{target}.weight": kernel.flip(2, 3).contiguous() if mirrored else kernel,
        f"{target}.bias": reader.take(f"{source}/bias"),
        f"{target}.affine.weight": reader.dense(f"{source}/mod_weight"),
        f"{target}.affine.bias": reader.take(f"{source}/mod_bias") + 1,
    }


def _convolution(reader: TensorReader, source: str, target: str) -> State:
    weight = reader.convolution(f"{source}/weight")
    return {f"{target}.weight": weight, f"{target}.bias": reader.take(f"{source}/bias")}


def _dense(reader: TensorReader, source: str, target: str) -> State:
    weight = reader.dense(f"{source}/weight")
    return {f"{target}.weight": weight, f"{target}.bias": reader.take(f"{source}/bias")}


def _rgb_scope(reader: TensorReader, prefix: str, name: str, side: int, resolution: int) -> str:
    """The scope of a ToRGB or FromRGB layer; older networks count them by level of detail."""
    lod = (resolution // side).bit_length() - 1
    if f"{prefix}{name}_lod{lod}/weight" in reader:
        return f"{prefix}{name}_lod{lod}"
    return f"{prefix}{side}x{side}/{name}"
