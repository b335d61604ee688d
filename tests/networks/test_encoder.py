"""The encoder: shapes at any resolution, and where its Gaussians begin."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from wspace.networks.encoder import Encoder
from wspace.networks.presets import preset


@pytest.mark.parametrize(("resolution", "image_channels"), [(8, 3), (32, 1), (64, 3)])
def test_images_become_gaussians_over_z(resolution: int, image_channels: int) -> None:
    torch.manual_seed(0)
    config = dataclasses.replace(
        preset("compact", resolution=resolution)[0], image_channels=image_channels
    )
    images = torch.randn(2, image_channels, resolution, resolution)
    mean, log_variance = Encoder(config)(images)
    assert mean.shape == log_variance.shape == (2, config.z_dim)
    assert not torch.equal(mean[0], mean[1])
    assert -2.5 < log_variance.mean() < -1.5  # small enough for z to count from the start


def test_a_variance_stays_in_bounds_whatever_the_image() -> None:
    torch.manual_seed(0)
    config = preset("compact", resolution=8)[0]
    _, log_variance = Encoder(config)(torch.full((1, 3, 8, 8), 1e6))
    assert log_variance.min() >= -8
    assert log_variance.max() <= 2
