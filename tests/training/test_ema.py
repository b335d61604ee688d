"""The running average of weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wspace.training.ema import ema_decay, update_ema


def test_after_one_half_life_half_is_new() -> None:
    decay = ema_decay(32, 10.0, seen_images=10**9, ramp=None)
    assert decay ** (10_000 / 32) == pytest.approx(0.5)


def test_the_ramp_shortens_the_half_life_of_young_runs() -> None:
    # 1000 images seen at a ramp of 0.05: the half-life is 50 images
    assert ema_decay(50, 10.0, seen_images=1000, ramp=0.05) == pytest.approx(0.5)
    assert ema_decay(32, 10.0, seen_images=0, ramp=0.05) == 0.0


def test_parameters_are_averaged_and_buffers_copied() -> None:
    average, current = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    with torch.no_grad():
        average.weight.fill_(1.0)
        current.weight.fill_(3.0)
        current.running_mean.fill_(7.0)
    update_ema(average, current, 0.75)
    assert average.weight.item() == pytest.approx(1.5)
    assert average.running_mean.item() == 7.0
    assert current.weight.item() == 3.0
