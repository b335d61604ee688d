"""Avatars: reproducible bytes, known attributes, labels, and options that are checked."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("dicebear")
pytest.importorskip("resvg_py")

from wspace.data.avatars import (
    AvatarConfig,
    draw_avatars,
    parse_options,
    style_names,
    write_avatars,
)
from wspace.data.dataset import Dataset
from wspace.errors import WspaceError


def metadata_of(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        metadata: dict[str, Any] = json.loads(archive.read("dataset.json"))
        return metadata


def test_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    config = AvatarConfig(count=5, size=16, seed=3, options={})
    for name in ("a.zip", "b.zip"):
        write_avatars(tmp_path / name, config, workers=1)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.slow
def test_processes_give_the_bytes_of_one(tmp_path: Path) -> None:
    config = AvatarConfig(count=100, size=16, options={})
    write_avatars(tmp_path / "a.zip", config, workers=1)
    write_avatars(tmp_path / "b.zip", config, workers=3)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_picture_i_is_drawn_from_seed_plus_i(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_avatars(path, AvatarConfig(count=3, size=16, seed=40, options={}), workers=1)
    metadata = metadata_of(path)
    assert list(metadata["seeds"].values()) == [40, 41, 42]
    (drawing,) = draw_avatars(AvatarConfig(size=16, options={}), [42])
    name = "00000/img00000002.png"
    assert metadata["attributes"][name] == drawing.attributes
    with zipfile.ZipFile(path) as archive:
        assert archive.read(name) == drawing.png


def test_a_dataset_of_avatars_opens_with_licence_and_labels(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    options = {"facialHairProbability": 50}
    config = AvatarConfig(count=12, size=16, options=options)
    write_avatars(path, config, label_by="facialHair", workers=1)
    dataset = Dataset.open(path)
    assert (len(dataset), dataset.resolution, dataset.style) == (12, 16, "avataaars")
    assert dataset.licence is not None
    assert "avataaars.com" in dataset.licence
    assert "Pablo Stanley" in str(dataset.attribution)
    metadata = metadata_of(path)
    assert metadata["label_by"] == "facialHairVariant"
    assert "none" in metadata["classes"]
    assert dataset.labels is not None
    for name, label in zip(dataset.image_names, dataset.labels, strict=True):
        hair = metadata["attributes"][name]["facialHairVariant"]
        assert metadata["classes"][label] == hair


def test_pictures_lie_on_white_and_are_no_blank(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_avatars(path, AvatarConfig(count=4, size=32, options={}), workers=1)
    pixels = Dataset.open(path).images(range(4)).numpy()
    assert (pixels[:, :, 0, 0] == 255).all()
    assert np.ptp(pixels[:, :, 16, 16].astype(int), axis=1).max() > 20  # skin is not grey


def test_options_reach_the_drawing() -> None:
    options = parse_options("avataaars", ["accessoriesProbability=100", "topVariant=hat,hijab"])
    assert options == {"accessoriesProbability": 100, "topVariant": ["hat", "hijab"]}
    drawn = draw_avatars(AvatarConfig(size=16, options=options), range(8))
    assert all(face.attributes["accessoriesVariant"] != "none" for face in drawn)
    assert {face.attributes["topVariant"] for face in drawn} == {"hat", "hijab"}
    colors = parse_options("avataaars", ["skinColor=112233", "rotate=-5,5", "hairColor=a0e0f0,fff"])
    assert colors == {"skinColor": "112233", "rotate": [-5, 5], "hairColor": ["a0e0f0", "fff"]}
    (face,) = draw_avatars(AvatarConfig(size=16, options=colors), [0])
    assert face.attributes["skinColor"] == "#112233"


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("beard=1", "has no option 'beard'.*facialHairVariant"),
        ("topVariant=wig", "has no value 'wig'.*hijab"),
        ("accessoriesProbability=often", "is no number"),
        ("accessoriesProbability", "has no value: write NAME=VALUE"),
        ("seed=3", "is given as --seed"),
    ],
)
def test_wrong_options_are_refused(assignment: str, message: str) -> None:
    with pytest.raises(WspaceError, match=message):
        parse_options("avataaars", [assignment])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"style": "nobody"}, "no style 'nobody': the styles are adventurer, .*avataaars"),
        ({"style": "../avataaars"}, "no style"),
        ({"size": 60}, "size 60 is no power of two"),
        ({"size": 4}, "size 4"),
        ({"count": 0}, "0 avatars"),
        ({"seed": -1}, "seed -1"),
        ({"options": {"accessoriesProbability": 101}}, "refuses the options"),
    ],
)
def test_wrong_configs_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(WspaceError, match=message):
        AvatarConfig(**{"options": {}, **change})


def test_an_unknown_attribute_to_label_by_is_refused_before_drawing(tmp_path: Path) -> None:
    with pytest.raises(WspaceError, match=r"no attribute 'mood'.*eyesVariant"):
        write_avatars(tmp_path / "a.zip", AvatarConfig(options={}), label_by="mood")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_every_style_draws_something_and_states_its_licence(tmp_path: Path) -> None:
    assert len(style_names()) > 50
    for style in style_names():
        path = tmp_path / f"{style}.zip"
        write_avatars(path, AvatarConfig(style=style, count=3, size=16, options={}), workers=1)
        dataset = Dataset.open(path)
        assert dataset.licence, style
        assert dataset.attribution, style
        assert dataset.images(range(3)).numpy().std() > 1, style
