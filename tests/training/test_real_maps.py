"""What is kept of real pictures is what the network would see now."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wspace.training import real_maps as module
from wspace.training.real_maps import GROUP, RealMaps, real_maps

COUNT = 2 * GROUP + 3
IMAGES = torch.randn(COUNT, 4, 2, 3, generator=torch.Generator().manual_seed(0))


class Network:
    """Maps that tell image, mirroring and background apart; counts the images that it sees."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: Tensor, background: float) -> list[Tensor]:
        self.seen += len(images)
        return [images * 2, images[:, :1, :, :1] + background]


def images(numbers: range) -> Tensor:
    return IMAGES[list(numbers)]


@pytest.mark.parametrize("mirror", [False, True])
def test_maps_are_those_of_each_picture_on_each_background(mirror: bool) -> None:
    network = Network()
    kept = RealMaps(COUNT, mirror, (0.0, 1.0), images, network)
    random = torch.Generator().manual_seed(1)
    sides = 2 if mirror else 1
    for step in range(6):
        which = torch.randint(0, sides * COUNT, (5,), generator=random)
        background = float(step % 2)
        own = IMAGES[which // sides]
        if mirror:
            own = torch.where((which % 2 == 1)[:, None, None, None], own.flip(3), own)
        for one, other in zip(kept.of(which, background), Network()(own, background), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_picture_is_seen_once_on_each_background() -> None:
    network = Network()
    kept = RealMaps(COUNT, False, (0.0, 1.0), images, network)
    for background in (0.0, 1.0, 0.0, 1.0):
        kept.of(torch.arange(COUNT), background)
    assert network.seen == 2 * COUNT


def test_nothing_is_kept_where_not_all_backgrounds_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    each = 4 * (4 * 2 * 3 + 2)  # bytes of an image's maps
    monkeypatch.setattr(module, "MAX_BYTES", each * COUNT)
    assert real_maps(COUNT, False, (1.0,), images, Network()) is not None
    assert real_maps(COUNT, False, (0.0, 1.0), images, Network()) is None
