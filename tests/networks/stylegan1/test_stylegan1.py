"""StyleGAN1's networks against the numbers of the official code."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from reference import (
    assert_agrees,
    load_reference,
    part,
    stylegan1_discriminator_state,
    stylegan1_generator_state,
)
from torch import Tensor

from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    AdaINConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
    channels_per_block,
)
from wspace.networks.generator import Generator
from wspace.networks.presets import preset
from wspace.networks.stylegan1.discriminator import Discriminator
from wspace.ops.resample import blur, conv_upsample

Reference = tuple[Generator, Discriminator, dict[str, Tensor]]


@cache
def networks(name: str) -> Reference:
    """The networks of a fixture with its weights, and its tensors."""
    facts, tensors = load_reference(name)
    kwargs: dict[str, Any] = facts["Gs_kwargs"]
    channels = channels_per_block(kwargs["resolution"], 2 * kwargs["fmap_base"], kwargs["fmap_max"])
    generator = build_generator(
        GeneratorConfig(
            architecture="adain",
            resolution=kwargs["resolution"],
            z_dim=kwargs["latent_size"],
            w_dim=kwargs["dlatent_size"],
            mapping=MappingConfig(num_layers=kwargs["mapping_layers"]),
            synthesis=AdaINConfig(channels=channels),
        )
    )
    state = stylegan1_generator_state(part(tensors, "Gs/"), kwargs["resolution"])
    if kwargs.get("fused_scale"):
        for k in range(1, len(channels)):  # the fused form mirrors its kernels
            name = f"synthesis.layers.{2 * k}.conv.weight"
            state[name] = state[name].flip(2, 3)
    generator.load_state_dict(state)
    discriminator = build_discriminator(
        DiscriminatorConfig(
            architecture="adain", resolution=kwargs["resolution"], channels=channels
        )
    )
    discriminator.load_state_dict(
        stylegan1_discriminator_state(part(tensors, "D/"), kwargs["resolution"])
    )
    assert isinstance(discriminator, Discriminator)
    return (
        generator.eval().requires_grad_(False),
        discriminator.eval().requires_grad_(False),
        tensors,
    )


FIXTURES = ("stylegan1-tiny", "stylegan1-fused")
TRUNCATIONS = [
    ("stylegan1-tiny", 0.7, 8),
    ("stylegan1-tiny", 0.5, 4),
    ("stylegan1-tiny", -0.6, 6),
    ("stylegan1-fused", 0.7, 8),
]


@pytest.mark.parametrize("name", FIXTURES)
def test_mapping_gives_the_official_dlatents(name: str) -> None:
    generator, _, tensors = networks(name)
    assert_agrees(generator.mapping(tensors["in/z"]), tensors["out/dlatents"], tolerance=1e-5)


@pytest.mark.parametrize(("name", "psi", "cutoff"), TRUNCATIONS)
def test_truncated_dlatents_and_images_are_the_official_ones(
    name: str, psi: float, cutoff: int
) -> None:
    generator, _, tensors = networks(name)
    ws = generator.mapping(tensors["in/z"], psi=psi, cutoff=cutoff)
    assert_agrees(ws, tensors[f"out/dlatents_psi{psi}_cut{cutoff}"], tolerance=1e-5)
    images = generator(tensors["in/z"], psi=psi, cutoff=cutoff)
    assert_agrees(images, tensors[f"out/images_psi{psi}_cut{cutoff}"], tolerance=1e-4)


@pytest.mark.parametrize("name", FIXTURES)
def test_images_are_the_official_ones(name: str) -> None:
    generator, _, tensors = networks(name)
    assert_agrees(generator(tensors["in/z"]), tensors["out/images_psi1"], tolerance=1e-4)
    mixed = generator.synthesis(tensors["in/dlatents_mixed"])
    assert_agrees(mixed, tensors["out/images_mixed"], tolerance=1e-4)


@pytest.mark.parametrize("name", FIXTURES)
def test_discriminator_gives_the_official_scores(name: str) -> None:
    _, discriminator, tensors = networks(name)
    for images, output in (
        (tensors["in/images"], "out/D_scores"),
        (tensors["in/images"][:1], "out/D_scores_first1"),
        (tensors["out/images_psi1"], "out/D_scores_generated"),
    ):
        scores = discriminator(images)[:, None]
        assert_agrees(scores, tensors[output], tolerance=1e-5, label=output)


@pytest.mark.parametrize("lod", ["0.6", "1", "1.4", "2.5"])
def test_fades_between_resolutions_are_the_official_ones(lod: str) -> None:
    generator, discriminator, tensors = networks("stylegan1-tiny")
    images = generator.synthesis(generator.mapping(tensors["in/z"][:2]), lod=float(lod))
    assert_agrees(images, tensors[f"out/images_psi1_lod{lod}"], tolerance=1e-4)
    scores = discriminator(tensors["in/images"], lod=float(lod))[:, None]
    assert_agrees(scores, tensors[f"out/D_scores_lod{lod}"], tolerance=1e-5)


@pytest.mark.parametrize("layer", range(8))
def test_each_synthesis_layer_restyles_as_the_official_one(layer: int) -> None:
    generator, _, _ = networks("stylegan1-tiny")
    _, maps = load_reference("stylegan1-tiny-intermediates")
    names = ["4x4/Const", "4x4/Conv"]
    names += [f"{side}x{side}/{scope}" for side in (8, 16, 32) for scope in ("Conv0_up", "Conv1")]
    module, name = generator.synthesis.layers[layer], names[layer]
    w = maps["in/dlatents"][:, layer]
    style = module.style.affine(w)
    assert_agrees(style, maps[f"syn/{name}/style"], tolerance=1e-4, label=f"{name} style")
    restyled = module.style(maps[f"syn/{name}/act"], w)
    assert_agrees(restyled, maps[f"syn/{name}/out"], tolerance=1e-4, label=f"{name} AdaIN")
    before = maps[f"syn/{names[layer - 1]}/out"] if layer > 0 else generator.synthesis.const
    if module.blur is not None:
        plain = blur(conv_upsample(before, module.conv.scaled_weight), module.blur.kernel)
    else:
        plain = before if module.conv is None else module.conv(before)
    assert_agrees(plain, maps[f"syn/{name}/pre_noise"], tolerance=1e-4, label=f"{name} convolution")
    out = module(before, w, module.noise_const)
    assert_agrees(out, maps[f"syn/{name}/out"], tolerance=1e-4, label=name)


def test_the_synthesis_of_the_intermediates_ends_in_the_official_image() -> None:
    generator, _, _ = networks("stylegan1-tiny")
    _, maps = load_reference("stylegan1-tiny-intermediates")
    image = generator.synthesis(maps["in/dlatents"])
    assert_agrees(image, maps["syn/images"], tolerance=1e-4)


def test_each_discriminator_stage_is_the_official_one() -> None:
    _, discriminator, tensors = networks("stylegan1-tiny")
    _, maps = load_reference("stylegan1-tiny-intermediates")
    stages: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, inputs, output: stages.__setitem__(name, output)

    handles = [
        discriminator.blocks[k - 1].register_forward_hook(keep(f"{4 * 2**k}x{4 * 2**k}/Conv1_down"))
        for k in (1, 2, 3)
    ]
    handles.append(
        discriminator.conv.register_forward_pre_hook(
            lambda module, inputs: stages.__setitem__("4x4/MinibatchStddev", inputs[0])
        )
    )
    handles.append(
        discriminator.dense1.register_forward_pre_hook(
            lambda module, inputs: stages.__setitem__("4x4/Dense0", inputs[0])
        )
    )
    scores = discriminator(tensors["in/images"])
    for handle in handles:
        handle.remove()
    for name, output in stages.items():
        reference = maps[f"D/{name}/out"]
        assert_agrees(output[: len(reference)], reference, tolerance=1e-4, label=name)
    assert len(stages) == 5
    assert_agrees(scores[:, None], maps["D/scores"], tolerance=1e-5)


@pytest.mark.parametrize(
    ("resolution", "mapping", "synthesis", "to_rgb", "discriminator"),
    [
        (64, 2_101_248, 23_029_760, 6_927, 22_498_049),
        (1024, 2_101_248, 24_110_720, 7_659, 23_087_249),
    ],
)
def test_the_paper_preset_has_the_official_number_of_parameters(
    resolution: int, mapping: int, synthesis: int, to_rgb: int, discriminator: int
) -> None:
    def count(module: torch.nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    with torch.device("meta"):
        generator_config, discriminator_config = preset("paper", resolution=resolution)
        generator = build_generator(generator_config)
        critic = build_discriminator(discriminator_config)
    assert count(generator.mapping) == mapping
    assert count(generator.synthesis.to_rgb) == to_rgb
    assert count(generator.synthesis) == synthesis + to_rgb
    assert count(critic) == discriminator
