"""Sources: hostile zips and folders are refused with one clear line, within bounds."""

from __future__ import annotations

import contextlib
import io
import json
import os
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from wspace.data import kinds
from wspace.data.dataset import Dataset
from wspace.data.source import PictureSource, UnreadableFileError
from wspace.errors import WspaceError
from wspace.recipe.png import write_figure


def png(size: int = 8) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), "red").save(buffer, "png")
    return buffer.getvalue()


def zip_of(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name",
    ["../a.png", "b/../../a.png", "/etc/a.png", "C:/a.png", "..\\a.png", "b/..", "\\\\host\\a.png"],
)
def test_names_that_leave_the_zip_are_refused(tmp_path: Path, name: str) -> None:
    path = zip_of(tmp_path / "a.zip", {"fine.png": png(), name: png()})
    with pytest.raises(WspaceError, match="leads out of the zip"):
        Dataset.open(path)


@pytest.mark.parametrize(
    ("stored", "name"),
    [
        ("Screenshot 10:30.png", "Screenshot 10:30.png"),
        ("4:3/a.png", "4:3/a.png"),
        ("shoes\\a.png", "shoes/a.png"),
        ("./shoes//a.png", "shoes/a.png"),
        ("e\u0301te\u0301.png", "\u00e9t\u00e9.png"),
        ("a..b/1.png", "a..b/1.png"),
    ],
)
def test_odd_names_are_names_like_others(tmp_path: Path, stored: str, name: str) -> None:
    content = {stored: png(8), "z.png": png(16)}
    zipped = zip_of(tmp_path / "a.zip", content)
    folder = tmp_path / "folder"
    for path, data in content.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    for source in (PictureSource(zipped), PictureSource(folder)):
        assert [entry.name for entry in source.entries] == [name, "z.png"]
        assert source.read(name, 1 << 20) == png(8)
        assert source.header(name).width == 8


def test_names_in_utf8_that_do_not_say_so_are_read_as_such(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"e__.png": png(), "f__.png": png(16)})
    content = path.read_bytes().replace(b"e__.png", "e\u0301.png".encode())  # as macOS does
    path.write_bytes(content.replace(b"f__.png", b"f\x81\x82.png"))  # of an old DOS: \u00fc\u00e9
    source = PictureSource(path)
    assert [entry.name for entry in source.entries] == ["\u00e9.png", "f\u00fc\u00e9.png"]
    assert source.read("\u00e9.png", 1 << 20) == png()


def test_names_that_become_one_stay_two_pictures(tmp_path: Path) -> None:
    files = {"e\u0301.png": png(8), "\u00e9.png": png(16), "b\\a.png": png(32), "b/a.png": png(64)}
    source = PictureSource(zip_of(tmp_path / "a.zip", files))
    found = {entry.name: source.header(entry.name).width for entry in source.entries}
    assert found == {"e\u0301.png": 8, "\u00e9.png": 16, "b\\a.png": 32, "b/a.png": 64}


def test_pictures_keep_the_order_of_their_stored_names(tmp_path: Path) -> None:
    files = dict.fromkeys(("e\u0301.png", "f.png", "./z.png", "a.png"), png())
    source = PictureSource(zip_of(tmp_path / "a.zip", files))
    assert [entry.name for entry in source.entries] == ["z.png", "a.png", "\u00e9.png", "f.png"]


def described(*names: str, labels: object = None) -> dict[str, bytes]:
    content = json.dumps({"labels": labels}).encode()
    return {name: content if name.endswith(".json") else png() for name in names}


@pytest.mark.parametrize(
    ("description", "picture", "told"),
    [
        ("dataset.json", "a/1.png", "a/1.png"),
        ("./dataset.json", "./a/1.png", "a/1.png"),
        ("faces/dataset.json", "faces/a/1.png", "a/1.png"),
        ("faces/train/dataset.json", "faces/train/1.png", "1.png"),
        ("faces\\dataset.json", "faces\\a\\1.png", "a\\1.png"),
        ("dataset.json", "\u00e9/1.png", "e\u0301/1.png"),
        ("dataset.json", "e\u0301/1.png", "./\u00e9//1.png"),
        ("faces/dataset.json", "faces/1.png", "../faces/1.png"),
    ],
)
def test_labels_are_found_from_where_their_file_lies(
    tmp_path: Path, description: str, picture: str, told: str
) -> None:
    files = described(description, picture, labels=[[told, 0]])
    dataset = Dataset.open(zip_of(tmp_path / "a.zip", files))
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0]
    assert dataset.remarks == ()
    folder = tmp_path / "folder"
    for name, content in files.items():
        path = folder / name.replace("\\", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    dataset = Dataset.open(folder)
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0]


def test_a_description_that_is_not_used_is_named(tmp_path: Path) -> None:
    names = ("test/dataset.json", "test/1.png", "train/dataset.json", "train/2.png")
    path = zip_of(tmp_path / "two.zip", described(*names, labels=[["1.png", 0]]))
    dataset = Dataset.open(path)
    assert dataset.labels is None
    assert [line.partition(" is ")[0] for line in dataset.remarks] == [
        f"{path}: test/dataset.json",
        f"{path}: train/dataset.json",
    ]
    assert "some pictures lie outside its folder" in dataset.remarks[0]
    nested = ("dataset.json", "a/dataset.json", "a/1.png")
    path = zip_of(tmp_path / "nested.zip", described(*nested, labels=[["a/1.png", 0]]))
    dataset = Dataset.open(path)
    assert dataset.num_classes == 1
    assert dataset.remarks == (f"{path}: a/dataset.json is not used: dataset.json is.",)


def test_an_empty_name_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"fine.png": png()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(""), png())
    with pytest.raises(WspaceError, match="leads out of the zip"):
        Dataset.open(path)


def test_control_characters_of_a_name_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"\x1b[2Jbad.png": b"no picture"})
    with pytest.raises(WspaceError, match=r"\?\[2Jbad\.png") as caught:
        Dataset.open(path)
    assert str(caught.value).isprintable()


def test_a_zip_of_zips_stays_closed(tmp_path: Path) -> None:
    inner = zip_of(tmp_path / "inner.zip", {"a.png": png()}).read_bytes()
    path = zip_of(tmp_path / "outer.zip", {"inner.zip": inner, "deep/inner.zip": inner})
    with pytest.raises(WspaceError, match=r"holds 2 archive\(s\), which are not opened"):
        Dataset.open(path)
    with_picture = zip_of(tmp_path / "both.zip", {"inner.zip": inner, "b.png": png()})
    assert Dataset.open(with_picture).image_names == ("b.png",)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_a_zip_bomb_is_refused_quickly(tmp_path: Path, name: str) -> None:
    bomb = (png() if name == "a.png" else b"") + b"\0" * (32 << 20)
    path = zip_of(tmp_path / "bomb.zip", {name: bomb}, zipfile.ZIP_DEFLATED)
    del bomb
    start = time.monotonic()
    with pytest.raises(WspaceError):
        Dataset.open(path).preload()
    assert time.monotonic() - start < 5


def test_a_file_above_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    zipped = zip_of(tmp_path / "a.zip", {"a.png": b"\0" * 101}, zipfile.ZIP_DEFLATED)
    (tmp_path / "a.png").write_bytes(b"\0" * 101)
    for path in (zipped, tmp_path):
        source = PictureSource(path)
        assert len(source.read("a.png", 101)) == 101
        with pytest.raises(UnreadableFileError, match="more than 100 bytes"):
            source.read("a.png", 100)


def test_a_dataset_json_bomb_is_refused(tmp_path: Path) -> None:
    huge = b'{"labels":[' + b"[]," * (4 << 20) + b"[]]}"
    files = {"a.png": png(), "dataset.json": huge}
    with pytest.raises(WspaceError, match="too many for 1 pictures"):
        Dataset.open(zip_of(tmp_path / "a.zip", files, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize(
    "content", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b'{"labels": 1' + b"0" * 5000 + b"}"]
)
def test_a_malformed_dataset_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "dataset.json").write_bytes(content)
    with pytest.raises(WspaceError, match=r"dataset\.json"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize(("depth", "fine"), [(99, True), (100, False), (900, False)])
def test_a_deeply_nested_dataset_json_is_refused(tmp_path: Path, depth: int, fine: bool) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "dataset.json").write_text('{"labels": ' + "[" * depth + "]" * depth + "}")
    if fine:
        assert len(PictureSource(tmp_path).metadata().content) == 1
        return
    with pytest.raises(WspaceError, match=r"dataset\.json is nested more than 100 levels deep"):
        PictureSource(tmp_path).metadata()


@pytest.mark.parametrize("compression", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_uncommon_compression_is_refused(tmp_path: Path, compression: int) -> None:
    path = zip_of(tmp_path / "a.zip", {"a.png": png()}, compression)
    with pytest.raises(WspaceError, match="uncommon way"):
        Dataset.open(path)


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"a.png": png()})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag in the central directory
    path.write_bytes(content)
    with pytest.raises(WspaceError, match=r"a\.png is encrypted"):
        Dataset.open(path)


def test_a_size_that_the_zip_lies_about_is_not_believed(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"a.png": png()})
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02") + 20
    content[place : place + 8] = struct.pack("<II", 1 << 30, 1 << 30)
    path.write_bytes(content)
    with pytest.raises(WspaceError):
        Dataset.open(path).preload()


def test_a_picture_whose_bytes_changed_fails_its_checksum(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", {"a.png": png()})
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 6] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="CRC"):
        PictureSource(path).read("a.png", 1 << 20)


def missing(folder: Path) -> Path:
    return folder / "nothing"


def empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def empty_zip(folder: Path) -> Path:
    return zip_of(folder / "empty.zip", {})


def no_zip(folder: Path) -> Path:
    (folder / "a.zip").write_text("no zip")
    return folder / "a.zip"


def half_a_zip(folder: Path) -> Path:
    path = zip_of(folder / "half.zip", {f"{i}.png": png() for i in range(9)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def text_named_png(folder: Path) -> Path:
    (folder / "text").mkdir()
    (folder / "text/a.png").write_text("no picture")
    return folder / "text"


def link_to_nowhere(folder: Path) -> Path:
    (folder / "links").mkdir()
    (folder / "links/a.png").symlink_to(folder / "gone.png")
    return folder / "links"


def one_picture(folder: Path) -> Path:
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    return folder / "a.png"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "no such file or folder"),
        (empty_folder, "no pictures in this folder: put png"),
        (empty_zip, "no pictures in this zip"),
        (no_zip, "not a readable zip"),
        (half_a_zip, "not a readable zip"),
        (one_picture, r"is one picture \(PNG\): give the folder that it lies in"),
        (text_named_png, r"a\.png is no readable picture"),
        (link_to_nowhere, r"a\.png cannot be read"),
        (pipe, "neither a folder nor a zip"),
    ],
)
def test_wrong_data_is_named(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    path = make(tmp_path)
    with pytest.raises(WspaceError, match=message) as caught:
        Dataset.open(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pipe_among_the_pictures_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(png())
    assert Dataset.open(tmp_path).image_names == ("b.png",)


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    for name in ("a.png", "b.JFIF", "c", "d.txt", "e.dat"):
        (tmp_path / name).write_bytes(png())
    for name in ("f.txt", "g.md", "h.md", "i", "j.tar"):
        (tmp_path / name).write_text("no picture")
    zipped = zip_of(tmp_path / "k.zip", {p.name: p.read_bytes() for p in tmp_path.iterdir()})
    counts = {".txt": 1, ".md": 2, "files without a suffix": 1, ".tar": 1}
    for path, more in ((tmp_path, {".zip": 1}), (zipped, {})):
        source = PictureSource(path)
        assert [entry.name for entry in source.entries] == [
            "a.png",
            "b.JFIF",
            "c",
            "d.txt",
            "e.dat",
        ]
        assert source.left_out == counts | more


def test_folders_of_systems_are_skipped_and_counted(tmp_path: Path) -> None:
    kept = {"a.png": png(), "b/c.png": png()}
    skipped = {
        "@eaDir/a.png/thumb.png": png(), "b/@eaDir/c.png": png(), "$RECYCLE.BIN/d.png": png(),
        "__MACOSX/._a.png": b"", ".Trash-1000/files/e.png": png(), "b/.hidden.png": png(),
        ".DS_Store": b"",
    }  # fmt: skip
    folder = tmp_path / "data"
    for name, content in (kept | skipped).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    for path in (folder, zip_of(tmp_path / "data.zip", kept | skipped)):
        source = PictureSource(path)
        assert [entry.name for entry in source.entries] == ["a.png", "b/c.png"]
        assert source.left_out == {
            "folders @eaDir": 2, "folders $RECYCLE.BIN": 1, "folders __MACOSX": 1,
            "folders .Trash-1000": 1, "hidden files": 2,
        }  # fmt: skip


def test_linked_folders_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for folder in (data / "cats", elsewhere / "deep"):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(png())
    (data / "dogs").symlink_to(elsewhere)
    (data / "again").symlink_to(data / "cats")  # before its target by name
    (data / "cats/loop").symlink_to(data)
    (elsewhere / "back").symlink_to(data / "cats")
    (elsewhere / "itself").symlink_to("itself")
    source = PictureSource(data)
    assert [entry.name for entry in source.entries] == ["cats/a.png", "dogs/deep/a.png"]
    assert source.left_out == {
        "links to folders that are here already": 3, "files without a suffix": 1,
    }  # fmt: skip


def test_own_pictures_are_left_out_unless_they_are_all(tmp_path: Path) -> None:
    write_figure(tmp_path / "data-sheet.png", Image.new("RGB", (40, 30)))
    assert [entry.name for entry in PictureSource(tmp_path).entries] == ["data-sheet.png"]
    (tmp_path / "a.png").write_bytes(png())
    zipped = zip_of(
        tmp_path.parent / "own.zip", {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    )
    for path in (tmp_path, zipped):
        source = PictureSource(path)
        assert [entry.name for entry in source.entries] == ["a.png"]
        assert source.left_out == {"pictures made by wspace": 1}


def test_heic_without_its_extra_is_counted_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinds.importlib.util, "find_spec", lambda name: None)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    (tmp_path / "a.HEIC").write_bytes(heic)
    with pytest.raises(WspaceError, match=r"HEIC: 1 \(pip install 'wspace\[heic\]' reads them\)"):
        PictureSource(tmp_path).require_pictures()
    (tmp_path / "b.png").write_bytes(png())
    assert PictureSource(tmp_path).left_out == {"HEIC": 1}


def sample_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("00000/img00000000.png", png())
        archive.writestr("dataset.json", json.dumps({"labels": [["00000/img00000000.png", 1]]}))
    return buffer.getvalue()


SAMPLE = sample_zip()


@settings(
    max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_zip_opens_or_raises_the_one_error(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "fuzzed.zip"
    path.write_bytes(content)
    message = ""
    try:
        with Dataset.open(path, memory_budget=1 << 20) as dataset:
            dataset.preload()
    except WspaceError as error:
        message = str(error)
    assert "\n" not in message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(
    max_examples=100, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(labels=json_values | st.lists(st.tuples(st.just("a.png"), json_values)), licence=json_values)
def test_any_dataset_json_is_read_or_refused(
    tmp_path: Path, labels: object, licence: object
) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels, "licence": licence}))
    with contextlib.suppress(WspaceError):
        dataset = Dataset.open(tmp_path)
        assert dataset.licence is None or dataset.licence.isprintable()
        assert dataset.one_hot([0]).shape == (1, dataset.num_classes)
