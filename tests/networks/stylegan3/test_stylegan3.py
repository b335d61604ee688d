"""StyleGAN3's networks against the numbers of the official code, and against slow references."""

from __future__ import annotations

import copy
import math
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from reference import (
    assert_agrees,
    later_mapping,
    load_official,
    load_reference,
    part,
    stylegan2_discriminator_config,
)
from slow_stylegan3 import literal_filtered_lrelu
from torch import Tensor

from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import AliasFreeConfig, GeneratorConfig
from wspace.networks.generator import Generator
from wspace.networks.stylegan2.discriminator import DemodulatedDiscriminator
from wspace.networks.stylegan3.synthesis import AliasFreeSynthesis, layer_name, layer_signals

WHOLE_IMAGE = 1e-3  # of the deviation, for images of a whole StyleGAN3 network


@cache
def networks() -> tuple[Generator, DemodulatedDiscriminator, dict[str, Tensor]]:
    """The networks of the fixture with its weights, and its tensors."""
    facts, tensors = load_reference("sg3-t-tiny")
    kwargs = facts["G_kwargs"]
    generator = build_generator(
        GeneratorConfig(
            architecture="alias-free",
            resolution=kwargs["img_resolution"],
            z_dim=kwargs["z_dim"],
            w_dim=kwargs["w_dim"],
            mapping=later_mapping(kwargs["mapping_kwargs"]["num_layers"], w_avg_beta=0.998),
            synthesis=AliasFreeConfig(
                channel_base=kwargs["channel_base"],
                channel_max=kwargs["channel_max"],
                magnitude_ema_beta=kwargs["magnitude_ema_beta"],
            ),
        )
    )
    load_official(generator, part(tensors, "G_ema/"))
    discriminator = build_discriminator(
        stylegan2_discriminator_config(facts["D_kwargs"], conv_clamp=256.0)
    )
    load_official(discriminator, part(tensors, "D/"))
    assert isinstance(discriminator, DemodulatedDiscriminator)
    return generator, discriminator, tensors


@pytest.mark.parametrize(
    ("output", "truncation"),
    [
        ("out/ws", {}),
        ("out/ws_psi0.6", {"psi": 0.6}),
        ("out/ws_psi0.6_cut4", {"psi": 0.6, "cutoff": 4}),
    ],
)
def test_mapping_gives_the_official_ws(output: str, truncation: dict[str, Any]) -> None:
    generator, _, tensors = networks()
    ws = generator.mapping(tensors["in/z"], **truncation)
    assert_agrees(ws, tensors[output], tolerance=1e-5)


@pytest.mark.parametrize(
    ("output", "ws"),
    [
        ("out/images", "out/ws"),
        ("out/images_mixed", "in/ws_mixed"),
        ("out/images_psi0.6_cut4", "out/ws_psi0.6_cut4"),
    ],
)
def test_images_are_the_official_ones(output: str, ws: str) -> None:
    generator, _, tensors = networks()
    images = generator.synthesis(tensors[ws])
    assert_agrees(images, tensors[output], tolerance=1e-4, relative_to_deviation=WHOLE_IMAGE)


@pytest.mark.parametrize("name", ["transform", "transform_scale"])
def test_images_with_a_transform_of_the_input_are_the_official_ones(name: str) -> None:
    generator, _, tensors = networks()
    transform = generator.synthesis.input.transform
    transform.copy_(tensors[f"in/{name}"])
    images = generator.synthesis(tensors["out/ws"][:2])
    transform.copy_(torch.eye(3))
    reference = tensors[f"out/images_{name}"]
    assert_agrees(images, reference, tolerance=1e-4, relative_to_deviation=WHOLE_IMAGE)


def test_running_means_move_as_in_the_official_code() -> None:
    generator, _, tensors = networks()
    state = {name: value.clone() for name, value in generator.state_dict().items()}
    w = generator.mapping.w(tensors["in/z"])
    generator.mapping.update_w_avg(w)
    generator.synthesis(generator.mapping(tensors["in/z"]), update_emas=True)
    magnitudes = torch.stack([layer.magnitude_ema for layer in generator.synthesis.layers])
    w_avg = generator.w_avg.clone()
    generator.load_state_dict(state)
    assert_agrees(w_avg, tensors["out/w_avg_after_update"], tolerance=1e-5)
    assert_agrees(magnitudes, tensors["out/magnitude_ema_after_update"], tolerance=1e-5)


def test_running_means_stay_unless_they_are_asked_to_move() -> None:
    generator = build(16, channel_base=128, channel_max=8, num_layers=4).train()
    ws = generator.mapping(torch.randn(4, generator.z_dim))
    generator.synthesis(ws)
    assert all(float(layer.magnitude_ema) == 1 for layer in generator.synthesis.layers)
    with torch.no_grad():
        generator.synthesis(ws, update_emas=True)
    assert all(float(layer.magnitude_ema) != 1 for layer in generator.synthesis.layers)


def test_a_batch_that_is_not_finite_leaves_the_running_means() -> None:
    generator = build(16, channel_base=128, channel_max=8, num_layers=4).requires_grad_(False)
    ws = generator.mapping(torch.randn(4, generator.z_dim))
    generator.synthesis(ws * math.nan, update_emas=True)
    assert all(float(layer.magnitude_ema) == 1 for layer in generator.synthesis.layers)


def test_discriminator_gives_the_official_logits() -> None:
    _, discriminator, tensors = networks()
    for images, output in (
        (tensors["in/images"], "out/D_logits"),
        (tensors["in/images"][:1], "out/D_logits_first1"),
        (tensors["out/images"], "out/D_logits_generated"),
    ):
        logits = discriminator(images)[:, None]
        assert_agrees(logits, tensors[output], tolerance=1e-4, label=output)


def test_each_layer_of_the_synthesis_is_the_official_one() -> None:
    generator, _, _ = networks()
    synthesis = generator.synthesis
    _, maps = load_reference("sg3-t-tiny-intermediates")
    ws = maps["in/ws"]
    x = synthesis.input(ws[:, 0])
    assert_agrees(x, maps["syn/input"], tolerance=1e-4, label="input")
    for i, (name, layer) in enumerate(zip(synthesis.layer_names, synthesis.layers, strict=True)):
        styles = layer.affine(ws[:, i + 1])
        assert_agrees(styles, maps[f"syn/{name}/affine"], tolerance=1e-4, label=f"{name} affine")
        x = layer(x, ws[:, i + 1])
        assert_agrees(x[:, :4], maps[f"syn/{name}/out"], tolerance=1e-4, label=name)


def test_the_layers_have_the_official_design_values() -> None:
    facts, _ = load_reference("sg3-t-tiny")
    generator, _, _ = networks()
    synthesis = generator.synthesis
    signals = layer_signals(generator.config.synthesis, resolution=32, image_channels=3)
    for i, (official, layer) in enumerate(zip(facts["layers"], synthesis.layers, strict=True)):
        before, after = signals[max(i - 1, 0)], signals[i]
        design = {
            "name": synthesis.layer_names[i],
            "in_channels": before.channels,
            "out_channels": after.channels,
            "in_size": [before.size, before.size],
            "out_size": [after.size, after.size],
            "in_sampling_rate": before.rate,
            "out_sampling_rate": after.rate,
            "in_cutoff": pytest.approx(before.cutoff, rel=1e-12),
            "out_cutoff": pytest.approx(after.cutoff, rel=1e-12),
            "in_half_width": pytest.approx(before.half_width, rel=1e-12),
            "out_half_width": pytest.approx(after.half_width, rel=1e-12),
            "up_factor": layer.up,
            "down_factor": layer.down,
            "padding": list(layer.padding),
        }
        assert {key: official[key] for key in design} == design


# layer: sampling rate, cutoff, half width of the transition, up / taps, padding of t and of r
LAYERS_AT_1024 = """\
L0_36_512 16 2 6 2/12 9,8 11,10
L1_36_512 16 3.175 4.825 2/12 9,8 11,10
L2_52_512 32 5.040 10.960 4/24 -6,-9 -2,-5
L3_52_512 32 8 8 2/12 9,8 11,10
L4_84_512 64 12.699 19.301 4/24 -6,-9 -2,-5
L5_148_512 128 20.159 43.841 4/24 -6,-9 -2,-5
L6_148_512 128 32 32 2/12 9,8 11,10
L7_276_323 256 50.797 77.203 4/24 -6,-9 -2,-5
L8_276_203 256 80.635 47.365 2/12 9,8 11,10
L9_532_128 512 128 128 4/24 -6,-9 -2,-5
L10_1044_81 1024 203.187 308.813 4/24 -6,-9 -2,-5
L11_1044_51 1024 322.540 189.460 2/12 9,8 11,10
L12_1044_32 1024 512 118.346 2/12 9,8 11,10
L13_1024_32 1024 512 118.346 2/12 -11,-12 -9,-10
L14_1024_3 1024 512 118.346 1/1 0,0 0,0""".splitlines()
R_CONFIG: dict[str, Any] = {"conv_kernel": 1, "use_radial_filters": True}


def build(resolution: int, **options: Any) -> Generator:
    return build_generator(
        GeneratorConfig(
            architecture="alias-free",
            resolution=resolution,
            mapping=later_mapping(2),
            synthesis=AliasFreeConfig(**options),
        )
    )


@pytest.mark.parametrize("configuration", ["t", "r"])
def test_at_1024_the_layers_are_those_of_the_paper(configuration: str) -> None:
    options = {} if configuration == "t" else R_CONFIG
    if configuration == "r":
        options = options | {"channel_base": 65536, "channel_max": 1024}
    with torch.device("meta"):
        synthesis = build(1024, **options).synthesis
    assert isinstance(synthesis, AliasFreeSynthesis)
    config = AliasFreeConfig(**options)
    signals = layer_signals(config, resolution=1024, image_channels=3)
    channels = [1024] * 7 + [645, 406, 256, 161, 102, 64, 64, 3]
    for i, (line, layer) in enumerate(zip(LAYERS_AT_1024, synthesis.layers, strict=True)):
        name, rate, cutoff, half_width, up, padding_t, padding_r = line.split()
        if configuration == "r":
            name = f"{name.rsplit('_', 1)[0]}_{channels[i]}"
        assert synthesis.layer_names[i] == name
        assert signals[i].rate == int(rate), name
        assert signals[i].cutoff == pytest.approx(float(cutoff), abs=5e-4), name
        assert signals[i].half_width == pytest.approx(float(half_width), abs=5e-4), name
        taps = 1 if layer.up_filter is None else len(layer.up_filter)
        assert f"{layer.up}/{taps}" == up, name
        padding = padding_t if configuration == "t" else padding_r
        assert layer.padding == 2 * tuple(int(p) for p in padding.split(",")), name
        radial = layer.down_filter is not None and layer.down_filter.ndim == 2
        assert radial == (configuration == "r" and i < 12), name


def test_at_256_the_layers_are_those_of_the_paper() -> None:
    signals = layer_signals(AliasFreeConfig(), resolution=256, image_channels=3)
    names = [layer_name(i, signal) for i, signal in enumerate(signals)]
    assert names == [
        *(f"L{i}_36_512" for i in (0, 1, 2)),
        *(f"L{i}_52_512" for i in (3, 4)),
        *(f"L{i}_84_512" for i in (5, 6)),
        *(f"L{i}_148_512" for i in (7, 8)),
        "L9_148_362",
        "L10_276_256",
        "L11_276_181",
        "L12_276_128",
        "L13_256_128",
        "L14_256_3",
    ]


def test_tensors_carry_the_official_names() -> None:
    generator = build(16, channel_base=128, channel_max=8, num_layers=4)
    names = {f"mapping.fc{i}.{leaf}" for i in (0, 1) for leaf in ("weight", "bias")}
    names |= {"mapping.w_avg"}
    leaves = ("weight", "affine.weight", "affine.bias", "transform", "freqs", "phases")
    names |= {f"synthesis.input.{leaf}" for leaf in leaves}
    leaves = ("weight", "bias", "affine.weight", "affine.bias", "magnitude_ema")
    for layer in ("L0_36_8", "L1_36_8", "L2_36_8", "L3_16_8", "L4_16_3"):
        names |= {f"synthesis.{layer}.{leaf}" for leaf in leaves}
    assert set(generator.state_dict()) == names


def slow_synthesis(generator: Generator, ws: Tensor) -> Tensor:
    """Maps from the state dict alone, each picture with weights of its own."""
    state, config = generator.synthesis.state_dict(), generator.config.synthesis
    assert isinstance(config, AliasFreeConfig)
    x = generator.synthesis.input(ws[:, 0])
    for i, (name, layer) in enumerate(
        zip(generator.synthesis.layer_names, generator.synthesis.layers, strict=True)
    ):
        weight, w = state[f"{name}.weight"], ws[:, i + 1]
        styles = w @ state[f"{name}.affine.weight"].T / math.sqrt(ws.shape[2])
        styles = styles + state[f"{name}.affine.bias"]
        gain = 1 / state[f"{name}.magnitude_ema"].sqrt()
        if i == config.num_layers:
            kernels = weight * styles[:, None, :, None, None] / math.sqrt(weight.shape[1])
        else:
            weight = weight / weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
            styles = styles / styles.square().mean().sqrt()  # over the batch, as officially
            kernels = weight * styles[:, None, :, None, None]
            norm = kernels.square().sum(dim=(2, 3, 4), keepdim=True)
            kernels = kernels / (norm + 1e-8).sqrt()
        pad = weight.shape[2] - 1
        pairs = zip(x, kernels, strict=True)
        x = torch.cat([F.conv2d(a[None], kernel * gain, padding=pad) for a, kernel in pairs])
        x = x + state[f"{name}.bias"][:, None, None]
        if layer.up_filter is not None and layer.down_filter is not None:
            filters = (layer.up_filter, layer.down_filter, layer.up, layer.down, layer.padding)
            x = literal_filtered_lrelu(x, *filters)
        if config.conv_clamp is not None:
            assert x.abs().max() < config.conv_clamp  # so where it is applied doesn't matter
    return x * config.output_scale


@pytest.mark.parametrize(
    "options",
    [
        R_CONFIG,
        {"num_layers": 5, "num_critical": 1, "margin_size": 6, "filter_size": 5},
        {"num_layers": 6, "num_critical": 0, "conv_clamp": None, "output_scale": 1.0},
        R_CONFIG | {"num_layers": 8, "lrelu_upsampling": 4, "first_cutoff": 1.0},
    ],
    ids=["r", "few layers", "no critical layers", "r with more room"],
)
def test_synthesis_equals_the_long_way(options: dict[str, Any]) -> None:
    generator = build_generator(
        GeneratorConfig(
            architecture="alias-free",
            resolution=32,
            image_channels=4,
            z_dim=8,
            w_dim=8,
            mapping=later_mapping(1),
            synthesis=AliasFreeConfig(channel_base=256, channel_max=6, **options),
        )
    ).requires_grad_(False)
    random = torch.Generator().manual_seed(5)
    for name, parameter in generator.synthesis.named_parameters():
        if name != "input.weight":
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=random))
    for layer in generator.synthesis.layers:
        layer.magnitude_ema.copy_(torch.rand([], generator=random) + 0.5)
    ws = torch.randn(2, generator.num_ws, 8, generator=random)
    images = generator.synthesis(ws)
    assert images.shape == (2, 4, 32, 32)
    reference = slow_synthesis(generator, ws)
    assert_agrees(images, reference, tolerance=1e-4, relative_to_deviation=WHOLE_IMAGE)


def turned_picture_error(**options: Any) -> float:
    """How far a picture from a turned input is from the turned picture, against its variance."""
    generator = build(64, channel_base=1024, channel_max=32, **options).requires_grad_(False)
    ws = generator.mapping(torch.randn(1, 512, generator=torch.Generator().manual_seed(0)))
    upright = generator.synthesis(ws)
    transform = generator.synthesis.input.transform
    transform.copy_(torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    turned = generator.synthesis(ws)
    # the transform maps places in the turned picture to places in the upright one
    expected = upright.rot90(1, dims=(2, 3))
    return ((turned - expected).square().mean() / upright.var()).item()


def test_turning_the_input_turns_the_picture_of_configuration_r_but_not_of_t() -> None:
    assert turned_picture_error(**R_CONFIG) < 1e-4
    assert turned_picture_error() > 1e-2


def test_shifting_the_input_by_whole_pixels_shifts_the_picture() -> None:
    generator = build(64, channel_base=1024, channel_max=32).requires_grad_(False)
    ws = generator.mapping(torch.randn(1, 512, generator=torch.Generator().manual_seed(0)))
    upright = generator.synthesis(ws)
    generator.synthesis.input.transform[0, 2] = 4 / 64  # a place reads what lay 4 pixels right
    shifted = generator.synthesis(ws)
    error = (shifted[..., :-4] - upright[..., 4:]).square().mean() / upright.var()
    assert error < 1e-2


def test_the_input_stays_in_float32_when_the_network_goes_to_bfloat16() -> None:
    generator, _, tensors = networks()
    synthesis = copy.deepcopy(generator.synthesis).to(torch.bfloat16)
    assert synthesis.layers[0].weight.dtype == torch.bfloat16
    assert {t.dtype for t in synthesis.input.state_dict().values()} == {torch.float32}
    images = synthesis(tensors["out/ws"])
    assert images.dtype == torch.float32
    reference = tensors["out/images"]
    assert (images - reference).square().mean() < 0.02 * reference.var()


def test_noise_is_taken_as_a_mode_and_refused_as_maps() -> None:
    generator, _, tensors = networks()
    assert generator.const_noise == []
    assert generator.noise_layers == generator.block_layers == ()
    with pytest.raises(ValueError, match="1 noise maps for 0 noise layers"):
        generator.synthesis(tensors["out/ws"], [None])
