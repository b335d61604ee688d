"""The file of named directions beside a model: read as it was written, refused when it is not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch

from wspace.errors import WspaceError
from wspace.formats.directions import (
    Direction,
    check_name,
    directions_path,
    read_directions,
    write_directions,
)
from wspace.formats.model_file import bundled_models
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit

ONE = Direction(edit=Edit(direction=(0.5,) * 8, name="hat", layers=(0, 3)), about="by hand")
TWO = Direction(edit=Edit(direction=(-1.0,) * 8, name="long hair"))
THREE = Direction(
    edit=Edit(channels=((2, 7, 0.5), (5, 0, -3.0)), layers=(2, 5), name="blue"), about="by hand"
)
BOTH = {"hat": ONE, "long hair": TWO}


def test_what_is_written_is_read(
    tiny_generator: Generator, tiny_model: Path, tmp_path: Path
) -> None:
    model = shutil.copy(tiny_model, tmp_path)
    path = directions_path(model)
    assert path.name == "tiny.directions.safetensors"
    assert read_directions(path, tiny_generator) == {}
    write_directions(path, tiny_generator, BOTH)
    assert read_directions(path, tiny_generator) == BOTH
    write_directions(path, tiny_generator, {})
    assert read_directions(path, tiny_generator) == {}


def test_directions_of_another_model_are_refused(
    tiny_generator: Generator, other_generator: Generator, tmp_path: Path
) -> None:
    path = tmp_path / "tiny.directions.safetensors"
    write_directions(path, tiny_generator, BOTH)
    with pytest.raises(WspaceError, match="belongs to another model"):
        read_directions(path, other_generator)


def test_channels_are_read_as_they_were_written(tiny_generator: Generator, tmp_path: Path) -> None:
    path = tmp_path / "tiny.directions.safetensors"
    mixed = {"hat": ONE, "blue": THREE, "long hair": TWO}
    write_directions(path, tiny_generator, mixed)
    assert read_directions(path, tiny_generator) == mixed
    write_directions(path, tiny_generator, {"blue": THREE})
    assert read_directions(path, tiny_generator) == {"blue": THREE}


def test_without_channels_the_file_is_one_that_an_earlier_wspace_reads(
    tiny_generator: Generator, tmp_path: Path
) -> None:
    path = tmp_path / "tiny.directions.safetensors"
    for directions, version in ((BOTH, 1), (BOTH | {"blue": THREE}, 2)):
        write_directions(path, tiny_generator, directions)
        with safetensors.safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()["wspace-directions"])
        assert header["version"] == version
        assert header["directions"][0] == {"name": "hat", "layers": [0, 3], "about": "by hand"}


@pytest.mark.parametrize(
    "damage",
    [
        "cut",
        "text",
        "no header",
        "nan",
        "too few",
        "too few channels",
        "half a channel",
        "a bad name",
    ],
)
def test_damaged_files_are_refused_in_one_line(
    tiny_generator: Generator, tmp_path: Path, damage: str
) -> None:
    path = tmp_path / "tiny.directions.safetensors"
    write_directions(path, tiny_generator, BOTH | {"blue": THREE})
    whole = path.read_bytes()
    with safetensors.safe_open(path, framework="pt") as file:
        header = file.metadata()
    vectors, channels = torch.zeros(2, 8), torch.zeros(2, 3)
    if damage == "cut":
        path.write_bytes(whole[:-9])
    elif damage == "text":
        path.write_text("no directions")
    elif damage == "no header":
        safetensors.torch.save_file({"directions": vectors, "channels": channels}, path)
    elif damage == "nan":
        tensors = {"directions": vectors / 0, "channels": channels}
        safetensors.torch.save_file(tensors, path, metadata=header)
    elif damage == "too few":
        tensors = {"directions": vectors[:1], "channels": channels}
        safetensors.torch.save_file(tensors, path, metadata=header)
    elif damage == "half a channel":
        tensors = {"directions": vectors, "channels": channels + 0.5}
        safetensors.torch.save_file(tensors, path, metadata=header)
    elif damage == "too few channels":
        tensors = {"directions": vectors, "channels": channels[:1]}
        safetensors.torch.save_file(tensors, path, metadata=header)
    else:
        path.write_bytes(whole.replace(b"long hair", b"long=hair"))
    with pytest.raises(WspaceError) as error:
        read_directions(path, tiny_generator)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["", " hat", "a=b", "a,b", "a@b", "two\nlines", "x" * 101])
def test_names_that_edits_could_not_say_are_refused(name: str) -> None:
    with pytest.raises(WspaceError, match="no name"):
        check_name(name)


def test_directions_are_no_bundled_models() -> None:
    assert not any("directions" in name for name in bundled_models())
