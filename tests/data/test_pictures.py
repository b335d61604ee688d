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
from PIL import Image, ImageCms

from wspace.data import kinds
from wspace.data.pictures import (
    MAX_PICTURE_PIXELS,
    UnreadablePictureError,
    decode,
    largest_value,
    read_header,
)


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def in_container(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """An AVIF or, where its extra is installed, a HEIC."""
    if kind == "HEIF":
        # writes them, too
        pytest.importorskip("pillow_heif").register_heif_opener(thumbnails=False)
    return encoded(picture, kind, **options)


def pixel(content: bytes, at: tuple[int, int] = (0, 0), **options: Any) -> Any:
    decoded = decode(content, **options).convert("RGB")
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


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "bmp", "gif", "tiff", "ppm", "avif"])
def test_every_format_is_read(kind: str) -> None:
    content = encoded(Image.new("RGB", (16, 16), (255, 0, 0)), kind)
    assert np.abs(np.subtract(pixel(content), (255, 0, 0))).max() <= 4  # JPEG and AVIF lose a bit
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
    whole = np.array([[0, 51], [102, 255]], dtype=np.float32)
    assert pixel(encoded(Image.fromarray(whole), "tiff"), at=(1, 0)) == (51, 51, 51)
    for value in (-1.0, 300.0, float("nan")):
        content = encoded(Image.fromarray(np.full((4, 4), value, dtype=np.float32)), "tiff")
        with pytest.raises(UnreadablePictureError, match="no known 8-bit meaning"):
            decode(content)


@pytest.mark.parametrize(
    ("largest", "value", "expected"),
    [(255, 128, 128), (4095, 2048, 128), (65535, 257, 1), (2**31 - 1, 2**30, 64)],
)
def test_32_bit_integers_have_the_smallest_depth_that_holds_them(
    largest: int, value: int, expected: int
) -> None:
    values = np.array([[largest, value]], dtype=np.int32)
    content = encoded(Image.fromarray(values), "tiff")
    assert read_header(content).depth_unknown
    assert largest_value(content) == largest
    assert pixel(content, at=(1, 0)) == (expected,) * 3
    assert pixel(content, at=(1, 0), white=2.0**32 - 1)[0] == round(value * 255 / (2**32 - 1))
    if largest > 255:
        with pytest.raises(UnreadablePictureError, match="where 255 is white"):
            decode(content, white=255.0)


def test_12_bits_in_16_are_bright_once_that_is_said() -> None:
    content = encoded(Image.fromarray(np.full((4, 4), 4095, dtype=np.uint16)), "png")
    assert read_header(content).of_16_bits
    assert pixel(content) == (16, 16, 16)
    assert pixel(content, white=4095.0) == (255, 255, 255)


def png_of(depth: int, color: int, row: bytes, width: int, key: bytes) -> bytes:
    """A PNG of one row, with a transparent value."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, 1, depth, color, 0, 0, 0)
    body = chunk(b"tRNS", key) + chunk(b"IDAT", zlib.compress(b"\0" + row)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


@pytest.mark.parametrize(
    ("depth", "color", "row", "width", "key"),
    [
        (1, 0, b"\x80", 2, b"\0\1"),
        (2, 0, b"\xd0", 2, b"\0\3"),  # 3, then 1
        (4, 0, b"\xf5", 2, b"\0\x0f"),
        (8, 0, b"\xf0\x10", 2, b"\0\xf0"),
        (16, 0, b"\xf0\x10\x01\x02", 2, b"\xf0\x10"),
        (8, 2, b"\xf0\xf1\xf2\x01\x02\x03", 2, b"\0\xf0\0\xf1\0\xf2"),
        (16, 2, b"\xf0\x10" * 3 + b"\x01\x02" * 3, 2, b"\xf0\x10" * 3),
    ],
    ids=["1 bit", "2 bits", "4 bits", "8 bits", "16 bits", "colour", "colour of 16 bits"],
)
def test_the_transparent_value_of_a_png_counts_in_every_mode(
    depth: int, color: int, row: bytes, width: int, key: bytes
) -> None:
    content = png_of(depth, color, row, width, key)
    assert pixel(content, at=(0, 0), background=(1, 200, 3)) == (1, 200, 3)
    assert pixel(content, at=(1, 0), background=(1, 200, 3)) != (1, 200, 3)


@pytest.mark.parametrize(
    ("mode", "background", "decoded"),
    [
        ("L", (255, 0, 0), "L"),
        ("1", (255, 0, 0), "L"),
        ("I;16", (255, 0, 0), "L"),
        ("LA", (9, 9, 9), "L"),
        ("LA", (255, 0, 0), "RGB"),
        ("RGB", (9, 9, 9), "RGB"),
        ("P", (9, 9, 9), "RGB"),
    ],
)
def test_grey_pictures_stay_grey(mode: str, background: tuple[int, int, int], decoded: str) -> None:
    content = encoded(Image.new(mode, (4, 4)), "png")
    assert decode(content, background).mode == decoded
    assert read_header(content).grey == (mode not in ("RGB", "P"))


def test_profiles_are_applied_and_not_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    for kind in ("png", "jpeg", "tiff"):
        decoded = decode(encoded(Image.new("RGB", (8, 8), "red"), kind, icc_profile=profile))
        assert decoded.info == {}
    cmyk = encoded(Image.new("CMYK", (8, 8)), "tiff", icc_profile=profile)
    assert decode(cmyk).info == {}


def test_a_large_jpeg_may_come_out_smaller_and_shows_the_same() -> None:
    whole = Image.radial_gradient("L").resize((1000, 600)).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(whole, "jpeg", exif=exif, quality=95)
    assert decode(content).size == (600, 1000)
    small = decode(content, least_side=128)
    assert small.size == (150, 250)  # by 4; by 8 it would be 75 wide
    assert decode(content, least_side=601).size == (600, 1000)
    reduced = decode(content).resize(small.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(small, int) - np.asarray(reduced, int)).max() <= 3
    png = encoded(whole, "png")
    assert decode(png, least_side=8).size == (1000, 600)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_pictures_of_phones_are_read_upright(kind: str, turn: int) -> None:
    picture = Image.new("RGB", (64, 32), (0, 0, 255))
    picture.paste((255, 0, 0), (0, 0, 32, 32))  # red left
    exif = Image.Exif()
    exif[0x0112] = turn
    content = encoded(picture, "jpeg", exif=exif)
    own = in_container(picture, kind, exif=exif.tobytes())
    expected, shown = np.asarray(decode(content), int), np.asarray(decode(own), int)
    assert shown.shape == expected.shape
    assert np.abs(shown - expected).mean() < 12
    assert read_header(own).format == kind


def test_heic_names_its_extra_where_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds.importlib.util, "find_spec", lambda name: None)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    for read in (read_header, decode):
        with pytest.raises(
            UnreadablePictureError, match=r"HEIC, which pip install 'wspace\[heic\]'"
        ):
            read(heic)


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


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff", "avif"])
def test_headers_say_the_size_of_pictures_that_were_turned(kind: str) -> None:
    exif = Image.Exif()
    for turn, size in ((1, (24, 16)), (3, (24, 16)), (6, (16, 24)), (8, (16, 24))):
        exif[0x0112] = turn
        content = encoded(Image.new("RGB", (24, 16), "teal"), kind, exif=exif)
        header = read_header(content)
        assert (header.width, header.height) == decode(content).size == size


def test_exif_rotation_is_applied() -> None:
    picture = Image.new("RGB", (2, 1))
    picture.putdata([(255, 0, 0), (0, 0, 255)])  # red left, blue right
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned 90 degrees clockwise: left becomes top
    upright = decode(encoded(picture, "png", exif=exif))
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
        decode(content)


@pytest.mark.parametrize("side", [10_000, 2**31 - 1])
def test_decompression_bombs_are_refused_before_decoding(side: int) -> None:
    assert side**2 > MAX_PICTURE_PIXELS
    for read in (read_header, decode):
        with pytest.raises(UnreadablePictureError):
            read(png_claiming(side, side))


SAMPLES = [
    encoded(Image.effect_noise((8, 8), 60).convert("RGB"), kind)
    for kind in ("png", "jpeg", "webp", "bmp", "gif", "tiff", "ppm", "avif")
]


with contextlib.suppress(pytest.skip.Exception):
    SAMPLES.append(in_container(Image.effect_noise((16, 16), 60).convert("RGB"), "HEIF"))


@settings(max_examples=300, deadline=2000)
@given(sample=st.sampled_from(SAMPLES), data=st.data())
def test_damaged_files_decode_or_raise_the_one_error(sample: bytes, data: st.DataObject) -> None:
    content = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = (
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    for read in (read_header, decode):
        with contextlib.suppress(UnreadablePictureError):
            read(bytes(content))


def clear_red(mode: str = "RGBA") -> Image.Image:
    """Red, a quarter opaque; its left column is transparent green, which nobody sees."""
    picture = Image.new("RGBA", (4, 4), (255, 0, 0, 64))
    picture.paste((0, 255, 0, 0), (0, 0, 1, 4))
    return picture.convert(mode)


@pytest.mark.parametrize("kind", ["png", "webp", "tiff"])
def test_alpha_is_kept_where_that_is_asked_for(kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "webp" else {}
    content = encoded(clear_red(), kind, **options)
    kept = decode(content, keep_alpha=True)
    assert kept.mode == "RGBA"
    assert kept.getpixel((2, 2)) == (255, 0, 0, 64)
    assert kept.getpixel((0, 0)) == (0, 0, 0, 0)  # colours that nobody sees are gone
    assert decode(content).mode == "RGB"


@pytest.mark.parametrize(
    ("picture", "mode"),
    [
        (Image.new("RGB", (2, 2), "red"), "RGB"),
        (Image.new("L", (2, 2), 7), "L"),
        (Image.new("RGBA", (2, 2), (1, 2, 3, 255)), "RGB"),
        (Image.new("LA", (2, 2), (7, 255)), "L"),
        (Image.new("LA", (2, 2), (7, 128)), "RGBA"),
    ],
    ids=["colour", "grey", "opaque colour", "opaque grey", "half grey"],
)
def test_only_what_is_transparent_has_alpha(picture: Image.Image, mode: str) -> None:
    assert decode(encoded(picture, "png"), keep_alpha=True).mode == mode


def test_a_transparent_value_of_a_palette_or_png_becomes_alpha() -> None:
    palette = clear_red().quantize(4)
    assert decode(encoded(palette, "png"), keep_alpha=True).getpixel((0, 0))[3] == 0
    keyed = encoded(Image.new("RGB", (2, 2), (1, 2, 3)), "png", transparency=(1, 2, 3))
    assert decode(keyed, keep_alpha=True).getpixel((0, 0)) == (0, 0, 0, 0)
