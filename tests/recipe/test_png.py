from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import wspace
from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.document import PictureDocument
from wspace.recipe.picture_file import recipe_of_file
from wspace.recipe.png import (
    MAX_TEXT_BYTES,
    is_own_picture,
    read_document,
    read_pixels,
    write_figure,
    write_png,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


HEADER = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
END = chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def document(tiny_generator: Generator) -> PictureDocument:
    pictures = wspace.render(tiny_generator, wspace.recipes(seeds=[1]))
    return PictureDocument(recipe=pictures.recipes[0], rendered_by=pictures.rendered_by)


@pytest.fixture
def hostile(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(text_chunk: bytes) -> Path:
        path = tmp_path / "hostile.png"
        path.write_bytes(HEADER + text_chunk + END)
        return path

    return write


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_keeps_its_pixels_and_its_recipe(
    document: PictureDocument, tmp_path: Path, channels: int
) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (5, 7, channels), dtype=np.uint8)
    path = tmp_path / "picture.png"
    write_png(path, pixels, document)
    np.testing.assert_array_equal(read_pixels(path), pixels)
    assert read_document(path) == document
    with Image.open(path) as picture:
        assert json.loads(picture.info["wspace"])["recipe"] == document.recipe.to_dict()


def test_long_recipes_are_packed_and_come_back(document: PictureDocument, tmp_path: Path) -> None:
    w = tuple(np.random.RandomState(0).randn(512).tolist())
    source = wspace.recipes(seeds=[1])[0].sources[0]
    recipe = document.recipe.replace(sources=(type(source)(w=w),))
    long = PictureDocument(recipe=recipe, rendered_by=document.rendered_by)
    path = tmp_path / "picture.png"
    write_png(path, np.zeros((1, 1, 3), np.uint8), long)
    assert read_document(path) == long
    assert len(path.read_bytes()) < 0.7 * len(long.to_json())


def test_all_three_kinds_of_text_chunk_are_read(
    document: PictureDocument, hostile: Callable[[bytes], Path]
) -> None:
    text = document.to_json().encode()
    packed = zlib.compress(text)
    for kind, content in (
        (b"tEXt", b"wspace\0" + text),
        (b"zTXt", b"wspace\0\0" + packed),
        (b"iTXt", b"wspace\0\0\0\0\0" + text),
        (b"iTXt", b"wspace\0\1\0en\0w\0" + packed),
    ):
        other = chunk(b"tEXt", b"Comment\0not this one")
        assert read_document(hostile(other + chunk(kind, content))) == document


def test_hostile_text_chunks_are_refused_before_they_take_memory(
    hostile: Callable[[bytes], Path],
) -> None:
    large = b" " * (50 * 2**20)
    for text_chunk, says in (
        (chunk(b"tEXt", b"wspace\0" + large), "52428807 bytes, more than"),
        (struct.pack(">I4s", 2**31, b"tEXt") + b"wspace\0", "2147483648 bytes, more than"),
        (chunk(b"zTXt", b"wspace\0\0" + zlib.compress(large)), "unpacks to more than"),
        (chunk(b"zTXt", b"wspace\0\0" + b"not packed"), "does not unpack"),
        (chunk(b"zTXt", b"wspace\0\7" + zlib.compress(b"{}")), "does not unpack"),
        (chunk(b"zTXt", b"wspace\0"), "does not unpack"),
        (chunk(b"iTXt", b"wspace\0"), "no valid JSON"),
        (chunk(b"tEXt", b"wspace\0{}")[:-1] + b"\0", "is damaged"),
        (chunk(b"tEXt", b"wspace\0{}")[:-6], "is damaged"),
        (chunk(b"tEXt", b"wspace\0{"), "no valid JSON"),
        (chunk(b"tEXt", b"wspace\0\xff\xfe\xfd"), "no valid JSON"),
        (chunk(b"tEXt", b"wspace\0" + b"[" * 2**20), "no valid JSON"),
        (chunk(b"tEXt", b"wspace\0[]"), "neither of a picture nor of a sheet"),
        (b"", "carries no recipe"),
        (chunk(b"tEXt", b"wspacex\0{}"), "carries no recipe"),
    ):
        with pytest.raises(WspaceError) as error:
            read_document(hostile(text_chunk))
        assert says in str(error.value)
        assert len(str(error.value)) < 400


def changed(data: dict[str, Any], *keys: Any, to: Any) -> dict[str, Any]:
    data = json.loads(json.dumps(data))
    inner: Any = data
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    return data


@pytest.mark.parametrize(
    ("keys", "to", "says"),
    [
        (("kind",), "film", "neither of a picture"),
        (("more",), 1, "knows no 'more'"),
        (("recipe",), None, "not a JSON object"),
        (("recipe", "version"), 99, "upgrade"),
        (("recipe", "sources", 0, "seed"), "1; import os", "no whole number"),
        (("recipe", "model", "name"), "../../etc/passwd", "no plain name"),
        (("rendered_by",), 3, "not a JSON object"),
        (("rendered_by", "gpu"), 3, "knows no 'gpu'"),
        (("rendered_by", "threads"), 10**9, "threads"),
        (("rendered_by", "batch_size"), True, "batch_size"),
        (("rendered_by", "torch"), "x" * 2000, "no text"),
    ],
)
def test_wrong_types_and_unknown_keys_are_named(
    document: PictureDocument,
    hostile: Callable[[bytes], Path],
    keys: tuple[Any, ...],
    to: Any,
    says: str,
) -> None:
    data = changed(json.loads(document.to_json()), *keys, to=to)
    path = hostile(chunk(b"tEXt", b"wspace\0" + json.dumps(data).encode()))
    with pytest.raises(WspaceError) as error:
        read_document(path)
    assert says in str(error.value)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("keys", "to", "says"),
    [
        (("layout", "columns"), 0, "columns"),
        (("layout", "columns"), 1.5, "columns"),
        (("layout", "scale"), 10**6, "scale"),
        (("layout", "theme"), "red", "theme"),
        (("layout", "title"), None, "title"),
        (("layout", "captions"), ["a"] * 5, "5 captions for 4"),
        (("layout", "captions"), "abcd", "no list of texts"),
        (("layout", "header_row"), 1, "header_row"),
        (("layout", "font"), "x", "knows no 'font'"),
        (("cells",), [], "0 cells"),
        (("cells",), {}, "no list"),
        (("cells", 0, "show"), "deviation", "a cell shows"),
        (("cells", 0, "show"), ["picture"], "a cell shows"),
        (("cells", 0, "recipes"), 1, "no list"),
        (("cells", 0, "position"), [1], "no pair"),
        (("cells", 0, "position"), [1, -5], "position"),
        (("cells", 0), 7, "not a JSON object"),
    ],
)
def test_wrong_sheets_are_refused(
    tiny_generator: Generator,
    hostile: Callable[[bytes], Path],
    keys: tuple[Any, ...],
    to: Any,
    says: str,
) -> None:
    sheet = wspace.render(tiny_generator, wspace.recipes(seeds=range(4))).grid()
    data = changed(json.loads(sheet.document.to_json()), *keys, to=to)
    path = hostile(chunk(b"tEXt", b"wspace\0" + json.dumps(data).encode()))
    with pytest.raises(WspaceError) as error:
        read_document(path)
    assert says in str(error.value)


def test_what_is_no_png_is_refused(tmp_path: Path, document: PictureDocument) -> None:
    with pytest.raises(WspaceError, match="cannot read"):
        read_document(tmp_path / "missing.png")
    path = tmp_path / "text.png"
    path.write_text("hello")
    with pytest.raises(WspaceError, match="is no PNG"):
        read_document(path)
    with pytest.raises(WspaceError, match="no whole PNG"):
        read_pixels(path)
    write_png(path, np.zeros((64, 64, 3), np.uint8), document)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(WspaceError, match="no whole PNG"):
        read_pixels(path)


def test_pixels_that_another_program_changed_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    Image.new("P", (2, 2)).save(path)
    with pytest.raises(WspaceError, match="is P, not grey, RGB or RGBA: another program"):
        read_pixels(path)


def test_a_sheet_with_too_many_recipes_is_not_written(
    document: PictureDocument, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.recipe.png.MAX_TEXT_BYTES", 100)
    with pytest.raises(WspaceError, match="fewer pictures"):
        write_png(tmp_path / "a.png", np.zeros((1, 1, 3), np.uint8), document)
    assert list(tmp_path.iterdir()) == []


def test_pillow_opens_what_is_too_large_for_its_packed_text(
    document: PictureDocument, tmp_path: Path
) -> None:
    class Large(PictureDocument):
        def to_json(self) -> str:
            return "x" * 2**21

    assert PngImagePlugin.MAX_TEXT_CHUNK < 2**21 < MAX_TEXT_BYTES
    path = tmp_path / "large.png"
    large = Large(recipe=document.recipe, rendered_by=document.rendered_by)
    write_png(path, np.zeros((1, 1, 3), np.uint8), large)
    with Image.open(path) as picture:
        assert len(picture.info["wspace"]) == 2**21


def test_own_pictures_are_known_by_their_text(tmp_path: Path) -> None:
    write_figure(tmp_path / "figure.png", Image.new("RGB", (4, 4)))
    Image.new("RGB", (4, 4)).save(tmp_path / "other.png")
    assert is_own_picture((tmp_path / "figure.png").read_bytes())
    assert not is_own_picture((tmp_path / "other.png").read_bytes())
    assert not is_own_picture(b"")
    with pytest.raises(WspaceError, match="shows real pictures, which no recipe makes"):
        read_document(tmp_path / "figure.png")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_of_any_channels_come_back(
    document: PictureDocument, tmp_path: Path, channels: int
) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (5, 4, channels), dtype=np.uint8)
    write_png(tmp_path / "picture.png", pixels, document)
    assert (read_pixels(tmp_path / "picture.png") == pixels).all()


def test_a_recipe_is_read_from_a_picture_as_from_json(
    document: PictureDocument, tmp_path: Path
) -> None:
    write_png(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8), document)
    (tmp_path / "a.json").write_text(document.recipe.to_json())
    for name in ("a.png", "a.json"):
        assert recipe_of_file(tmp_path / name) == document.recipe
    with pytest.raises(WspaceError, match="cannot read"):
        recipe_of_file(tmp_path / "b.png")
