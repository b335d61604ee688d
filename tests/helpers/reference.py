"""The stored networks with known answers in tests/fixtures, and how closely to meet them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from wspace.networks.config import (
    DemodulatedConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
    channels_per_block,
)

FOLDER = Path(__file__).parents[1] / "fixtures"
IMAGE_VALUES = 64  # tensors with more values than this count as images or maps


def load_reference(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What a fixture's JSON says, and its tensors."""
    facts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return facts, load_file(FOLDER / f"{name}.safetensors")


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def assert_agrees(
    ours: Tensor,
    reference: Tensor,
    *,
    tolerance: float,
    relative_to_deviation: float = 1e-4,
    label: str = "",
) -> None:
    """Meet the reference within ``tolerance`` absolute plus relative.

    Images and maps must also lie within ``relative_to_deviation`` of their standard deviation.
    """
    assert ours.shape == reference.shape, f"{label}: {ours.shape} is not {reference.shape}"
    torch.testing.assert_close(
        ours, reference, atol=tolerance, rtol=tolerance, msg=lambda text: f"{label}: {text}"
    )
    if reference.numel() > IMAGE_VALUES:
        error = (ours - reference).abs().max().item()
        bound = relative_to_deviation * reference.std().item()
        assert error <= bound, f"{label}: error {error:.3g} is above {bound:.3g}"


def stylegan1_generator_state(variables: dict[str, Tensor], resolution: int) -> dict[str, Tensor]:
    """Official TensorFlow variables of G to the names and layouts of our AdaIN generator."""
    state = {"mapping.w_avg": variables["dlatent_avg"]}
    for name, value in part(variables, "G_mapping/").items():
        index, leaf = re.fullmatch(r"Dense(\d+)/(weight|bias)", name).groups()  # type: ignore[union-attr]
        state[f"mapping.fc{index}.{leaf}"] = value.T if leaf == "weight" else value
    synthesis = part(variables, "G_synthesis/")
    state["synthesis.const"] = synthesis["4x4/Const/const"]
    blocks = resolution.bit_length() - 2
    for k in range(blocks):
        side = 4 * 2**k
        for i, scope in enumerate(("Const", "Conv") if k == 0 else ("Conv0_up", "Conv1")):
            source, target = f"{side}x{side}/{scope}/", f"synthesis.layers.{2 * k + i}."
            if scope != "Const":
                state[target + "conv.weight"] = synthesis[source + "weight"].permute(3, 2, 0, 1)
            state[target + "bias"] = synthesis[source + "bias"]
            state[target + "noise_strength"] = synthesis[source + "Noise/weight"]
            state[target + "noise_const"] = synthesis[f"noise{2 * k + i}"]
            state[target + "style.affine.weight"] = synthesis[source + "StyleMod/weight"].T
            state[target + "style.affine.bias"] = synthesis[source + "StyleMod/bias"]
        source, target = f"ToRGB_lod{blocks - 1 - k}/", f"synthesis.to_rgb.{k}."
        state[target + "weight"] = synthesis[source + "weight"].permute(3, 2, 0, 1)
        state[target + "bias"] = synthesis[source + "bias"]
    return state


def stylegan1_discriminator_state(
    variables: dict[str, Tensor], resolution: int
) -> dict[str, Tensor]:
    """Official TensorFlow variables of D to the names and layouts of our discriminator."""
    blocks = resolution.bit_length() - 2
    scopes = {"4x4/Conv": "conv", "4x4/Dense0": "dense0", "4x4/Dense1": "dense1"}
    for k in range(blocks):
        scopes[f"FromRGB_lod{blocks - 1 - k}"] = f"from_rgb.{k}"
    for k in range(1, blocks):
        side = 4 * 2**k
        scopes[f"{side}x{side}/Conv0"] = f"blocks.{k - 1}.conv0"
        scopes[f"{side}x{side}/Conv1_down"] = f"blocks.{k - 1}.conv1"
    state = {}
    for source, target in scopes.items():
        weight = variables[f"{source}/weight"]
        state[f"{target}.weight"] = weight.T if weight.ndim == 2 else weight.permute(3, 2, 0, 1)
        state[f"{target}.bias"] = variables[f"{source}/bias"]
    return state


def stylegan2_generator_config(kwargs: dict[str, Any]) -> GeneratorConfig:
    """The configuration of an official StyleGAN2-ADA generator made with ``kwargs``."""
    synthesis = kwargs["synthesis_kwargs"]
    resolution = kwargs["img_resolution"]
    return GeneratorConfig(
        architecture="demodulated",
        resolution=resolution,
        image_channels=kwargs["img_channels"],
        z_dim=kwargs["z_dim"],
        w_dim=kwargs["w_dim"],
        num_classes=kwargs["c_dim"],
        mapping=later_mapping(kwargs["mapping_kwargs"]["num_layers"]),
        synthesis=DemodulatedConfig(
            channels=channels_per_block(
                resolution, synthesis["channel_base"], synthesis["channel_max"]
            ),
            architecture=synthesis.get("architecture", "skip"),
            conv_clamp=synthesis["conv_clamp"],
        ),
    )


def later_mapping(num_layers: int, *, w_avg_beta: float | None = 0.995) -> MappingConfig:
    """A mapping network in the way of StyleGAN2 and 3."""
    return MappingConfig(
        num_layers=num_layers,
        weight_gain=1.0,
        activation_gain=2**0.5,
        class_input="embed",
        w_avg_beta=w_avg_beta,
    )


def stylegan2_discriminator_config(
    kwargs: dict[str, Any], *, conv_clamp: float | None
) -> DiscriminatorConfig:
    """The configuration of an official StyleGAN2 discriminator made with ``kwargs``."""
    return DiscriminatorConfig(
        architecture="demodulated",
        resolution=kwargs["img_resolution"],
        image_channels=kwargs["img_channels"],
        num_classes=kwargs["c_dim"],
        channels=channels_per_block(
            kwargs["img_resolution"], kwargs["channel_base"], kwargs["channel_max"]
        ),
        block_architecture=kwargs.get("architecture", "resnet"),
        resample_filter=(1.0, 3.0, 3.0, 1.0),
        conv_clamp=conv_clamp,
        mbstd_group_size=kwargs["epilogue_kwargs"]["mbstd_group_size"],
        mapping=later_mapping(8, w_avg_beta=None) if kwargs["c_dim"] else None,
    )


def load_official(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Fill a network from an official state dict, whose filters must equal the network's own."""
    buffers = dict(network.named_buffers())
    weights = {}
    for name, value in state.items():
        if name.endswith("_filter"):
            if name in buffers:
                kernel = buffers[name]
                torch.testing.assert_close(kernel, value.flip(list(range(value.ndim))))
        else:
            weights[name] = value
    network.load_state_dict(weights)
    network.eval().requires_grad_(False)
