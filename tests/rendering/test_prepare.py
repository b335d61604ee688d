"""A folded synthesis draws what the network itself draws."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from wspace.networks.build import build_generator
from wspace.networks.config import AdaINConfig, DemodulatedConfig, GeneratorConfig
from wspace.networks.generator import Generator
from wspace.networks.presets import preset
from wspace.networks.stylegan2.synthesis import DemodulatedLayer
from wspace.ops import choose
from wspace.rendering.prepare import PictureByPicture, fold
from wspace.steering.editing import styles_of

CONFIGS = {
    "adain": AdaINConfig(channels=(8, 8, 4)),
    "demodulated": DemodulatedConfig(channels=(8, 8, 4)),
    "resnet": DemodulatedConfig(channels=(8, 8, 4), architecture="resnet"),
}


def _generator(name: str) -> Generator:
    synthesis = CONFIGS[name]
    architecture = "adain" if name == "adain" else "demodulated"
    torch.manual_seed(0)
    generator = build_generator(
        GeneratorConfig(
            architecture=architecture,  # type: ignore[arg-type]
            resolution=16,
            z_dim=8,
            w_dim=8,
            synthesis=synthesis,
        )
    )
    with torch.no_grad():
        for parameter_name, parameter in generator.named_parameters():
            if parameter_name.endswith(("bias", "noise_strength")):
                parameter.normal_(std=0.2)
    return generator.eval().requires_grad_(False)


@pytest.mark.parametrize("transformed", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_the_images_are_the_same(
    name: str, transformed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if transformed:
        monkeypatch.setattr(choose, "WINOGRAD_CHANNELS", 4)
        monkeypatch.setattr(choose, "WINOGRAD_CHANNELS_OF_WEIGHT_GRADIENT", 4)
        monkeypatch.setattr(choose, "WINOGRAD_TILES", 1)
        monkeypatch.setattr(choose, "WINOGRAD_TILES_TRANSFORMED", 1)
    generator = _generator(name)
    ws = generator.mapping(torch.randn(3, 8))
    with torch.inference_mode():
        plain = generator.synthesis(ws)
        folded = fold(generator.synthesis)
        torch.testing.assert_close(folded(ws), plain, rtol=1e-4, atol=1e-5)
        assert torch.equal(folded(ws), folded(ws))


@pytest.mark.parametrize("by_itself", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_styles_are_moved_alike(
    name: str, by_itself: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choose, "modulates_kernels", lambda x, *_, **__: by_itself)
    generator = _generator(name)
    ws = generator.mapping(torch.randn(3, 8))
    offsets = [torch.randn_like(style) for style in styles_of(generator, ws)]
    with torch.inference_mode():
        plain = generator.synthesis(ws, style_offsets=offsets)
        folded = fold(generator.synthesis)
        torch.testing.assert_close(folded(ws, style_offsets=offsets), plain, rtol=1e-4, atol=1e-5)
        assert not torch.allclose(plain, generator.synthesis(ws), atol=0.1)
        still = [torch.zeros_like(offset) for offset in offsets]
        assert torch.equal(folded(ws, style_offsets=still), folded(ws))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_network_itself_stays_as_it_was(name: str) -> None:
    generator = _generator(name)
    before = {k: v.clone() for k, v in generator.state_dict().items()}
    fold(generator.synthesis)(generator.mapping(torch.randn(2, 8)))
    after = generator.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert set(before) == set(after)


@torch.no_grad()
def test_in_bfloat16_it_is_closer_than_weights_that_were_rounded_first() -> None:
    torch.manual_seed(0)
    generator = build_generator(preset("compact", resolution=32)[0]).eval()
    ws = generator.mapping(torch.randn(8, generator.z_dim))
    exact = generator.synthesis(ws)
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    found = fold(generator.synthesis, torch.bfloat16)(ws)
    rounded = copy.deepcopy(generator.synthesis).to(torch.bfloat16).float()
    rounded_first = fold(rounded, torch.bfloat16)(ws)
    assert 0 < float((found - exact).abs().mean()) < float((rounded_first - exact).abs().mean())
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


@pytest.mark.parametrize("noise", ["const", "none", "own"])
@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("name", ["demodulated", "resnet"])
def test_with_weights_of_its_own_a_picture_is_the_same(
    name: str, count: int, noise: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = _generator(name)
    ws = generator.mapping(torch.randn(count, 8))
    maps: Any = noise
    if noise == "own":
        maps = [torch.randn(count, 1, *shape) for shape in generator.noise_shapes]
    folded = fold(generator.synthesis, torch.bfloat16)
    with torch.inference_mode():
        exact = generator.synthesis(ws, maps)
    asked = []
    errors = {}
    for own in (False, True):

        def decide(x: Tensor, weight: Tensor, *, upsample: bool, own: bool = own) -> bool:
            asked.append(x.dtype)
            return own

        monkeypatch.setattr(choose, "modulates_kernels", decide)
        with torch.inference_mode():
            drawn = folded(ws, maps)
        errors[own] = float((drawn - exact).abs().mean() / exact.abs().mean())
    assert set(asked) >= {torch.bfloat16}
    assert 0 < errors[True] < 1.5 * errors[False] < 0.05


def test_pictures_are_drawn_alone_where_maps_are_large_and_of_half_precision() -> None:
    folded = fold(_generator("demodulated").synthesis, torch.bfloat16)
    assert isinstance(folded, PictureByPicture)
    layer = folded.synthesis.b16.conv1
    assert isinstance(layer, DemodulatedLayer)
    large = torch.zeros(1, 4, 16, 16)

    def alone(layer: DemodulatedLayer, x: Tensor) -> bool:
        return layer.convolution.modulates_kernels(x, layer.weight)

    assert alone(layer, large.bfloat16())
    assert not alone(layer, large)
    assert not alone(layer, large[..., :2, :2].bfloat16())
    trained = _generator("demodulated").synthesis.b16.conv1
    assert not alone(trained, large.bfloat16())
