"""Tars as data: what they hold is read in place, hostile ones are refused with one line."""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from small_tars import png, tar_of

from wspace.data.content import content_digest
from wspace.data.dataset import Dataset
from wspace.data.inspect import inspect_dataset
from wspace.data.ready import Survey
from wspace.data.source import PictureSource, UnreadableFileError
from wspace.errors import WspaceError


def with_member(path: Path, change: Callable[[tarfile.TarInfo], object]) -> Path:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for name in ("fine.png", "odd.png"):
            info = tarfile.TarInfo(name)
            if name == "odd.png":
                change(info)
            else:
                info.size = len(png())
            archive.addfile(info, io.BytesIO(png()) if info.size else None)
    return path


LONG = f"{'b' * 60}/{'c' * 60}"
FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


@pytest.mark.parametrize("tar_format", FORMATS)
def test_a_tar_holds_named_pictures_and_their_classes(tmp_path: Path, tar_format: int) -> None:
    long = f"{'long' * 20}/{'name' * 20}/z"
    files = {
        "b.png": png("red"), "b.cls": "7", "./a.png": png("blue"), "./a.cls": "2\n", "read.me": "x",
        f"{long}.png": png("lime"), f"{long}.cls": "7",
    }  # fmt: skip
    path = tar_of(tmp_path / "some.tar", files, tar_format)
    with Dataset.open(path) as data:
        assert data.name == "some"
        assert data.image_names == ("a.png", "b.png", f"{long}.png")
        assert data.images([0, 1, 2])[:, :, 0, 0].tolist() == [
            [0, 0, 255],
            [255, 0, 0],
            [0, 255, 0],
        ]
        assert data.labels is not None
        assert data.labels.tolist() == [0, 1, 1]
        assert data.class_names == ("2", "7")
        assert data.left_out == {".me": 1}


def test_a_tar_is_known_by_its_content_and_names_that_are_not_ascii_are_read(
    tmp_path: Path,
) -> None:
    path = tar_of(tmp_path / "data", {"e\u0301.png": png()})
    assert [entry.name for entry in PictureSource(path).entries] == ["\u00e9.png"]
    assert inspect_dataset(path, workers=1).kind == "tar"


def test_a_folder_of_tars_is_one_dataset(tmp_path: Path) -> None:
    tar_of(tmp_path / "s-1.tar", {"cat/1.png": png("red"), "dog/2.png": png("blue")})
    tar_of(tmp_path / "s-0.tar", {"dog/3.png": png("lime")})
    tar_of(tmp_path / ".hidden.tar", {"no.png": png()})
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "dataset.json").write_text('{"licence": "CC0"}')
    source = PictureSource(tmp_path)
    assert source.kind == "tars"
    assert [entry.name for entry in source.entries] == ["dog/3.png", "cat/1.png", "dog/2.png"]
    assert source.read("dog/2.png", 1 << 20) == png("blue")
    assert source.left_out == {".md": 1, "hidden files": 1}
    assert Dataset.open(source).licence == "CC0"
    assert inspect_dataset(tmp_path, workers=1).kind == "folder of tars"


def test_files_of_one_name_in_two_tars_are_called_after_them_in_the_same_folder(
    tmp_path: Path,
) -> None:
    for number in range(2):
        files = {f"{kind}/{k}.png": png() for kind in ("cat", "dog") for k in range(2)}
        tar_of(tmp_path / f"s{number}.tar", files)
    survey = Survey(PictureSource(tmp_path))
    assert survey.source.entries[5].name == "cat/s1-1.png"
    assert survey.class_folders == ("cat", "dog")


def test_pictures_beside_tars_make_it_a_folder_as_before(tmp_path: Path) -> None:
    tar_of(tmp_path / "s.tar", {"1.png": png()})
    (tmp_path / "2.png").write_bytes(png())
    source = PictureSource(tmp_path)
    assert (source.kind, [entry.name for entry in source.entries]) == ("folder", ["2.png"])
    assert source.left_out == {".tar": 1}


def test_the_fingerprint_and_the_digest_follow_what_tars_hold(tmp_path: Path) -> None:
    large = [Image.effect_noise((256, 256), 90) for _ in range(2)]
    contents = []
    for picture in large:
        buffer = io.BytesIO()
        picture.save(buffer, "bmp")
        contents.append(buffer.getvalue())
    found = set()
    for content in contents:
        head = contents[0][:30_000]
        tar_of(tmp_path / "s.tar", {"1.bmp": head + content[30_000:]})
        with Dataset.open(tmp_path) as data:
            found.add((data.fingerprint, content_digest(PictureSource(tmp_path))))
    assert len(found) == 2
    assert len({digest for _, digest in found}) == 2


def test_a_tar_that_changes_after_it_was_listed_is_not_read(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "s.tar", {"1.png": png()})
    source = PictureSource(path)
    tar_of(path, {"other.png": png(), "1.png": png()})
    os.utime(path, ns=(1, 1))
    with pytest.raises(UnreadableFileError, match="the tar has changed"):
        source.read("1.png", 1 << 20)
    path.unlink()
    with pytest.raises(UnreadableFileError, match="No such file"):
        source.read("1.png", 1 << 20)


def test_a_file_longer_than_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    source = PictureSource(tar_of(tmp_path / "s.tar", {"1.png": png()}))
    with pytest.raises(UnreadableFileError, match="more than 10 bytes"):
        source.read("1.png", 10)


@pytest.mark.parametrize("name", ["../a.png", "b/../../a.png", "/etc/a.png", "C:/a.png", "..\\a"])
@pytest.mark.parametrize("tar_format", FORMATS)
def test_names_that_leave_the_tar_are_refused(tmp_path: Path, name: str, tar_format: int) -> None:
    path = tar_of(tmp_path / "a.tar", {"fine.png": png(), name: png()}, tar_format)
    with pytest.raises(WspaceError, match="leads out of the tar"):
        PictureSource(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar"]


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "is a link"),
        (tarfile.LNKTYPE, "is a link"),
        (tarfile.CHRTYPE, "is a device"),
        (tarfile.BLKTYPE, "is a device"),
        (tarfile.FIFOTYPE, "is a pipe"),
        (tarfile.GNUTYPE_SPARSE, "is a sparse file"),
        (b"Z", "is of an unknown type"),
    ],
)
def test_what_is_no_plain_file_is_refused(tmp_path: Path, kind: bytes, what: str) -> None:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, "/etc/passwd"

    path = with_member(tmp_path / "a.tar", change)
    with pytest.raises(WspaceError, match=f"odd.png {what}") as raised:
        PictureSource(path)
    assert "\n" not in str(raised.value)


def damaged(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def raw_header(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)[:512]


ZEROS = bytes(10240)
FILE = raw_header("a.png", tarfile.REGTYPE, 0) + ZEROS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut off"),
        (b"hello", "is no tar"),
        (b"x" * 5000, "is no tar"),
        (b"\x1f\x8b" + b"x" * 5000, "is compressed: unpack it"),
        (raw_header("a.png", tarfile.REGTYPE, 10**15) + ZEROS, "would need 1,000,000,000,000,000"),
        (raw_header("x", tarfile.GNUTYPE_LONGNAME, 10**12) + ZEROS, "is cut off"),
        (raw_header("x", tarfile.GNUTYPE_LONGNAME, 70_000) + bytes(80_000), "header of 70,000"),
        (raw_header("x", tarfile.XHDTYPE, 70_000) + bytes(80_000), "header of 70,000"),
        (raw_header("x", tarfile.XHDTYPE, 512) + b"9" * 512 + ZEROS, "damaged pax header"),
        (raw_header("x", tarfile.XHDTYPE, 5) + b"0 a=\n" + bytes(507), "damaged pax header"),
        (raw_header("x", tarfile.XHDTYPE, 22) + b"22 GNU.sparse.major=1\n" + ZEROS, "sparse file"),
        (
            raw_header("x", tarfile.XHDTYPE, 11) + b"11 size=-5\n" + bytes(501) + FILE,
            "no size of a file",
        ),
        (raw_header("x", tarfile.XGLTYPE, 12) + b"12 path=a.b\n" + ZEROS, "all its files one name"),
        (raw_header("a.png", tarfile.REGTYPE, 0), "cut off: a tar ends with a block of zeros"),
        (raw_header("a.png", tarfile.REGTYPE, 0) + b"y" * 512, "is damaged at byte 512"),
        (raw_header("a.png", tarfile.REGTYPE, 512) + b"y" * 300, "is cut off"),
    ],
)
def test_damaged_and_hostile_tars_are_refused_in_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    with pytest.raises(WspaceError, match=message) as raised:
        PictureSource(path)
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize("tar_format", FORMATS)
def test_a_tar_cut_anywhere_is_refused_or_whole(tmp_path: Path, tar_format: int) -> None:
    content = tar_of(tmp_path / "a.tar", {"a.png": png(), LONG: png()}, tar_format).read_bytes()
    whole = len(content.rstrip(b"\0"))
    path = tmp_path / "cut.tar"
    refused = 0
    for length in range(0, len(content), 128):
        path.write_bytes(content[:length])
        try:
            names = [entry.name for entry in PictureSource(path).entries]
        except WspaceError:
            refused += 1
        else:
            assert length > whole
            assert names == ["a.png", LONG]
    assert refused > whole // 128


def test_links_between_tars_of_a_hub_are_followed(tmp_path: Path) -> None:
    tar_of(tmp_path / "blob", {"1.png": png()})
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot/train-0.tar").symlink_to(tmp_path / "blob")
    assert [entry.name for entry in PictureSource(tmp_path / "snapshot").entries] == ["1.png"]


def test_a_tar_without_pictures_says_so(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", {"a.cls": "1", "b.txt": "x"})
    with pytest.raises(WspaceError, match=r"no pictures in this tar.*\.cls: 1, \.txt: 1"):
        Dataset.open(path)


@pytest.mark.parametrize("tar_format", FORMATS)
def test_bytes_changed_anywhere_are_refused_or_read(tmp_path: Path, tar_format: int) -> None:
    files = {"a.png": png(), "a.cls": "1", f"{LONG}.png": png(), f"{LONG}.json": '{"label": 2}'}
    path = tar_of(tmp_path / "a.tar", files, tar_format)
    content = path.read_bytes()
    headers = [at for at in range(0, len(content), 512) if content[at + 257 : at + 262] == b"ustar"]
    draws = random.Random(0)
    messages = []
    for _ in range(100):
        changed = bytearray(content)
        at = draws.choice(headers)
        changed[at + draws.choice([0, 100, 124, 130, 135, 156, 345])] = draws.choice(
            b"\0/x0679SLgK"
        )
        header = changed[at : at + 512]
        told = sum(header[:148]) + sum(header[156:]) + 8 * ord(" ")
        changed[at + 148 : at + 156] = b"%06o\0 " % told  # else the checksum alone would be tested
        path.write_bytes(changed)
        try:
            with Dataset.open(path) as data:
                data.images(range(len(data)))
                _ = data.labels
        except WspaceError as error:
            messages.append(str(error))
    assert 20 < len(messages) < 100
    assert not any("\n" in message for message in messages)
