"""Decoding: every kind of pixel becomes 8-bit RGB, and damaged files become one kind of error."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wspace.data.pictures import (
    MAX_PICTURE_PIXELS,
    UnreadablePictureError,
    decode_rgb,
    read_header,
)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def pixel(content: bytes, at: tuple[int, int] = (0, 0), **options: Any) -> Any:
    decoded = decode_rgb(content, **options)
    assert decoded.mode == "RGB"
    return decoded.getpixel(at)


def png_claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims a size that its few bytes do not hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp", "gif", "tiff"])
def test_every_format_is_read(kind: str) -> None:
    content = encoded(Image.new("RGB", (16, 16), (255, 0, 0)), kind)
    assert np.abs(np.subtract(pixel(content), (255, 0, 0))).max() <= 2  # JPEG and WebP lose a bit
    assert (read_header(content).width, read_header(content).height) == (16, 16)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (128, 0), (129, 1), (257, 1), (0x8000, 128), (65535, 255)]
)
@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_16_bit_grey_is_scaled_and_rounded(kind: str, value: int, expected: int) -> None:
    picture = Image.fromarray(np.full((4, 4), value, dtype=np.uint16))
    assert pixel(encoded(picture, kind)) == (expected,) * 3


def test_float_pictures_from_0_to_1_are_scaled_and_unknown_ranges_refused() -> None:
    half = encoded(Image.fromarray(np.full((4, 4), 0.5, dtype=np.float32)), "tiff")
    assert pixel(half) == (128, 128, 128)
    for value in (-1.0, 300.0, float("nan")):
        content = encoded(Image.fromarray(np.full((4, 4), value, dtype=np.float32)), "tiff")
        with pytest.raises(UnreadablePictureError, match="no known 8-bit meaning"):
            decode_rgb(content)


def test_transparency_shows_the_background() -> None:
    half = encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 128)), "png")
    assert pixel(half) == (127, 127, 127)
    assert pixel(half, background=(255, 0, 0)) == (127, 0, 0)
    grey = encoded(Image.new("LA", (4, 4), (0, 0)), "png")
    assert pixel(grey, background=(1, 2, 3)) == (1, 2, 3)
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    assert pixel(encoded(palette, "png")) == (10, 20, 30)
    assert pixel(encoded(palette, "png", transparency=0)) == (255, 255, 255)
    assert pixel(encoded(palette, "gif", transparency=0)) == (255, 255, 255)
    key = encoded(Image.new("RGB", (4, 4), (9, 9, 9)), "png", transparency=(9, 9, 9))
    assert pixel(key) == (255, 255, 255)


@pytest.mark.parametrize(("mode", "color"), [("1", 1), ("L", 255), ("CMYK", (0, 0, 0, 0))])
def test_other_pixel_layouts_become_rgb(mode: str, color: Any) -> None:
    assert pixel(encoded(Image.new(mode, (4, 4), color), "tiff")) == (255, 255, 255)


def test_exif_rotation_is_applied() -> None:
    picture = Image.new("RGB", (2, 1))
    picture.putdata([(255, 0, 0), (0, 0, 255)])  # red left, blue right
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned 90 degrees clockwise: left becomes top
    upright = decode_rgb(encoded(picture, "png", exif=exif))
    assert upright.size == (1, 2)
    assert upright.getpixel((0, 0)) == (255, 0, 0)


def test_an_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    content = encoded(frames[0], "gif", save_all=True, append_images=frames[1:])
    assert pixel(content) == (255, 0, 0)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, I am no picture",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
        encoded(Image.effect_noise((64, 64), 90), "jpeg")[:1500],
        encoded(Image.effect_noise((64, 64), 90), "png")[:1500],
        png_claiming(64, 64),
    ],
    ids=["empty", "text", "postscript", "cut jpeg", "cut png", "lying png"],
)
def test_what_is_no_whole_picture_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadablePictureError):
        decode_rgb(content)


@pytest.mark.parametrize("side", [10_000, 2**31 - 1])
def test_decompression_bombs_are_refused_before_decoding(side: int) -> None:
    assert side**2 > MAX_PICTURE_PIXELS
    for read in (read_header, decode_rgb):
        with pytest.raises(UnreadablePictureError):
            read(png_claiming(side, side))


SAMPLES = [
    encoded(Image.effect_noise((8, 8), 60).convert("RGB"), kind)
    for kind in ("png", "jpeg", "webp", "bmp", "gif", "tiff")
]


@settings(max_examples=300, deadline=2000)
@given(sample=st.sampled_from(SAMPLES), data=st.data())
def test_damaged_files_decode_or_raise_the_one_error(sample: bytes, data: st.DataObject) -> None:
    content = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = (
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    for read in (read_header, decode_rgb):
        with contextlib.suppress(UnreadablePictureError):
            read(bytes(content))
