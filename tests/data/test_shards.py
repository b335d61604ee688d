"""Shards: what is written is what is read, and what other tools read."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wspace.cli.main import main
from wspace.data.build import BuildConfig, build_dataset
from wspace.data.dataset import Dataset
from wspace.data.shards import MIN_SHARD_BYTES, read_shard_bytes, write_shards
from wspace.data.source import PictureSource
from wspace.errors import WspaceError

CONFIG = BuildConfig(size=16)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty noisy pictures of three classes with attributes and a licence; one is damaged."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    generator = np.random.default_rng(0)
    names = [f"{number}.png" for number in range(40)]
    for name in names:
        Image.fromarray(generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(folder / name)
    (folder / "0.png").write_bytes(b"damaged")
    told = {
        "labels": [[name, [5, 2, 9][k % 3]] for k, name in enumerate(names)],
        "classes": [None, None, "two", None, None, "f\u00fcnf", None, None, None, "nine"],
        "attributes": {name: {"hue": k % 4, "half": "\ud800"} for k, name in enumerate(names)},
        "seeds": {name: k for k, name in enumerate(names)},
        "options": {"a": 1},
        "licence": "CC0",
        "style": "noise",
        "label_by": "hue",
    }
    (folder / "dataset.json").write_text(json.dumps(told))
    return folder


def test_shards_hold_the_dataset_that_a_zip_holds(pictures: Path, tmp_path: Path) -> None:
    zipped, folder = tmp_path / "all.zip", tmp_path / "shards"
    first = build_dataset(pictures, zipped, CONFIG, workers=1)
    second = build_dataset(pictures, folder, CONFIG, workers=1, shard_bytes=MIN_SHARD_BYTES)
    assert (first.num_images, first.num_shards) == (39, 0)
    assert second.num_images == 39
    tars = sorted(folder.glob("*.tar"))
    assert second.num_shards == len(tars) > 2
    assert max(path.stat().st_size for path in tars) <= MIN_SHARD_BYTES
    assert sorted(path.name for path in folder.iterdir()) == [
        "dataset.json",
        *(path.name for path in tars),
    ]
    with Dataset.open(zipped) as old, Dataset.open(folder) as new:
        assert new.images(range(39)).equal(old.images(range(39)))
        assert old.labels is not None
        assert new.labels is not None
        assert new.labels.tolist() == old.labels.tolist()
        assert new.class_names == old.class_names == ("two", "f\u00fcnf", "nine")
        assert old.attributes is not None
        assert new.attributes is not None
        assert new.attributes.fingerprint == old.attributes.fingerprint
        assert (new.licence, new.style) == (old.licence, old.style) == ("CC0", "noise")
        assert new.left_out == {}
        assert new.remarks == ()
    of_zip, of_shards = (PictureSource(path).metadata().content for path in (zipped, folder))
    for key in ("labels", "attributes", "seeds"):
        values = [dict(content[key]) for content in (of_zip, of_shards)]
        assert list(values[0].values()) == list(values[1].values())
    assert of_shards["shards"] == [path.name for path in tars]
    by_picture = ("labels", "attributes", "seeds", "shards")
    rest = [
        {key: value for key, value in content.items() if key not in by_picture}
        for content in (of_zip, of_shards)
    ]
    assert rest[0] == rest[1]


def test_other_tools_find_samples_in_order(pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    build_dataset(pictures, folder, CONFIG, workers=1, shard_bytes=30_000)
    keys = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as archive:
            names = archive.getnames()
            assert len(names) % 3 == 0  # a sample is never torn apart
            for at in range(0, len(names), 3):
                key = names[at].removesuffix(".png")
                assert names[at : at + 3] == [f"{key}.png", f"{key}.cls", f"{key}.json"]
                content = archive.extractfile(f"{key}.png")
                assert content is not None
                assert Image.open(io.BytesIO(content.read())).size == (16, 16)
                keys.append(int(key))
    assert keys == list(range(39))


def test_the_same_pictures_give_the_same_bytes(pictures: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        build_dataset(pictures, tmp_path / name, CONFIG, workers=1, shard_bytes=30_000)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_shards_are_built_again_into_a_zip_that_is_the_same(pictures: Path, tmp_path: Path) -> None:
    zipped, folder, again = tmp_path / "all.zip", tmp_path / "shards", tmp_path / "again.zip"
    build_dataset(pictures, zipped, CONFIG, workers=1)
    build_dataset(pictures, folder, CONFIG, workers=1, shard_bytes=30_000)
    build_dataset(folder, again, CONFIG, workers=2)
    assert again.read_bytes() == zipped.read_bytes()


def test_labels_that_are_no_classes_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "in/1.png")
    Image.new("RGB", (16, 16)).save(tmp_path / "in/2.png")
    told = {"labels": [["1.png", [0.5, 1]], ["2.png", "x"]]}
    (tmp_path / "in/dataset.json").write_text(json.dumps(told))
    build_dataset(tmp_path / "in", tmp_path / "out", CONFIG, workers=1, shard_bytes=10**6)
    content = PictureSource(tmp_path / "out").metadata().content
    assert content["labels"] == [["00000000.png", [0.5, 1]], ["00000001.png", "x"]]


def test_alpha_is_kept(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGBA", (16, 16), (255, 0, 0, 90)).save(tmp_path / "in/1.png")
    config = BuildConfig(size=16, alpha="keep")
    build_dataset(tmp_path / "in", tmp_path / "out", config, workers=1, shard_bytes=10**6)
    assert Dataset.open(tmp_path / "out").image_channels == 4


def write_one(folder: Path, attributes: dict[str, str]) -> None:
    with write_shards(folder, 10**6) as writer:
        writer.finish({"labels": None, "attributes": {writer.add(b"png"): attributes}})


def test_nothing_half_written_stays(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    with pytest.raises(WspaceError, match="cannot be read"):
        build_dataset(pictures, out, CONFIG, strict=True, workers=1, shard_bytes=30_000)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
    out.mkdir()
    with pytest.raises(WspaceError, match="is there already"):
        build_dataset(pictures, out, CONFIG, workers=1, shard_bytes=30_000)
    with pytest.raises(WspaceError, match="names a file"), write_shards(tmp_path / "a.zip", 10**6):
        pass
    with pytest.raises(WspaceError, match="too many for shards"):
        write_one(tmp_path / "long", {"text": "x" * 70_000})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures", "shards"]


def test_a_lost_or_cut_shard_is_missed(pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    build_dataset(pictures, folder, CONFIG, workers=1, shard_bytes=30_000)
    tar = folder / "shard-000001.tar"
    content = tar.read_bytes()
    tar.write_bytes(content[:10_000])
    with pytest.raises(WspaceError, match=r"shard-000001\.tar is cut off"):
        Dataset.open(folder)
    tar.unlink()
    with pytest.raises(WspaceError, match=r"shard-000001\.tar is missing \(1 of \d shards are\)"):
        Dataset.open(folder)
    tar.write_bytes(content)
    assert len(Dataset.open(folder)) == 39


@pytest.mark.parametrize("room", [0, 5_000, 40_000])
def test_a_full_disk_leaves_no_folder(pictures: Path, tmp_path: Path, room: int) -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(WspaceError, match=r"cannot write .*shards"):
            build_dataset(
                pictures, tmp_path / "shards", CONFIG, workers=1, shard_bytes=MIN_SHARD_BYTES * 10
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]


@pytest.mark.parametrize(
    ("text", "number"),
    [("512MB", 512 * 10**6), ("1.5 GB", 1_500_000_000), ("64KiB", 65_536), ("2gib", 2 << 30)],
)
def test_sizes_of_shards(text: str, number: int) -> None:
    assert read_shard_bytes(text) == number


@pytest.mark.parametrize("text", ["", "512", "-5MB", "MB", "1e3MB", "5 XB", "10kB", "0MB"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(WspaceError, match=r"give a size such as 512MB|are too small"):
        read_shard_bytes(text)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(argument) for argument in arguments])
    assert isinstance(exit_.value.code, int)
    return exit_.value.code


def test_the_command_writes_shards_and_inspects_them(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "shards"
    assert run("data", "build", pictures, out, "--size", 16, "--shards", "30kB") == 0
    count = len(list(out.glob("*.tar")))
    assert f"39 pictures of 16 x 16, colour, in {count} shards" in capsys.readouterr().err
    assert run("data", "inspect", out, "--sheet", tmp_path / "sheet.png") == 0
    told = capsys.readouterr().out
    assert "(folder of tars, " in told
    assert "ready as it is" in told
    assert run("data", "build", pictures, tmp_path / "no", "--size", 16, "--shards", "x") == 2
    assert "give a size such as 512MB" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
