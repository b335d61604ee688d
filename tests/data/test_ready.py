"""Made ready for training: what needs it, what is made, and that it is kept by content."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wspace.data import patience, ready
from wspace.data.build import BuildConfig
from wspace.data.dataset import Dataset
from wspace.data.ready import Survey, built_dataset, kept_dataset
from wspace.data.source import PictureSource
from wspace.errors import WspaceError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def folder_of(root: Path, names: list[str], size: tuple[int, int] = (20, 16)) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (7 * number, 0, 0)).save(root / name)
    return root


def survey(path: Path) -> Survey:
    return Survey(PictureSource(path))


CATS_AND_DOGS = [f"{kind}/{i}.png" for kind in ("cats", "dogs") for i in range(3)]


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (CATS_AND_DOGS, ("cats", "dogs")),
        ([*CATS_AND_DOGS, "a.png"], ()),  # one lies beside them
        ([f"cats/{i}.png" for i in range(4)], ()),  # all the same
        ([f"{i}/a.png" for i in range(4)], ()),  # a folder for each
        ([f"{i // 3:05d}/img{i:08d}.png" for i in range(6)], ()),  # of the official tools
        ([f"DCIM/10{i // 3}APPLE/IMG_{i}.png" for i in range(6)], ()),  # of cameras
    ],
)
def test_folders_are_classes_where_people_named_them(
    tmp_path: Path, names: list[str], classes: tuple[str, ...]
) -> None:
    assert survey(folder_of(tmp_path / "in", names)).class_folders == classes


def test_folders_are_no_classes_where_a_file_says_what_is(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", CATS_AND_DOGS)
    (folder / "dataset.json").write_text('{"labels": null}')
    assert survey(folder).class_folders == ()


def test_what_fits_is_trained_on_as_it_is(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", ["a.png", "b.png"], (16, 16))
    assert survey(folder).size == (16, 16)
    (folder / "c.png").write_bytes(b"no picture")
    assert survey(folder).size is None
    assert survey(folder).num_unreadable == 1
    (folder / "c.png").unlink()
    Image.fromarray(np.zeros((16, 16), dtype=np.int32)).save(folder / "d.tiff")
    assert survey(folder).size is None
    for side, fits in (((2, 2), False), ((75, 50), False), ((24, 16), True)):
        assert bool(survey(folder_of(tmp_path / str(side), ["a.png"], side)).size) == fits


@pytest.mark.parametrize(
    ("sizes", "largest"),
    [
        ([(64, 64)] * 4, 64),
        ([(28, 28)] * 4, 32),  # hardly smaller
        ([(23, 23)] * 4, 16),
        ([(10, 10), (400, 300), (300, 400), (500, 500), (300, 300)], 256),
        ([(3, 3)], 8),
        ([(6000, 1)], 8),
    ],
)
def test_the_largest_size_is_that_of_most_pictures(
    tmp_path: Path, sizes: list[tuple[int, int]], largest: int
) -> None:
    for number, size in enumerate(sizes):
        Image.new("L", size).save(tmp_path / f"{number}.png")
    assert survey(tmp_path).largest_size == largest


def test_a_source_is_described_in_a_line(tmp_path: Path) -> None:
    folder_of(tmp_path / "in", ["a.png"], (40, 30))
    assert survey(tmp_path / "in").describe() == (
        f"{tmp_path / 'in'}: 1 pictures of 40 x 30 pixels, colour"
    )
    Image.new("RGB", (9, 8)).save(tmp_path / "in/b.png")
    assert "2 pictures of 9 x 8 to 40 x 30 pixels" in survey(tmp_path / "in").describe()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.png").write_text("no picture")
    with pytest.raises(WspaceError, match=r"bad: none of the 1 pictures can be read; a\.png: not"):
        survey(tmp_path / "bad")


def test_what_was_made_is_kept_and_taken_again(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", CATS_AND_DOGS)
    (folder / "notes.txt").write_text("no picture")
    (folder / "cats/bad.png").write_text("no picture")
    config = BuildConfig(size=8)
    first: list[str] = []
    place = built_dataset(survey(folder), config, by_folder=True, say=first.append)
    assert first == [
        "made 6 pictures of 8 x 8, colour, the middle of each",
        "left out: .txt: 1",
        "left out, as they could not be read: cats/bad.png (not a picture in a known format)",
        f"kept in {place}",
    ]
    with Dataset.open(place) as made:
        assert made.name == "in-8"
        assert made.labels is not None
        assert made.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert kept_dataset(made.fingerprint + "and of attributes") == place
    assert kept_dataset("another") is None
    content, written = place.read_bytes(), place.stat().st_mtime_ns
    again: list[str] = []
    assert built_dataset(survey(folder), config, by_folder=True, say=again.append) == place
    assert again == first
    assert place.stat().st_mtime_ns == written
    place.with_suffix(".json").write_text("{")  # as if it had been cut off
    assert built_dataset(survey(folder), config, by_folder=True) == place
    assert place.stat().st_mtime_ns != written
    assert place.read_bytes() == content


def test_what_is_kept_of_a_rectangle_is_named_by_its_width_and_height(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", CATS_AND_DOGS)
    place = built_dataset(survey(folder), BuildConfig(size=(16, 24)), by_folder=False)
    assert place.name == "in-24x16.zip"
    with Dataset.open(place) as made:
        assert (made.name, made.size) == ("in-24x16", (16, 24))


def test_other_content_and_other_settings_are_kept_apart(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", CATS_AND_DOGS)
    config = BuildConfig(size=8)
    places = [
        built_dataset(survey(folder), one, by_folder=by_folder)
        for one, by_folder in (
            (config, True),
            (config, False),
            (BuildConfig(size=16), False),
            (BuildConfig(size=8, fit="pad"), False),
        )
    ]
    pixels = Image.new("RGB", (20, 16), (9, 9, 9))
    pixels.save(folder / "dogs/2.png")
    places.append(built_dataset(survey(folder), config, by_folder=False))
    (folder / "dogs").rename(folder / "wolves")
    places.append(built_dataset(survey(folder), config, by_folder=True))
    assert len(set(places)) == 6


def test_what_was_used_longest_ago_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    folder = folder_of(tmp_path / "in", ["a.png", "b.png"])
    places = [
        built_dataset(survey(folder), BuildConfig(size=size), by_folder=False) for size in (8, 16)
    ]
    for age, place in enumerate(reversed(places)):
        for file in place.parent.iterdir():
            os.utime(file, (1e9 - age, 1e9 - age))
    built_dataset(survey(folder), BuildConfig(size=8), by_folder=False)  # used again
    size = sum(file.stat().st_size for file in cache.rglob("*.*"))
    monkeypatch.setattr(ready, "KEPT_BYTES", size + 100)
    third = built_dataset(survey(folder), BuildConfig(size=32), by_folder=False)
    assert [place.exists() for place in (*places, third)] == [True, False, True]
    monkeypatch.setattr(ready, "KEPT_BYTES", 0)
    fourth = built_dataset(survey(folder), BuildConfig(size=64), by_folder=False)
    assert [path.parent for path in cache.rglob("*.zip")] == [fourth.parent]


def test_without_a_place_to_keep_it_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path / "in", ["a.png"])
    monkeypatch.setattr(ready, "cache_root", lambda: None)
    with pytest.raises(WspaceError, match=r"set WSPACE_CACHE .* wspace data build .*in-8\.zip"):
        built_dataset(survey(folder), BuildConfig(size=8), by_folder=False)
    assert kept_dataset("anything") is None


def test_long_work_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path / "in", ["a.png", "b.png", "c.png"])
    monkeypatch.setattr(patience, "PROGRESS_SECONDS", (0.0, 0.0))
    said: list[str] = []
    built_dataset(survey(folder), BuildConfig(size=8), by_folder=False, say=said.append)
    assert said[:2] == [f"making pictures of one size: {n} of 3 ..." for n in (1, 2)]
    said.clear()
    assert Survey(PictureSource(folder), said.append).fingerprint == survey(folder).fingerprint
    looked, read = said[:3], said[3:]
    assert looked == [f"looking at {folder}: {n} of 3 pictures ..." for n in range(3)]
    assert read
    assert all(line.startswith(f"reading all of {folder}, so that") for line in read)


def test_what_lies_beside_is_plain_data(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", ["a.png"])
    place = built_dataset(survey(folder), BuildConfig(size=8), by_folder=False)
    told = json.loads(place.with_suffix(".json").read_text())
    assert told["source"] == str(folder.resolve())
    assert sorted(told) == ["fingerprint", "lines", "source"]
