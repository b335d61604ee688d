"""Digests of folders: a change is noticed, and what has not changed is read once."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from wspace.data import content, patience
from wspace.data.content import content_digest
from wspace.data.source import PictureSource, UnreadableFileError


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three files that count as many bytes, an hour old."""
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(content, "KEPT_FROM_BYTES", 0)
    folder = tmp_path / "data"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.bmp").write_bytes(name.encode() * 40_000)
    return folder


def later(monkeypatch: pytest.MonkeyPatch, seconds: float = 3600) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)


def digest(folder: Path) -> str:
    return content_digest(PictureSource(folder))


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read."""
    files: list[str] = []
    original = hashlib.file_digest

    def counting(file: object, name: str) -> object:
        files.append(Path(file.name).name)  # type: ignore[attr-defined]
        return original(file, name)  # type: ignore[arg-type]

    monkeypatch.setattr(hashlib, "file_digest", counting)
    return files


def test_it_is_over_all_bytes_in_order(data: Path) -> None:
    each = [hashlib.sha256(name.encode() * 40_000).hexdigest() for name in "abc"]
    assert digest(data) == hashlib.sha256("\n".join(each).encode()).hexdigest()


def test_people_who_wait_are_told_how_far_it_is(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (data / "a.bmp").write_bytes(bytes(3_000_000))
    monkeypatch.setattr(content, "THREADS", 1)
    said: list[str] = []
    content_digest(PictureSource(data), say=said.append)
    assert said == []  # nobody has waited
    monkeypatch.setattr(patience, "PROGRESS_SECONDS", (0.0, 0.0))
    content_digest(PictureSource(data), say=said.append)
    tells = f"reading all of {data}, so that changes are noticed: "
    assert said[0].startswith(tells)  # within a file, too
    numbers = [line.removeprefix(tells) for line in said]
    assert numbers == sorted(numbers)
    assert {"1 of 3 MB ...", "2 of 3 MB ..."} <= set(numbers)


def test_what_is_settled_is_read_once(
    data: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    first = digest(data)
    assert sorted(read) == ["a.bmp", "b.bmp", "c.bmp"]
    read.clear()
    assert digest(data) == first
    assert read == []
    (data / "b.bmp").write_bytes(b"b" * 39_999 + b"c")
    assert digest(data) != first
    assert read == ["b.bmp"]


def test_a_file_that_was_written_just_now_is_read_again(data: Path, read: list[str]) -> None:
    first = digest(data)
    read.clear()
    assert digest(data) == first
    assert sorted(read) == ["a.bmp", "b.bmp", "c.bmp"]


@pytest.mark.parametrize("how", ["in place", "another file"])
def test_a_change_that_hides_its_time_is_noticed(
    data: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    first = digest(data)
    path = data / "a.bmp"
    status = path.stat()
    if how == "another file":
        path.rename(path.with_suffix(".old"))
        path.with_suffix(".old").unlink()
    path.write_bytes(b"a" * 39_999 + b"b")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    assert digest(data) != first


@pytest.mark.parametrize("damage", [b"{", b"[1]", b'{"a.bmp": [1]}', b'{"a.bmp": 5}', b"\xff"])
def test_a_damaged_cache_is_made_anew(
    data: Path, read: list[str], damage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    first = digest(data)
    (kept,) = (data.parent / "cache/digests").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage)
    assert digest(data) == first
    assert kept.read_bytes() == whole
    assert len(read) == 6


def test_without_a_place_to_keep_it_everything_is_read(
    data: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    (data.parent / "cache").write_text("a file")
    assert digest(data) == digest(data)
    assert len(read) == 6


def test_small_folders_leave_nothing_in_the_cache(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later(monkeypatch)
    monkeypatch.setattr(content, "KEPT_FROM_BYTES", 120_001)
    digest(data)
    assert not (data.parent / "cache").exists()


def test_a_file_that_is_gone_is_named(data: Path) -> None:
    source = PictureSource(data)
    (data / "b.bmp").unlink()
    with pytest.raises(UnreadableFileError, match=r"b\.bmp cannot be read \(No such file"):
        content_digest(source)
