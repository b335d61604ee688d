"""WebP files that carry their recipe."""

from __future__ import annotations

import dataclasses
import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wspace
from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.document import MAX_TEXT_BYTES, PictureDocument
from wspace.recipe.picture_file import document_of_file, pixels_of_file, recipe_of_file
from wspace.recipe.recipe import Source
from wspace.recipe.webp import read_webp_document, read_webp_pixels, webp_bytes

USER_COMMENT, EXIF_IFD = 0x9286, 0x8769


@pytest.fixture(scope="module")
def document(tiny_generator: Generator) -> PictureDocument:
    return wspace.render(tiny_generator, wspace.recipes(seeds=[1])).document(0)


def noise(channels: int, side: int = 9) -> np.ndarray:
    return np.random.RandomState(0).randint(0, 256, (side, side + 2, channels), dtype=np.uint8)


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and content of each chunk."""
    found, place = [], 12
    while place < len(content):
        kind, length = struct.unpack_from("<4sI", content, place)
        found.append((kind, content[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    return found


def joined(parts: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(
        struct.pack("<4sI", kind, len(part)) + part + bytes(len(part) % 2) for kind, part in parts
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_lossless_webp_keeps_its_pixels_and_its_recipe(
    document: PictureDocument, tmp_path: Path, channels: int
) -> None:
    pixels = noise(channels)
    path = tmp_path / "picture.webp"
    path.write_bytes(webp_bytes(pixels, document))
    shown = pixels if channels != 1 else np.repeat(pixels, 3, axis=2)
    np.testing.assert_array_equal(pixels_of_file(path), shown)
    assert document_of_file(path) == document
    assert recipe_of_file(path) == document.recipe


def test_other_programs_read_the_recipe_as_the_user_comment(
    document: PictureDocument, tmp_path: Path
) -> None:
    with Image.open(io.BytesIO(webp_bytes(noise(3), document))) as picture:
        comment = picture.getexif().get_ifd(EXIF_IFD)[USER_COMMENT]
    code, _, text = comment.partition(b"wspace ")
    assert code == b"ASCII\0\0\0"
    assert json.loads(text)["recipe"] == document.recipe.to_dict()


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_recipe_survives_a_program_that_writes_exif_anew(
    document: PictureDocument, tmp_path: Path, order: str
) -> None:
    exif = Image.Exif()
    exif.endian = order
    with Image.open(io.BytesIO(webp_bytes(noise(3), document))) as picture:
        exif.get_ifd(EXIF_IFD).update(picture.getexif().get_ifd(EXIF_IFD))
        exif[0x010E] = "a description of somebody's own"
        path = tmp_path / "again.webp"
        picture.save(path, lossless=True, exif=exif)
    assert document_of_file(path) == document


def test_alpha_that_hides_nothing_comes_back_where_it_is_asked_for(
    document: PictureDocument, tmp_path: Path
) -> None:
    pixels = noise(4)
    pixels[..., 3] = 255
    path = tmp_path / "opaque.webp"
    path.write_bytes(webp_bytes(pixels, document))
    np.testing.assert_array_equal(pixels_of_file(path, alpha=True), pixels)


def test_colours_stay_where_nothing_is_seen_of_them(
    document: PictureDocument, tmp_path: Path
) -> None:
    pixels = noise(4)
    pixels[..., 3] = 0
    path = tmp_path / "clear.webp"
    path.write_bytes(webp_bytes(pixels, document))
    np.testing.assert_array_equal(read_webp_pixels(path), pixels)


def test_a_lossy_webp_is_smaller_keeps_its_recipe_and_is_not_compared(
    document: PictureDocument, tmp_path: Path
) -> None:
    pixels = noise(3, side=64)
    lossless, lossy = webp_bytes(pixels, document), webp_bytes(pixels, document, quality=50)
    assert len(lossy) < len(lossless) / 2
    path = tmp_path / "lossy.webp"
    path.write_bytes(lossy)
    assert document_of_file(path) == document
    with pytest.raises(WspaceError, match="is a lossy WebP"):
        pixels_of_file(path)


def test_a_picture_that_is_too_large_for_webp_is_refused(document: PictureDocument) -> None:
    with pytest.raises(WspaceError, match="16383 pixels a side at most"):
        webp_bytes(np.zeros((1, 16384, 3), dtype=np.uint8), document)


def test_long_recipes_come_back(document: PictureDocument, tmp_path: Path) -> None:
    w = tuple(np.random.RandomState(0).randn(20_000).tolist())
    long = dataclasses.replace(document, recipe=document.recipe.replace(sources=(Source(w=w),)))
    path = tmp_path / "long.webp"
    path.write_bytes(webp_bytes(noise(3), long))
    assert document_of_file(path) == long


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda parts: parts[:-1], "carries no recipe"),
        (lambda parts: [*parts[:-1], (b"EXIF", parts[-1][1][:30])], "carries no recipe"),
        (lambda parts: [*parts[:-1], (b"EXIF", b"")], "carries no recipe"),
        (lambda parts: [*parts[:-1], (b"EXIF", b"II*\0\xff\xff\xff\xff")], "carries no recipe"),
        (lambda parts: [*parts[:-1], (b"EXIF", b"XX*\0" + bytes(40))], "carries no recipe"),
        (lambda parts: [*parts[:-1], (b"EXIF", parts[-1][1][:-9])], "no valid JSON"),
        (
            lambda parts: [*parts[:-1], (b"EXIF", parts[-1][1].replace(b'"psi"', b'"psy"'))],
            "knows no",
        ),
        (
            lambda parts: [*parts[:-1], (b"EXIF", parts[-1][1].replace(b"wspace {", b"others {"))],
            "carries no recipe",
        ),
        (
            lambda parts: [*parts[:-1], (b"EXIF", bytes(MAX_TEXT_BYTES + 1))],
            "no picture that wspace wrote",
        ),
    ],
)
def test_exif_data_that_holds_no_recipe_is_said_in_a_line(
    document: PictureDocument, tmp_path: Path, change: object, says: str
) -> None:
    assert callable(change)
    parts = chunks(webp_bytes(noise(3), document))
    assert parts[-1][0] == b"EXIF"
    path = tmp_path / "changed.webp"
    path.write_bytes(joined(change(parts)))
    with pytest.raises(WspaceError, match=says) as raised:
        read_webp_document(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([(b"VP8X", bytes(4) + b"\xff\xff\xff" * 2)], "16777216 x 16777216 pixels"),
        ([(b"VP8L", b"\x2f\xff\xff\xff\xff")], "16384 x 16384 pixels"),
        ([(b"VP8 ", bytes(20))], "lossy"),
        ([(b"ANIM", bytes(6))], "is a film"),
        ([(b"VP8L", b"\x2f" + bytes(20))], "no whole WebP"),
        ([], "no whole WebP"),
    ],
)
def test_pixels_that_are_no_picture_of_ours_are_refused_before_they_take_memory(
    tmp_path: Path, parts: list[tuple[bytes, bytes]], says: str
) -> None:
    path = tmp_path / "hostile.webp"
    path.write_bytes(joined(parts))
    with pytest.raises(WspaceError, match=says):
        read_webp_pixels(path)


def test_what_is_no_webp_is_said(tmp_path: Path) -> None:
    path = tmp_path / "picture.webp"
    path.write_bytes(b"RIFF")
    with pytest.raises(WspaceError, match="is no WebP"):
        read_webp_document(path)
    with pytest.raises(WspaceError, match="cannot read"):
        read_webp_document(tmp_path / "none.webp")
    with pytest.raises(WspaceError, match="cannot read"):
        recipe_of_file(tmp_path / "none.webp")
