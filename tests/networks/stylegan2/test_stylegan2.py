"""StyleGAN2's networks against the numbers of the official code, and against slow references."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import slow_stylegan2 as slow
import torch
from reference import (
    assert_agrees,
    later_mapping,
    load_official,
    load_reference,
    part,
    stylegan2_discriminator_config,
    stylegan2_generator_config,
)
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import DemodulatedConfig, DiscriminatorConfig, GeneratorConfig
from wspace.networks.generator import Generator
from wspace.networks.layers import minibatch_stddev
from wspace.networks.stylegan2.discriminator import DemodulatedDiscriminator
from wspace.training.regularizers import path_lengths, r1_penalty

FIXTURES = ("sg2ada-tiny", "sg2ada-tiny-cond", "sg2ada-tiny-orig")


@cache
def networks(name: str) -> tuple[Generator, DemodulatedDiscriminator, dict[str, Tensor]]:
    """The networks of a fixture with its weights, and its tensors."""
    facts, tensors = load_reference(name)
    generator = build_generator(stylegan2_generator_config(facts["G_kwargs"]))
    load_official(generator, part(tensors, "G_ema/"))
    kwargs = facts["D_kwargs"]
    discriminator = build_discriminator(
        stylegan2_discriminator_config(kwargs, conv_clamp=kwargs["conv_clamp"])
    )
    load_official(discriminator, part(tensors, "D/"))
    assert isinstance(discriminator, DemodulatedDiscriminator)
    return generator, discriminator, tensors


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize(
    ("output", "truncation"),
    [
        ("out/ws", {}),
        ("out/ws_psi0.6", {"psi": 0.6}),
        ("out/ws_psi0.6_cut4", {"psi": 0.6, "cutoff": 4}),
    ],
)
def test_mapping_gives_the_official_ws(name: str, output: str, truncation: dict[str, Any]) -> None:
    generator, _, tensors = networks(name)
    ws = generator.mapping(tensors["in/z"], tensors.get("in/c"), **truncation)
    assert_agrees(ws, tensors[output], tolerance=1e-5)


@pytest.mark.parametrize("name", FIXTURES)
def test_a_batch_moves_w_avg_as_in_the_official_code(name: str) -> None:
    generator, _, tensors = networks(name)
    before = generator.w_avg.clone()
    generator.mapping.update_w_avg(generator.mapping.w(tensors["in/z"], tensors.get("in/c")))
    after = generator.w_avg.clone()
    generator.w_avg.copy_(before)
    assert_agrees(after, tensors["out/w_avg_after_update"], tolerance=1e-5)


@pytest.mark.parametrize("name", FIXTURES)
@pytest.mark.parametrize(
    ("output", "ws", "noise"),
    [
        ("out/images_const", "out/ws", "const"),
        ("out/images_none", "out/ws", "none"),
        ("out/images_mixed", "in/ws_mixed", "const"),
        ("out/images_const_psi0.6_cut4", "out/ws_psi0.6_cut4", "const"),
    ],
)
def test_images_are_the_official_ones(name: str, output: str, ws: str, noise: str) -> None:
    generator, _, tensors = networks(name)
    images = generator.synthesis(tensors[ws], noise)
    assert_agrees(images, tensors[output], tolerance=1e-4)


@pytest.mark.parametrize("name", FIXTURES)
def test_discriminator_gives_the_official_logits(name: str) -> None:
    _, discriminator, tensors = networks(name)
    c, c_generated = tensors.get("in/D_c"), tensors.get("in/c")
    for images, classes, output in (
        (tensors["in/images"], c, "out/D_logits"),
        (tensors["in/images"][:1], None if c is None else c[:1], "out/D_logits_first1"),
        (tensors["out/images_const"], c_generated, "out/D_logits_generated"),
    ):
        logits = discriminator(images, classes)[:, None]
        assert_agrees(logits, tensors[output], tolerance=1e-4, label=output)


def test_r1_and_its_gradient_are_the_official_ones() -> None:
    _, discriminator, tensors = networks("sg2ada-tiny")
    images = tensors["in/images"][:4].clone().requires_grad_()
    logits = discriminator(images)
    (gradient,) = torch.autograd.grad(logits.sum(), images, retain_graph=True)
    assert_agrees(gradient, tensors["out/D_image_grad_first4"], tolerance=1e-4)
    penalty = r1_penalty(images, logits)
    assert_agrees(penalty, tensors["out/D_r1_first4"], tolerance=1e-4)


def test_path_lengths_and_their_gradient_are_the_official_ones() -> None:
    generator, _, tensors = networks("sg2ada-tiny")
    ws = tensors["out/ws"][:2].clone().requires_grad_()
    images = generator.synthesis(ws)
    direction = tensors["in/pl_noise"]
    scalar = (images * direction).sum() / generator.resolution
    (gradient,) = torch.autograd.grad(scalar, ws, retain_graph=True)
    assert_agrees(gradient, tensors["out/pl_grad"], tolerance=1e-4)
    lengths = path_lengths(images, ws, direction)
    assert_agrees(lengths, tensors["out/pl_lengths"], tolerance=1e-4)


@pytest.mark.parametrize("side", [4, 8, 16, 32])
def test_each_synthesis_block_is_the_official_one(side: int) -> None:
    generator, _, _ = networks("sg2ada-tiny")
    _, maps = load_reference("sg2ada-tiny-intermediates")
    block = getattr(generator.synthesis, f"b{side}")
    first = generator.synthesis.sides.index(side) * 2 - 1
    ws = maps["in/ws"][:, max(first, 0) : first + 3]
    layers = ["conv0", "conv1", "torgb"] if side > 4 else ["conv1", "torgb"]
    for i, name in enumerate(layers):
        styles = getattr(block, name).affine(ws[:, i])
        label = f"b{side}.{name}.affine"
        # the official ToRGB multiplies by its weight gain after the affine, outside the module
        assert_agrees(styles, maps[f"syn/b{side}/{name}/affine"], tolerance=1e-4, label=label)
    noise = [getattr(block, name).noise_const[None, None] for name in layers[:-1]]
    if side == 4:
        x, image = block.const[None], None
    else:
        x, image = maps[f"syn/b{side // 2}/x"], maps[f"syn/b{side // 2}/img"]
        out = block.conv0(x, ws[:, 0], noise[0])
        label = f"b{side}.conv0"
        assert_agrees(out, maps[f"syn/b{side}/conv0/out"], tolerance=1e-4, label=label)
    x, image = block(x, image, ws, noise)
    assert_agrees(x, maps[f"syn/b{side}/x"], tolerance=1e-4, label=f"b{side} maps")
    assert_agrees(image, maps[f"syn/b{side}/img"], tolerance=1e-4, label=f"b{side} image")


def test_each_discriminator_block_is_the_official_one() -> None:
    _, discriminator, tensors = networks("sg2ada-tiny")
    _, maps = load_reference("sg2ada-tiny-intermediates")
    x, image = None, tensors["in/images"]
    for side in discriminator.sides:
        x, image = getattr(discriminator, f"b{side}")(x, image)
        assert_agrees(x[:4], maps[f"D/b{side}/x"], tolerance=1e-4, label=f"b{side}")
    with_deviation = minibatch_stddev(x, 4)
    assert_agrees(with_deviation, maps["D/b4/mbstd"], tolerance=1e-4, label="b4.mbstd")


def randomised(network: torch.nn.Module) -> dict[str, Tensor]:
    """Draw every parameter of a network, so that none is at a start value that hides it."""
    random = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
        start = parameter.abs().mean().clamp(min=1.0)
        parameter.copy_(torch.randn(parameter.shape, generator=random) * start)
    return dict(network.eval().state_dict())


TWELVE = (0.015, 0.003, -0.12, -0.05, 0.49, 0.79, 0.34, -0.07, -0.02, 0.04, 0.002, -0.008)
ARCHITECTURES = ("skip", "resnet", "orig")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"resample_filter": None, "conv_clamp": 0.7},
        {"resample_filter": (1.0, 2.0), "activation": "relu"},
        {"resample_filter": (1.0, 2.0, 4.0), "activation": "swish", "conv_clamp": 0.3},
        {"resample_filter": TWELVE, "use_noise": False},
    ],
    ids=["plain", "no filter", "two taps", "three taps", "twelve taps"],
)
def test_synthesis_equals_the_long_way(architecture: Any, options: dict[str, Any]) -> None:
    config = GeneratorConfig(
        architecture="demodulated",
        resolution=16,
        image_channels=1,
        z_dim=8,
        w_dim=8,
        synthesis=DemodulatedConfig(channels=(10, 6, 4), architecture=architecture, **options),
    )
    torch.manual_seed(0)  # of the stored noise, too
    synthesis = build_generator(config).synthesis
    state = randomised(synthesis)
    ws = torch.randn(3, synthesis.num_ws, 8, generator=torch.Generator().manual_seed(2))
    reference = slow.synthesis(
        state,
        ws,
        resolution=16,
        architecture=architecture,
        taps=config.synthesis.resample_filter,  # type: ignore[union-attr]
        act=config.synthesis.activation,
        clamp=config.synthesis.conv_clamp,  # type: ignore[union-attr]
    )
    assert_agrees(synthesis(ws), reference, tolerance=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"resample_filter": None, "conv_clamp": 0.7, "mbstd_group_size": None},
        {"resample_filter": (1.0, 2.0, 4.0), "activation": "tanh", "mbstd_num_channels": 0},
        {"resample_filter": TWELVE, "mbstd_num_channels": 2, "mbstd_group_size": 3},
        {"num_classes": 3, "class_dim": 7, "mapping": later_mapping(2, w_avg_beta=None)},
        {"num_classes": 3, "mapping": later_mapping(0, w_avg_beta=None)},
    ],
    ids=["plain", "no filter", "three taps", "twelve taps", "classes", "classes without layers"],
)
def test_discriminator_equals_the_long_way(architecture: Any, options: dict[str, Any]) -> None:
    config = DiscriminatorConfig(
        architecture="demodulated",
        resolution=16,
        image_channels=4,
        channels=(10, 6, 4),
        block_architecture=architecture,
        **{"resample_filter": (1.0, 3.0, 3.0, 1.0), **options},
    )
    discriminator = build_discriminator(config)
    state = randomised(discriminator)
    random = torch.Generator().manual_seed(2)
    images = torch.randn(12, 4, 16, 16, generator=random)
    c = torch.eye(3).repeat(4, 1) if config.num_classes else None
    reference = slow.discriminator(
        state,
        images,
        c,
        architecture=architecture,
        taps=config.resample_filter,
        act=config.activation,
        clamp=config.conv_clamp,
        group=config.mbstd_group_size,
        stddev_channels=config.mbstd_num_channels,
    )
    assert_agrees(discriminator(images, c), reference, tolerance=1e-4)


def official_names(architecture: str) -> set[str]:
    """Names of a 16² generator's and discriminator's tensors, apart from filters."""
    generator = {f"mapping.fc{i}.{leaf}" for i in range(2) for leaf in ("weight", "bias")}
    generator |= {"mapping.w_avg", "synthesis.b4.const"}
    for side in (4, 8, 16):
        for conv in ("conv0", "conv1") if side > 4 else ("conv1",):
            leaves = ("weight", "bias", "affine.weight", "affine.bias", "noise_strength")
            generator |= {f"synthesis.b{side}.{conv}.{x}" for x in (*leaves, "noise_const")}
        if architecture == "skip" or side == 16:
            leaves = ("weight", "bias", "affine.weight", "affine.bias")
            generator |= {f"synthesis.b{side}.torgb.{x}" for x in leaves}
        if architecture == "resnet" and side > 4:
            generator |= {f"synthesis.b{side}.skip.weight"}
    discriminator = {f"D.b4.{x}.{y}" for x in ("conv", "fc", "out") for y in ("weight", "bias")}
    for side in (8, 16):
        discriminator |= {
            f"D.b{side}.{x}.{y}" for x in ("conv0", "conv1") for y in ("weight", "bias")
        }
        if architecture == "resnet":
            discriminator |= {f"D.b{side}.skip.weight"}
    for side in (4, 8, 16) if architecture == "skip" else (16,):
        discriminator |= {f"D.b{side}.fromrgb.{y}" for y in ("weight", "bias")}
    return generator | discriminator


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_tensors_carry_the_official_names(architecture: Any) -> None:
    generator = build_generator(
        GeneratorConfig(
            architecture="demodulated",
            resolution=16,
            mapping=later_mapping(2),
            synthesis=DemodulatedConfig(channels=(10, 6, 4), architecture=architecture),
        )
    )
    discriminator = build_discriminator(
        DiscriminatorConfig(
            architecture="demodulated",
            resolution=16,
            channels=(10, 6, 4),
            block_architecture=architecture,
        )
    )
    names = set(generator.state_dict()) | {f"D.{name}" for name in discriminator.state_dict()}
    assert names == official_names(architecture)


def test_layers_of_ws_belong_to_noise_layers_and_blocks() -> None:
    generator, _, _ = networks("sg2ada-tiny")
    assert generator.num_ws == 8
    assert generator.noise_layers == (0, 1, 2, 3, 4, 5, 6)
    assert generator.noise_shapes == (
        (4, 4),
        *(2 * ((8, 8),)),
        *(2 * ((16, 16),)),
        *(2 * ((32, 32),)),
    )
    assert generator.block_layers == ((0,), (1, 2), (3, 4), (5, 6, 7))


def test_noise_maps_given_one_by_one_replace_the_stored_ones() -> None:
    generator, _, tensors = networks("sg2ada-tiny")
    ws = tensors["out/ws"]
    assert torch.equal(generator.synthesis(ws, generator.const_noise), generator.synthesis(ws))
    without = generator.synthesis(ws, [None] * 7)
    assert torch.equal(without, generator.synthesis(ws, "none"))
    zeros = [torch.zeros_like(noise) for noise in generator.const_noise]
    torch.testing.assert_close(generator.synthesis(ws, zeros), without, atol=1e-5, rtol=1e-5)


def test_a_discriminator_with_classes_and_no_mapping_is_refused() -> None:
    with pytest.raises(WspaceError, match="num_classes=3 needs a mapping"):
        DiscriminatorConfig(
            architecture="demodulated", resolution=8, num_classes=3, channels=(4, 4)
        )


def test_configurations_survive_json() -> None:
    facts, _ = load_reference("sg2ada-tiny-cond")
    generator = stylegan2_generator_config(facts["G_kwargs"])
    assert GeneratorConfig.from_dict(json.loads(json.dumps(generator.to_dict()))) == generator
    discriminator = stylegan2_discriminator_config(facts["D_kwargs"], conv_clamp=256.0)
    data = json.loads(json.dumps(discriminator.to_dict()))
    assert DiscriminatorConfig.from_dict(data) == discriminator


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_of_r1_equal_those_of_the_long_way(architecture: Any) -> None:
    config = DiscriminatorConfig(
        architecture="demodulated",
        resolution=8,
        channels=(6, 4),
        block_architecture=architecture,
        resample_filter=(1.0, 3.0, 3.0, 1.0),
    )
    discriminator = build_discriminator(config)
    state = {k: v.requires_grad_() for k, v in randomised(discriminator).items()}
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(2)).requires_grad_()
    names = [name for name, _ in discriminator.named_parameters()]
    discriminator.requires_grad_(True)
    ours = r1_penalty(images, discriminator(images)).sum()
    logits = slow.discriminator(
        state,
        images,
        None,
        architecture=architecture,
        taps=config.resample_filter,
        act="lrelu",
        clamp=None,
        group=4,
        stddev_channels=1,
    )
    reference = r1_penalty(images, logits).sum()
    expected = torch.autograd.grad(reference, [state[n] for n in names], materialize_grads=True)
    parameters = [p for _, p in discriminator.named_parameters()]
    gradients = torch.autograd.grad(ours, parameters, materialize_grads=True)
    for name, gradient, wanted in zip(names, gradients, expected, strict=True):
        bound = 1e-4 * max(1.0, wanted.abs().max().item())
        assert (gradient - wanted).abs().max() < bound, name


def test_gradients_of_path_lengths_equal_those_of_the_long_way() -> None:
    config = GeneratorConfig(
        architecture="demodulated",
        resolution=8,
        z_dim=8,
        w_dim=8,
        synthesis=DemodulatedConfig(channels=(6, 4)),
    )
    synthesis = build_generator(config).synthesis
    state = {k: v.requires_grad_() for k, v in randomised(synthesis).items()}
    random = torch.Generator().manual_seed(2)
    ws = torch.randn(3, synthesis.num_ws, 8, generator=random).requires_grad_()
    direction = torch.randn(3, 3, 8, 8, generator=random)
    synthesis.requires_grad_(True)
    images = slow.synthesis(
        state,
        ws,
        resolution=8,
        architecture="skip",
        taps=(1.0, 3.0, 3.0, 1.0),
        act="lrelu",
        clamp=None,
    )
    names = [name for name, _ in synthesis.named_parameters()]
    expected = torch.autograd.grad(
        path_lengths(images, ws, direction).sum(), [state[n] for n in names], materialize_grads=True
    )
    parameters = [p for _, p in synthesis.named_parameters()]
    ours = path_lengths(synthesis(ws), ws, direction).sum()
    gradients = torch.autograd.grad(ours, parameters, materialize_grads=True)
    for name, gradient, wanted in zip(names, gradients, expected, strict=True):
        bound = 1e-4 * max(1.0, wanted.abs().max().item())
        assert (gradient - wanted).abs().max() < bound, name
