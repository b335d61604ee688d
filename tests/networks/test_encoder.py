"""The encoder: shapes at any resolution, and w that differ from the start."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from wspace.networks.encoder import Encoder
from wspace.networks.presets import preset


@pytest.mark.parametrize(("resolution", "image_channels"), [(8, 3), (32, 1), (64, 3)])
def test_images_become_a_w_each(resolution: int, image_channels: int) -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(
        preset("compact", resolution=resolution)[0], image_channels=image_channels
    )
    w = Encoder(config)(torch.randn(2, image_channels, resolution, resolution))
    assert w.shape == (2, config.w_dim)
    assert not torch.equal(w[0], w[1])
