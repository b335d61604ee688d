"""Bytes and [-1, 1]."""

from __future__ import annotations

import torch

from wspace.images import from_uint8, to_uint8


def test_every_byte_survives_the_round_trip() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    images = from_uint8(pixels)
    assert images.min() == -1
    torch.testing.assert_close(images.max(), torch.tensor(1.0))
    assert torch.equal(to_uint8(images).permute(0, 3, 1, 2), pixels)


def test_values_outside_saturate_and_zero_is_128() -> None:
    images = torch.tensor([-7.0, -1.0, 0.0, 1.0, 7.0]).reshape(1, 1, 1, 5)
    assert to_uint8(images).flatten().tolist() == [0, 0, 128, 255, 255]
