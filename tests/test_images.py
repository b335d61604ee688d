"""Bytes and [-1, 1], with alpha and without."""

from __future__ import annotations

import torch

from wspace.images import BACKGROUNDS, from_uint8, rgb_of, to_uint8


def test_every_byte_survives_the_round_trip() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    images = from_uint8(pixels)
    assert images.min() == -1
    torch.testing.assert_close(images.max(), torch.tensor(1.0))
    assert torch.equal(to_uint8(images).permute(0, 3, 1, 2), pixels)


def test_values_outside_saturate_and_zero_is_128() -> None:
    images = torch.tensor([-7.0, -1.0, 0.0, 1.0, 7.0]).reshape(1, 1, 1, 5)
    assert to_uint8(images).flatten().tolist() == [0, 0, 128, 255, 255]


def test_every_colour_under_every_alpha_survives_the_round_trip() -> None:
    colour, alpha = torch.meshgrid(*[torch.arange(256, dtype=torch.uint8)] * 2, indexing="ij")
    pixels = torch.stack([colour, colour, 255 - colour, alpha])[None]  # (1, 4, 256, 256)
    back = to_uint8(from_uint8(pixels)).permute(0, 3, 1, 2)
    assert torch.equal(back[..., 1:], pixels[..., 1:])
    assert not back[..., 0].any()  # colours that nobody sees are 0


def test_opaque_pictures_are_as_without_alpha() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    opaque = torch.cat([pixels, torch.full((1, 1, 16, 16), 255, dtype=torch.uint8)], dim=1)
    assert torch.equal(from_uint8(opaque)[:, :3], from_uint8(pixels))
    images = torch.randn(1, 3, 16, 16)
    made = to_uint8(torch.cat([images, torch.ones(1, 1, 16, 16)], dim=1))
    assert torch.equal(made[..., :3], to_uint8(images))


def test_images_are_premultiplied_and_bytes_are_straight() -> None:
    half = torch.tensor([255, 0, 51, 51], dtype=torch.uint8).reshape(1, 4, 1, 1)  # alpha 0.2
    image = from_uint8(half).flatten()
    torch.testing.assert_close((image + 1) / 2, torch.tensor([0.2, 0.0, 0.04, 0.2]))


def test_colours_brighter_than_their_alpha_allows_saturate() -> None:
    image = torch.tensor([1.0, 0.0, -3.0, 0.0]).reshape(1, 4, 1, 1)
    assert to_uint8(image).flatten().tolist() == [255, 254, 0, 128]
    nothing = torch.tensor([1.0, 1.0, 1.0, -1.0]).reshape(1, 4, 1, 1)
    assert to_uint8(nothing).flatten().tolist() == [0, 0, 0, 0]


def test_what_is_seen_is_as_near_as_bytes_allow() -> None:
    random = torch.Generator().manual_seed(0)
    alpha = torch.rand(1, 1, 64, 64, generator=random)
    colour = alpha * torch.rand(1, 3, 64, 64, generator=random)
    image = torch.cat([colour, alpha], dim=1) * 2 - 1
    written = from_uint8(to_uint8(image).permute(0, 3, 1, 2))
    # half a step of each byte; the colour's is as much smaller as alpha is
    assert (written - image).abs().max() <= (0.5 + 1e-3) * 2 / 255


def test_networks_of_rgb_see_a_picture_on_its_background() -> None:
    red = torch.tensor([1.0, -1.0, -1.0, 1.0])
    nothing = torch.full((4,), -1.0)
    half_white = torch.tensor([0.0, 0.0, 0.0, 0.0])  # white of alpha 0.5
    images = torch.stack([red, nothing, half_white], dim=1)[None, :, None]  # (1, 4, 1, 3)
    black, white = (rgb_of(images, background)[0, :, 0].T for background in BACKGROUNDS)
    assert black.tolist() == [[1, -1, -1], [-1, -1, -1], [0, 0, 0]]
    assert white.tolist() == [[1, -1, -1], [1, 1, 1], [1, 1, 1]]
    # what is seen on both says alpha and colour
    torch.testing.assert_close(
        torch.cat([black, 1 - (white - black)[:, :1]], dim=1), images[0, :, 0].T
    )


def test_grey_is_seen_as_red_green_and_blue_and_rgb_as_it_is() -> None:
    grey, colour = torch.randn(2, 1, 4, 4), torch.randn(2, 3, 4, 4)
    assert torch.equal(rgb_of(grey), grey.repeat(1, 3, 1, 1))
    assert torch.equal(rgb_of(colour, 0.0), colour)
