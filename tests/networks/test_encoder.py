"""The encoder: shapes at any resolution, w that differ from the start, and what it is told."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from wspace.errors import WspaceError
from wspace.networks.config import EncoderConfig
from wspace.networks.encoder import Encoder
from wspace.networks.presets import preset


@pytest.mark.parametrize(("resolution", "image_channels"), [(8, 3), (32, 1), (16, 4), (64, 3)])
def test_images_become_a_w_each(resolution: int, image_channels: int) -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(
        preset("compact", resolution=resolution)[0], image_channels=image_channels
    )
    w = Encoder(config)(torch.randn(2, image_channels, resolution, resolution))
    assert w.shape == (2, config.w_dim)
    assert not torch.equal(w[0], w[1])


def test_what_is_said_of_images_moves_their_w() -> None:
    torch.manual_seed(0)
    config = preset("compact", resolution=8)[0]
    encoder = Encoder(config, num_values=5)
    images = torch.randn(1, 3, 8, 8).expand(3, -1, -1, -1)
    w = encoder(images, torch.tensor([[0, 3], [0, 4], [0, 3]]))
    assert not torch.allclose(w[0], w[1])
    torch.testing.assert_close(w[0], w[2])
    w.square().sum().backward()
    assert encoder.values is not None
    assert encoder.values.weight.grad is not None
    assert encoder.values.weight.grad.any(dim=1).tolist() == [True, False, False, True, True]


def test_an_encoder_that_is_told_nothing_takes_what_is_usual() -> None:
    torch.manual_seed(0)
    config = preset("compact", resolution=8)[0]
    encoder = Encoder(config, num_values=5)
    images, values = torch.randn(4, 3, 8, 8), torch.tensor([[0, 3], [0, 4], [1, 3], [2, 4]])
    untold = encoder.untold(values)
    assert untold.values is None
    assert encoder.values is not None
    usual = encoder.values(values).sum(dim=1).mean(dim=0)
    torch.testing.assert_close(untold(images), encoder.leave(encoder.layers(images) + usual))
    plain = Encoder(config)
    torch.testing.assert_close(plain.untold()(images), plain(images))


@pytest.mark.parametrize("change", [{"max_width": 0}, {"first_width": 12}, {"hidden_dim": 0}])
def test_widths_are_checked(change: dict[str, int]) -> None:
    with pytest.raises(WspaceError):
        EncoderConfig(**change)
