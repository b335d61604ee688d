"""Where files are kept, and whether they can be written, before any work is done for them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wspace.errors import WspaceError
from wspace.files import atomic_folder, cache_root, check_file, check_folder, read_limited


def _unknown_home() -> Path:
    raise RuntimeError("Could not determine home directory.")  # as pathlib puts it


def test_the_cache_is_in_the_home_folder_or_where_it_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WSPACE_CACHE", raising=False)
    assert cache_root() == tmp_path / ".cache" / "wspace"
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "own"))
    assert cache_root() == tmp_path / "own"
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_cache_for_an_unknown_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WSPACE_CACHE", raising=False)
    monkeypatch.setattr("wspace.files.Path.home", _unknown_home)
    assert cache_root() is None


def test_there_is_no_cache_in_a_home_that_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("WSPACE_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert cache_root() is None
    monkeypatch.setenv("HOME", "/proc/nobody")
    assert cache_root() is None or os.access("/proc", os.W_OK)


def test_a_place_is_checked_without_a_trace(tmp_path: Path) -> None:
    assert check_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert check_file(tmp_path / "a" / "b.png") == tmp_path / "a" / "b.png"
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(WspaceError, match="file is a file: choose another place"):
            check_folder(wrong)
    with pytest.raises(WspaceError, match="it is a folder: name a file"):
        check_file(tmp_path)
    monkeypatch.setattr("wspace.files.os.access", lambda *_: False)
    with pytest.raises(WspaceError, match="cannot be written"):
        check_file(tmp_path / "new.png")


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "new/deep") as folder:
        (folder / "a.txt").write_text("a")
        assert not (tmp_path / "new/deep").exists()
    assert [path.name for path in (tmp_path / "new/deep").iterdir()] == ["a.txt"]
    with pytest.raises(ValueError, match="half"), atomic_folder(tmp_path / "other") as folder:
        (folder / "a.txt").write_text(str(int("half")))
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_folder_never_takes_the_place_of_something(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "empty", "link"):
        with (
            pytest.raises(WspaceError, match=f"{name} is there already"),
            atomic_folder(tmp_path / name),
        ):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "link"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(WspaceError, match="file is a file"), atomic_folder(tmp_path / "file/sub"):
        pass


def test_a_file_is_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_limited(path, 5) == b"12345"
    with pytest.raises(WspaceError, match=r"a is larger than 4 bytes: make it smaller\.$"):
        read_limited(path, 4)
    with pytest.raises(WspaceError, match=r"cannot read .*b: No such file .*: check the path\.$"):
        read_limited(tmp_path / "b", 5)
