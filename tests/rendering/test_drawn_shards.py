"""Pictures drawn into tars: whole ones, the same however often drawing was stopped."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.group import ALONE
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe, recipes
from wspace.rendering.render import render
from wspace.rendering.shards import DrawnShards, draw_shards


def recipes_of(seeds: Sequence[int]) -> Iterable[Recipe]:
    return recipes(seeds=seeds, psi=0.7)


def draw(generator: Generator, folder: Path, seeds: Sequence[int] = range(5)) -> DrawnShards:
    return draw_shards(generator, seeds, recipes_of, folder, group=ALONE, per_shard=2)


def test_they_hold_each_picture_with_its_recipe_and_are_data_to_train_on(
    tiny_generator: Generator, tmp_path: Path
) -> None:
    drawn = draw(tiny_generator, tmp_path / "shards")
    assert [path.name for path in drawn.paths] == [f"shard-{k:06d}.tar" for k in range(3)]
    with tarfile.open(drawn.paths[1]) as archive:
        names = archive.getnames()
        assert names == ["00000002.png", "00000002.json", "00000003.png", "00000003.json"]
        told = archive.extractfile("00000002.json")
        assert told is not None
        assert json.load(told) == {"seed": 2}
    with Dataset.open(tmp_path / "shards") as data:
        assert len(data) == 5
        pixels = data.images([4]).movedim(1, -1)[0].numpy()
    assert (pixels == render(tiny_generator, recipes_of([4])).pixels[0]).all()


def test_drawing_goes_on_where_it_was_stopped(tiny_generator: Generator, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    paths = draw(tiny_generator, folder).paths
    whole = [path.read_bytes() for path in paths]
    paths[1].unlink()
    (folder / ".shard-000001.0123abcd.tmp.tar").write_bytes(b"half of it")
    before = paths[0].stat().st_mtime_ns
    assert draw(tiny_generator, folder).drawn == 1
    assert [path.read_bytes() for path in paths] == whole
    assert paths[0].stat().st_mtime_ns == before
    assert sorted(path.name for path in folder.iterdir()) == [
        "dataset.json",
        *(path.name for path in paths),
    ]


def test_a_lost_shard_is_missed(tiny_generator: Generator, tmp_path: Path) -> None:
    draw(tiny_generator, tmp_path / "shards").paths[2].unlink()
    with pytest.raises(WspaceError, match=r"shard-000002\.tar is missing"):
        Dataset.open(tmp_path / "shards")


def test_other_pictures_need_another_folder(
    tiny_generator: Generator, other_generator: Generator, tmp_path: Path
) -> None:
    folder = tmp_path / "shards"
    draw(tiny_generator, folder)
    with pytest.raises(WspaceError, match="holds pictures with other model than"):
        draw(other_generator, folder)
    with pytest.raises(WspaceError, match=r"holds pictures with other seeds than \[\[0, 6\]\]"):
        draw(tiny_generator, folder, range(7))
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "note.txt").write_text("mine")
    with pytest.raises(WspaceError, match="else holds other things: give a new folder"):
        draw(tiny_generator, tmp_path / "else")
    with pytest.raises(WspaceError, match="take each seed once"):
        draw(tiny_generator, tmp_path / "twice", [1, 1])


def test_what_the_model_cannot_draw_leaves_no_folder(
    tiny_generator: Generator, tmp_path: Path
) -> None:
    def of_a_class(seeds: Sequence[int]) -> Iterable[Recipe]:
        return recipes(seeds=seeds, class_index=1)

    with pytest.raises(WspaceError, match="class=1: this model has no classes"):
        draw_shards(tiny_generator, range(5), of_a_class, tmp_path / "shards", group=ALONE)
    assert not (tmp_path / "shards").exists()
    draw(tiny_generator, tmp_path / "shards")
