"""StyleGAN1's TensorFlow networks as wspace's.

Source: the variables and arguments of Karras et al. 2019's release (StyleGAN).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.formats.official.network import Facts, OfficialNetwork, TensorReader
from wspace.networks.config import (
    AdaINConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
    num_blocks,
)

__all__ = ["convert_stylegan1_discriminator", "convert_stylegan1_generator"]

State = dict[str, Tensor]

# Arguments that are read from the tensors' shapes, or that do not change what a network computes.
_SHAPES = {"num_channels", "fmap_base", "fmap_decay", "fmap_max", "label_size"}
_SHARED = {"resolution", "nonlinearity", "use_wscale", "fused_scale", "blur_filter"}
_NO_EFFECT = {"structure", "dtype", "is_template_graph", "is_training", "is_validation"}
_GENERATOR_ARGUMENTS = {
    *("latent_size", "dlatent_size", "dlatent_broadcast", "mapping_layers", "mapping_fmaps"),
    *("mapping_lrmul", "mapping_nonlinearity", "normalize_latents", "use_styles"),
    *("const_input_layer", "use_noise", "use_pixel_norm", "use_instance_norm"),
    *("truncation_psi", "truncation_cutoff", "truncation_psi_val", "truncation_cutoff_val"),
    *("dlatent_avg_beta", "style_mixing_prob", "randomize_noise"),
}
_DISCRIMINATOR_ARGUMENTS = {"mbstd_group_size", "mbstd_num_features"}
_GAIN = math.sqrt(2)  # in the weights of every layer that an activation follows


def convert_stylegan1_generator(network: OfficialNetwork) -> tuple[GeneratorConfig, State]:
    """The configuration and state dict of the wspace generator that computes the same.

    Raises:
        WspaceError: a tensor is missing, or an argument asks for what wspace cannot do.
    """
    facts = network.arguments
    facts.refuse_unknown(_SHAPES | _SHARED | _NO_EFFECT | _GENERATOR_ARGUMENTS)
    facts.refuse_changed("const_input_layer", True)
    resolution = network.sides("synthesis/{0}x{0}/Conv1/weight")[-1]
    reader = _Reader(network)
    reader.check_growth("lod", "synthesis/lod")
    (w_dim,) = network.shape("dlatent_avg", 1)
    state = {"mapping.w_avg": reader.take("dlatent_avg")}
    state |= _mapping(network, reader)
    state |= _synthesis(facts, reader, resolution, w_dim)
    reader.refuse_left()
    num_classes, z_dim = 0, w_dim
    if "mapping.class_rows" in state:
        num_classes, z_dim = network.shape("mapping/LabelConcat/weight", 2)
    elif "mapping.fc0.weight" in state:
        z_dim = int(state["mapping.fc0.weight"].shape[1])
    config = GeneratorConfig(
        architecture="adain",
        resolution=resolution,
        image_channels=network.shape("synthesis/ToRGB_lod0/weight", 4)[3],
        z_dim=z_dim,
        w_dim=w_dim,
        num_classes=num_classes,
        mapping=_mapping_config(network),
        synthesis=AdaINConfig(
            channels=tuple(
                int(state[f"synthesis.to_rgb.{k}.weight"].shape[1])
                for k in range(num_blocks(resolution))
            ),
            blur_filter=facts.filter_taps("blur_filter", [1, 2, 1]),
            activation=facts.text("nonlinearity", "lrelu"),
            instance_norm=facts.flag("use_instance_norm", True),
            pixel_norm=facts.flag("use_pixel_norm", False),
        ),
    )
    return config, state


def convert_stylegan1_discriminator(network: OfficialNetwork) -> tuple[DiscriminatorConfig, State]:
    """The configuration and state dict of the wspace discriminator that computes the same.

    Raises:
        WspaceError: as `convert_stylegan1_generator`.
    """
    facts = network.arguments
    facts.refuse_unknown(_SHAPES | _SHARED | _NO_EFFECT | _DISCRIMINATOR_ARGUMENTS)
    resolution = network.sides("{0}x{0}/Conv0/weight")[-1]
    reader = _Reader(network)
    reader.check_growth("lod")
    blocks = num_blocks(resolution)
    state: State = {}
    for k in range(blocks):
        source, target = f"FromRGB_lod{blocks - 1 - k}", f"from_rgb.{k}"
        if k < blocks - 1 and not reader.grows:
            kernel = f"{4 * 2**k}x{4 * 2**k}/Conv0/weight" if k > 0 else "4x4/Conv/weight"
            state |= reader.unused_rgb(target, "FromRGB_lod0", network.shape(kernel, 4)[3])
        else:
            state |= reader.layer(source, target, gain=_GAIN)
        if k > 0:
            side = 4 * 2**k
            state |= reader.layer(f"{side}x{side}/Conv0", f"blocks.{k - 1}.conv0", gain=_GAIN)
            state |= reader.layer(f"{side}x{side}/Conv1_down", f"blocks.{k - 1}.conv1", gain=_GAIN)
    state |= reader.layer("4x4/Conv", "conv", gain=_GAIN)
    state |= reader.layer("4x4/Dense0", "dense0", gain=_GAIN)
    state |= reader.layer("4x4/Dense1", "dense1", gain=1.0)
    reader.refuse_left()
    channels = tuple(int(state[f"from_rgb.{k}.weight"].shape[0]) for k in range(blocks))
    outputs = int(state["dense1.weight"].shape[0])
    config = DiscriminatorConfig(
        architecture="adain",
        resolution=resolution,
        image_channels=network.shape("FromRGB_lod0/weight", 4)[2],
        num_classes=facts.integer("label_size", 0),
        channels=channels,
        hidden_dim=int(state["dense0.weight"].shape[0]),
        resample_filter=facts.filter_taps("blur_filter", [1, 2, 1]),
        activation=facts.text("nonlinearity", "lrelu"),
        mbstd_group_size=max(facts.integer("mbstd_group_size", 4), 1),
        mbstd_num_channels=network.extra_inputs("4x4/Conv/weight"),
    )
    if outputs != max(config.num_classes, 1):
        raise WspaceError(f"{facts.owner} has {outputs} outputs for {config.num_classes} classes.")
    return config, state


class _Reader(TensorReader):
    """Copies variables, undoing what the official code does differently at run time."""

    def __init__(self, network: OfficialNetwork) -> None:
        super().__init__(network)
        facts = network.arguments
        self._owner = facts.owner
        self._equalized = facts.flag("use_wscale", True)
        # "fixed" makes only the layers of the full resolution, and never looks at lod.
        self.grows = facts.text("structure", "auto") != "fixed"

    def check_growth(self, *names: str) -> None:
        """Refuse a network that has not reached its full resolution."""
        if self.grows:
            self.refuse_growth(*names)
        else:
            self.drop(*names)

    def layer(self, source: str, target: str, *, gain: float) -> State:
        """A convolution or dense layer with a bias."""
        weight = self.weight(f"{source}/weight", gain=gain)
        return {f"{target}.weight": weight, f"{target}.bias": self.take(f"{source}/bias")}

    def weight(self, name: str, *, gain: float) -> Tensor:
        """A kernel or dense weight, as a layer with an equalised rate stores it."""
        weight = (
            self.dense(name) if "/Dense" in name or "/StyleMod" in name else self.convolution(name)
        )
        if self._equalized:
            return weight
        # Such a layer multiplies by gain / √fan-in, which use_wscale=False leaves out.
        return weight * (math.sqrt(weight[0].numel()) / gain)

    def style(self, source: str, target: str, w_dim: int) -> State:
        """The layer that makes a style from w; all zeros where ``use_styles`` is False."""
        if self.network.arguments.flag("use_styles", True):
            return self.layer(f"{source}/StyleMod", target, gain=1.0)
        (channels,) = self.network.shape(f"{source}/bias", 1)
        rows = 2 * channels
        return {f"{target}.weight": torch.zeros(rows, w_dim), f"{target}.bias": torch.zeros(rows)}

    def unused_rgb(self, target: str, like: str, channels: int) -> State:
        """Zeros for a layer of a lower resolution, which a finished network never runs."""
        shape = self.network.shape(f"{like}/weight", 4)
        sides = (channels, shape[2]) if like.startswith("From") else (shape[3], channels)
        return {
            f"{target}.weight": torch.zeros(*sides, 1, 1),
            f"{target}.bias": torch.zeros(sides[0]),
        }

    def refuse_left(self) -> None:
        """Refuse variables that nobody took: the network computes something else."""
        for name in self.left():
            raise WspaceError(
                f"{self._owner} holds a variable {name!r} that StyleGAN1 has no place for: it was "
                "not made by the official code."
            )


def _mapping(network: OfficialNetwork, reader: _Reader) -> State:
    state = {}
    if "mapping/LabelConcat/weight" in reader:
        state["mapping.class_rows"] = reader.take("mapping/LabelConcat/weight")
    for i in range(network.count("mapping/Dense{}/weight")):
        state |= reader.layer(f"mapping/Dense{i}", f"mapping.fc{i}", gain=_GAIN)
    return state


def _mapping_config(network: OfficialNetwork) -> MappingConfig:
    facts = network.arguments
    layers = network.count("mapping/Dense{}/weight")
    beta = facts.optional_number("dlatent_avg_beta", 0.995)
    return MappingConfig(
        num_layers=layers,
        hidden_dim=network.shape("mapping/Dense0/weight", 2)[1] if layers > 1 else None,
        lr_multiplier=facts.number("mapping_lrmul", 0.01),
        activation=facts.text("mapping_nonlinearity", "lrelu"),
        weight_gain=_GAIN,
        activation_gain=1.0,
        normalize_z=facts.flag("normalize_latents", True),
        class_input="concat",
        w_avg_beta=beta,
    )


def _synthesis(facts: Facts, reader: _Reader, resolution: int, w_dim: int) -> State:
    state = {"synthesis.const": reader.take("synthesis/4x4/Const/const")}
    blocks = num_blocks(resolution)
    for k in range(blocks):
        side = 4 * 2**k
        for i, scope in enumerate(("Const", "Conv") if k == 0 else ("Conv0_up", "Conv1")):
            source, target = f"synthesis/{side}x{side}/{scope}", f"synthesis.layers.{2 * k + i}"
            if scope != "Const":
                kernel = reader.weight(f"{source}/weight", gain=_GAIN)
                if scope == "Conv0_up" and _is_fused(facts, side):
                    # A transposed convolution correlates with the mirrored kernel.
                    kernel = kernel.flip(2, 3).contiguous()
                state[f"{target}.conv.weight"] = kernel
            state[f"{target}.bias"] = reader.take(f"{source}/bias")
            state |= reader.style(source, f"{target}.style.affine", w_dim)
            noise = f"synthesis/noise{2 * k + i}"
            if facts.flag("use_noise", True):
                state[f"{target}.noise_strength"] = reader.take(f"{source}/Noise/weight")
                state[f"{target}.noise_const"] = reader.take(noise)
            else:
                state[f"{target}.noise_strength"] = torch.zeros_like(state[f"{target}.bias"])
                state[f"{target}.noise_const"] = torch.zeros(1, 1, side, side)
        (channels,) = reader.network.shape(f"{source}/bias", 1)
        rgb, target = f"synthesis/ToRGB_lod{blocks - 1 - k}", f"synthesis.to_rgb.{k}"
        if k < blocks - 1 and not reader.grows:
            state |= reader.unused_rgb(target, "synthesis/ToRGB_lod0", channels)
        else:
            state |= reader.layer(rgb, target, gain=1.0)
    return state


def _is_fused(facts: Facts, side: int) -> bool:
    """Whether the layer that makes maps of this side upsamples by a transposed convolution."""
    if facts.values.get("fused_scale", "auto") == "auto":
        return side >= 128
    return facts.flag("fused_scale")
