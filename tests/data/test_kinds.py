"""Kinds of files: known by their first bytes, counted by kind where they are no pictures."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from wspace.data import kinds
from wspace.data.kinds import describe_left_out, file_kind, is_skipped_folder, picture_kind


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF"])
def test_pictures_are_known_by_their_first_bytes(kind: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, kind)
    assert picture_kind(buffer.getvalue()[:64]) == kind


@pytest.mark.parametrize(
    ("brands", "kind"),
    [
        ([b"heic", b"\0\0\0\0", b"mif1", b"heic"], "HEIC"),
        ([b"mif1", b"\0\0\0\0", b"mif1", b"avif"], "AVIF"),
        ([b"mif1", b"\0\0\0\0", b"mif1"], "HEIC"),
        ([b"isom", b"\0\0\2\0", b"isom", b"mp41"], None),  # a film
        ([b"qt  ", b"heic", b"qt  "], None),  # the version is no brand
    ],
)
def test_containers_are_told_apart_by_their_brands(brands: list[bytes], kind: str | None) -> None:
    box = b"ftyp" + b"".join(brands)
    head = (len(box) + 4).to_bytes(4, "big") + box + b"\0\0\1\0metaavif"
    assert picture_kind(head) == kind


@pytest.mark.parametrize("head", [b"", b"BM, you know, is short for", b"P6x", b"Preface", b"{}"])
def test_text_is_no_picture(head: bytes) -> None:
    assert picture_kind(head) is None


def test_folders_of_systems_are_skipped_and_those_of_people_are_not() -> None:
    for name in ("@eaDir", "$RECYCLE.BIN", "__MACOSX", ".Trash-1000", ".thumbnails", "Thumbnails"):
        assert is_skipped_folder(name)
    for name in ("cats", "thumbnails128x128", "trash"):
        assert not is_skipped_folder(name)


def test_what_is_left_out_is_called_by_its_suffix() -> None:
    assert file_kind("a/IMG_1.MOV") == ".mov"
    assert file_kind(".DS_Store") == "hidden files"
    assert file_kind("README") == "files without a suffix"
    assert file_kind("a.b c d e f g h i") == "other files"
    assert file_kind("a.\x1b[2J").isprintable()


def test_the_line_begins_with_what_a_command_would_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_found(name: str) -> Any:
        return None

    monkeypatch.setattr(kinds.importlib.util, "find_spec", none_found)
    line = describe_left_out({".txt": 12, "HEIC": 2, "folders @eaDir": 3})
    assert line == "HEIC: 2 (pip install 'wspace[heic]' reads them), .txt: 12, folders @eaDir: 3"
    many = describe_left_out({f".{number}": 1 for number in range(40)})
    assert many.endswith("and 28 more kinds")
