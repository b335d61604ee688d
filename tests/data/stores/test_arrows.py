"""Arrow files: pictures and classes as ``datasets`` keeps them; damaged ones are refused."""

from __future__ import annotations

import io
import json
import pickle
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image
from small_tars import png

from wspace.cli.main import main
from wspace.data.build import BuildConfig, build_dataset
from wspace.data.dataset import Dataset
from wspace.data.inspect import inspect_dataset
from wspace.data.source import PictureSource, UnreadableFileError
from wspace.data.stores import arrows, tables
from wspace.data.stores.arrows import Arrows
from wspace.errors import WspaceError

STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})
NAMES = ["cat", "dog", "f\u00fcnf"]
LABELS = [2, 0, 1, 1, 0, 2, 2]
FEATURES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": NAMES}}
DESCRIBED = {"huggingface": json.dumps({"info": {"features": FEATURES}})}


def jpg(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), level).save(buffer, "jpeg", quality=100)
    return buffer.getvalue()


def images(count: int = 7, first: int = 0) -> Any:
    cells = [{"bytes": jpg(10 * (first + k)), "path": f"{k % 2}.jpg"} for k in range(count)]
    return pa.array(cells, STRUCT)


def write(
    path: Path,
    columns: dict[str, Any],
    metadata: dict[str, str] | None = None,
    kind: str = "stream",
    compression: str | None = None,
) -> Path:
    """An Arrow file in groups of three rows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns).replace_schema_metadata(metadata)
    new = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with new(path, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=3)
    return path


def levels(data: Dataset) -> list[int]:
    found: list[int] = data.images(range(len(data)))[:, 0, 0, 0].tolist()
    return found


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["stream", "file"])
def test_pictures_classes_and_names_in_both_formats(
    tmp_path: Path, kind: str, compression: str | None
) -> None:
    columns = {"label": pa.array(LABELS), "text": ["x"] * 7, "image": images()}
    path = write(tmp_path / "a.arrow", columns, DESCRIBED, kind, compression)
    with Dataset.open(path) as data:
        assert data.name == "a"
        assert data.image_names[:2] == ("0000000000.jpg", "0000000001.jpg")
        assert levels(data) == [0, 10, 20, 30, 40, 50, 60]
        assert data.images([5, 0, 3])[:, 0, 0, 0].tolist() == [50, 0, 30]
        assert data.labels is not None
        assert data.labels.tolist() == LABELS
        assert data.class_names == tuple(NAMES)
    report = inspect_dataset(path, workers=1)
    assert (report.kind, report.trainable, report.unreadable) == ("arrow", True, ())


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_a_plain_binary_column_without_any_description(tmp_path: Path, kind: Any) -> None:
    cells = [png("red"), None, png("blue")]
    path = write(tmp_path / "data", {"picture": pa.array(cells, kind)})
    with Dataset.open(path) as data:
        assert data.images([0, 1])[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]
        assert data.left_out == {"rows without a picture": 1}


def test_a_picture_is_read_where_it_lies(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow", {"image": images()})
    source = pickle.loads(pickle.dumps(PictureSource(path)))
    for row in (0, 6, 3):
        assert source.read(f"{row:010d}.jpg", 1 << 20) == jpg(10 * row)
    assert not source._store._groups  # no group of rows was unpacked for it
    size, file = source._store.open("0000000004")
    with file:
        assert (size, file.name) == (len(jpg(40)), str(path))


def test_groups_that_are_compressed_stay_in_memory_up_to_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.arrow", {"image": images()}, None, "file", "lz4")
    monkeypatch.setattr(tables, "KEPT_BYTES", 4 * len(jpg(0)))
    source = PictureSource(path)
    for row in (0, 6, 3, 1, 5, 0):
        assert source.read(f"{row:010d}.jpg", 1 << 20) == jpg(10 * row)
    assert isinstance(source._store, Arrows)
    assert len(source._store._groups) == 1


def test_columns_of_dictionaries_beside_the_pictures_do_no_harm(tmp_path: Path) -> None:
    words = pa.array(["a", "b", "a", "b", "a", "b", "a"]).dictionary_encode()
    path = write(tmp_path / "a.arrow", {"word": words, "image": images(), "label": LABELS})
    data = Dataset.open(path)
    assert levels(data) == [0, 10, 20, 30, 40, 50, 60]
    assert data.num_classes == 3


def saved(folder: Path) -> Path:
    """What ``save_to_disk`` of the library ``datasets`` writes: two files and what is said of them.

    The classes are named in dataset_info.json alone.
    """
    names = [f"data-{number:05d}-of-00002.arrow" for number in range(2)]
    for number, name in enumerate(names):
        write(folder / name, {"image": images(4, 4 * number), "label": [number] * 4})
    files = [{"filename": name} for name in names]
    (folder / "state.json").write_text(json.dumps({"_data_files": files, "_split": "train"}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    return folder


def test_a_data_set_that_was_saved_to_disk(tmp_path: Path) -> None:
    folder = saved(tmp_path / "birds")
    write(folder / "cache-0123456789abcdef.arrow", {"other": [1]})
    data = Dataset.open(folder)
    assert (data.name, levels(data)) == ("birds", [0, 10, 20, 30, 40, 50, 60, 70])
    assert data.class_names == ("cat", "dog")
    assert data.left_out == {".json": 2, ".arrow": 1}
    assert inspect_dataset(folder, workers=1).kind == "folder of arrow"
    build_dataset(folder, tmp_path / "out.zip", BuildConfig(size=8), workers=2)
    with Dataset.open(tmp_path / "out.zip") as built:
        assert levels(built) == [0, 10, 20, 30, 40, 50, 60, 70]
        assert built.class_names == ("cat", "dog")


def test_a_file_that_is_missing_is_missed(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(WspaceError, match=r"data-00001-of-00002.arrow is missing \(1 of 2"):
        Dataset.open(folder)


def test_a_selection_of_rows_is_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / "state.json").write_text('{"_indices_data_files": [{"filename": "indices.arrow"}]}')
    with pytest.raises(WspaceError, match=r"selection of rows .*flatten_indices"):
        Dataset.open(folder)


def test_several_splits_are_refused_and_one_of_them_is_read(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path / f"birds-{split}.arrow", {"image": images(), "label": LABELS}, DESCRIBED)
    (tmp_path / "dataset_info.json").write_text(json.dumps({"splits": {"train": {}, "test": {}}}))
    with pytest.raises(WspaceError, match="holds 2 splits of a data set, test, train"):
        Dataset.open(tmp_path)
    assert Dataset.open(tmp_path / "birds-test.arrow").class_names == tuple(NAMES)


def test_the_folder_of_all_splits_says_so(tmp_path: Path) -> None:
    saved(tmp_path / "train")
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    with pytest.raises(WspaceError, match="holds the splits of a data set: give the folder of one"):
        Dataset.open(tmp_path)


def test_pictures_that_lie_elsewhere_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "own.png").write_bytes(png("lime"))
    cells = [{"bytes": png(), "path": None}, {"bytes": None, "path": str(tmp_path / "own.png")}]
    (tmp_path / "data").mkdir()
    path = write(tmp_path / "data/a.arrow", {"image": pa.array(cells, STRUCT)})
    data = Dataset.open(path)
    assert data.left_out == {"rows that name a file elsewhere": 1}
    assert "1 rows name a picture elsewhere" in data.remarks[0]
    assert data.images([0])[0, :, 0, 0].tolist() == [255, 0, 0]


def test_the_fingerprint_follows_the_pictures(tmp_path: Path) -> None:
    path, found = tmp_path / "a.arrow", set()
    for first in (0, 1):
        write(path, {"image": images(7, first)})
        found.add(Dataset.open(path).fingerprint)
    assert len(found) == 2


def test_a_file_that_changes_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow", {"image": images()})
    source = PictureSource(path)
    write(path, {"image": images(2, 9)})
    with pytest.raises(UnreadableFileError, match="has changed"):
        source.read("0000000000.jpg", 1 << 20)
    elsewhere = pickle.loads(pickle.dumps(source))  # opens the file that is there now
    with pytest.raises(UnreadableFileError, match="it is gone"):
        elsewhere.read("0000000006.jpg", 1 << 20)


def test_a_file_that_is_cut_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = write(tmp_path / "a.arrow", {"image": images()}).read_bytes()
    path = tmp_path / "b.arrow"
    for damaged in (b"", b"ARROW1", content[:-8], content[:200], content[:-9], b"x" * 500):
        path.write_bytes(damaged)
        with pytest.raises(WspaceError, match="is no readable Arrow file") as raised:
            PictureSource(path)
        assert "\n" not in str(raised.value)
    with pytest.raises(SystemExit) as exit_:
        main(["data", "inspect", str(path), "--sheet", str(tmp_path / "sheet.png")])
    assert exit_.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["MAX_GROUP_BYTES", "MAX_METADATA_BYTES"])
def test_no_more_memory_is_taken_than_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = write(tmp_path / "a.arrow", {"image": images()})
    monkeypatch.setattr(arrows, name, 100)
    with pytest.raises(WspaceError, match="is no readable Arrow file"):
        PictureSource(path)


def test_rows_that_unpack_to_too_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = pa.array([png() + bytes(100_000)] * 3)
    path = write(tmp_path / "a.arrow", {"image": cells}, None, "stream", "zstd")
    monkeypatch.setattr(arrows, "MAX_GROUP_BYTES", 50_000)
    with pytest.raises(WspaceError, match=r"a group of rows of 300,\d{3} bytes"):
        PictureSource(path)


@pytest.mark.parametrize(("kind", "packed"), [("stream", None), ("stream", "zstd"), ("file", None)])
def test_bytes_changed_anywhere_are_refused_or_read(
    tmp_path: Path, kind: str, packed: str | None
) -> None:
    columns = {"image": images(), "label": pa.array(LABELS)}
    path = write(tmp_path / "a.arrow", columns, DESCRIBED, kind, packed)
    content = path.read_bytes()
    draws = random.Random(0)
    messages = []
    for _ in range(60):
        changed = bytearray(content)
        for _ in range(draws.randint(1, 4)):
            changed[draws.randrange(len(changed))] = draws.choice([0, 1, 127, 255])
        path.write_bytes(changed)
        try:
            with Dataset.open(path) as data:
                data.images(range(len(data)))
                _ = data.labels
        except WspaceError as error:
            messages.append(str(error))
    assert len(messages) > 15
    assert not any("\n" in message for message in messages)


@pytest.mark.parametrize("name", ["label", "bytes"])
def test_a_column_whose_name_is_no_text_is_damage(tmp_path: Path, name: str) -> None:
    content = write(tmp_path / "a.arrow", {"image": images(), "label": LABELS}).read_bytes()
    assert name.encode() in content
    (tmp_path / "b.arrow").write_bytes(content.replace(name.encode(), b"\xff" + name.encode()[1:]))
    with pytest.raises(WspaceError, match="has a column whose name is no text"):
        PictureSource(tmp_path / "b.arrow")
