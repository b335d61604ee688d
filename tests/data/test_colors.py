"""Colour profiles: what a picture shows is kept, in sRGB."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageCms

from wspace.data.colors import in_srgb


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def wide_gamut() -> bytes:
    """sRGB with red and green changed for each other: a profile that shows when it is applied."""
    profile = bytearray(srgb())
    table = {}
    for number in range(int.from_bytes(profile[128:132], "big")):
        at = 132 + 12 * number
        table[bytes(profile[at : at + 4])] = at + 4
    red, green = table[b"rXYZ"], table[b"gXYZ"]
    places = (profile[red : red + 8], profile[green : green + 8])
    profile[red : red + 8], profile[green : green + 8] = places[1], places[0]
    return bytes(profile)


def grey_gamma(gamma: float) -> bytes:
    """The smallest grey profile: a white point, a description and a curve."""

    def text(kind: bytes, content: bytes) -> bytes:
        return kind + b"\0\0\0\0" + content

    white = text(b"XYZ ", b"".join(int(v * 65536).to_bytes(4, "big") for v in (0.9642, 1, 0.8249)))
    name = text(b"desc", (2).to_bytes(4, "big") + b"g\0" + bytes(78))
    curve = text(b"curv", (1).to_bytes(4, "big") + int(gamma * 256).to_bytes(2, "big") + b"\0\0")
    parts = ((b"wtpt", white), (b"desc", name + bytes(-len(name) % 4)), (b"kTRC", curve))
    place = 132 + 12 * len(parts)
    table, body = b"", b""
    for kind, part in parts:
        table += kind + (place + len(body)).to_bytes(4, "big") + len(part).to_bytes(4, "big")
        body += part
    size = place + len(body)
    head = bytearray(128)
    head[0:4] = size.to_bytes(4, "big")
    head[8:12] = b"\2\x10\0\0"
    head[12:24] = b"mntrGRAYXYZ "
    head[36:40] = b"acsp"
    head[68:80] = white[8:]
    return bytes(head) + len(parts).to_bytes(4, "big") + table + body


def test_a_profile_is_applied() -> None:
    red = Image.new("RGB", (2, 2), (255, 0, 0))
    shown = np.asarray(in_srgb(red, wide_gamut()))[0, 0]
    assert np.abs(shown.astype(int) - (0, 255, 0)).max() <= 3
    grey = in_srgb(Image.new("L", (2, 2), 77), wide_gamut())  # has no red to change
    assert grey.mode == "L"
    assert abs(int(grey.getpixel((0, 0))) - 77) <= 1  # type: ignore[arg-type]


def test_srgb_leaves_every_pixel_as_it_is() -> None:
    picture = Image.effect_noise((64, 64), 90).convert("RGB")
    assert in_srgb(picture, srgb()).tobytes() == picture.tobytes()


def test_grey_profiles_are_applied_and_grey_stays_grey() -> None:
    linear = in_srgb(Image.new("L", (2, 2), 128), grey_gamma(1.0))
    assert linear.mode == "L"
    # sRGB of 128 / 255 of the light: 1.055 * 0.502 ** (1 / 2.4) - 0.055 = 0.7366
    assert abs(int(linear.getpixel((0, 0))) - 188) <= 1  # type: ignore[arg-type]


def test_what_is_no_profile_of_these_pixels_is_left_alone() -> None:
    picture = Image.effect_noise((8, 8), 90).convert("RGB")
    for profile in (b"", b"no profile", srgb()[:200], grey_gamma(1.0), bytes(4000)):
        assert in_srgb(picture, profile).tobytes() == picture.tobytes()
    assert in_srgb(Image.new("CMYK", (2, 2)), srgb()).getpixel((0, 0)) == (255, 255, 255)
