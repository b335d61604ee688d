"""Parquet files: pictures and classes as hubs store them; what is unclear or damaged is refused."""

from __future__ import annotations

import io
import json
import pickle
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_tars import png

from wspace.cli.main import main
from wspace.data.build import BuildConfig, build_dataset
from wspace.data.dataset import Dataset
from wspace.data.inspect import inspect_dataset
from wspace.data.source import PictureSource, UnreadableFileError
from wspace.data.stores import tables
from wspace.errors import WspaceError

STRUCT = pa.struct({"bytes": pa.binary(), "path": pa.string()})
NAMES = ["cat", "dog", "f\u00fcnf"]
LABELS = [2, 0, 1, 1, 0, 2, 2]


def jpg(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), level).save(buffer, "jpeg", quality=100)
    return buffer.getvalue()


def described(**features: object) -> dict[str, str]:
    return {"huggingface": json.dumps({"info": {"features": features}})}


IMAGE = {"_type": "Image"}
CLASSES = {"_type": "ClassLabel", "names": NAMES}


def write(path: Path, columns: dict[str, Any], metadata: dict[str, str] | None = None) -> Path:
    """A Parquet file in groups of three rows."""
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(metadata), path, row_group_size=3)
    return path


def images(count: int = 7, first: int = 0) -> Any:
    cells = [{"bytes": jpg(10 * (first + k)), "path": f"{k % 2}.jpg"} for k in range(count)]
    return pa.array(cells, STRUCT)


def levels(data: Dataset) -> list[int]:
    found: list[int] = data.images(range(len(data)))[:, 0, 0, 0].tolist()
    return found


def test_pictures_classes_and_names_of_a_hubs_file(tmp_path: Path) -> None:
    columns = {"label": pa.array(LABELS), "image": images(), "text": ["x"] * 7}
    path = write(tmp_path / "a.parquet", columns, described(image=IMAGE, label=CLASSES))
    with Dataset.open(path) as data:
        assert data.name == "a"
        assert data.image_names[:2] == ("0000000000.jpg", "0000000001.jpg")
        assert levels(data) == [0, 10, 20, 30, 40, 50, 60]
        assert data.images([5, 0, 3])[:, 0, 0, 0].tolist() == [50, 0, 30]
        assert data.image_channels == 1
        assert data.labels is not None
        assert data.labels.tolist() == LABELS
        assert data.class_names == tuple(NAMES)
        assert data.remarks == ()
    report = inspect_dataset(path, workers=1)
    assert (report.kind, report.trainable, report.unreadable) == ("parquet", True, ())


def test_a_plain_binary_column_without_any_description(tmp_path: Path) -> None:
    cells = [png("red"), None, png("blue")]
    path = write(tmp_path / "data", {"picture": pa.array(cells, pa.binary())})
    with Dataset.open(path) as data:
        assert data.images([0, 1])[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 0, 255]]
        assert data.labels is None
        assert data.left_out == {"rows without a picture": 1}


def test_a_folder_is_one_dataset_in_order(tmp_path: Path) -> None:
    for number in range(2):
        columns = {"image": images(4, 4 * number), "label": pa.array([number] * 4)}
        write(tmp_path / f"train-{number:05d}-of-00002.parquet", columns)
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "dataset.json").write_text('{"licence": "CC0"}')
    data = Dataset.open(tmp_path)
    assert levels(data) == [0, 10, 20, 30, 40, 50, 60, 70]
    assert data.labels is not None
    assert data.labels.tolist() == [0] * 4 + [1] * 4
    assert (data.licence, data.left_out) == ("CC0", {".md": 1})
    assert inspect_dataset(tmp_path, workers=1).kind == "folder of parquet"
    write(tmp_path / "test-00000-of-00001.parquet", {"image": images()})
    with pytest.raises(WspaceError, match="holds 2 splits of a data set, test, train"):
        Dataset.open(tmp_path)


def test_a_build_of_it_keeps_pictures_and_classes(tmp_path: Path) -> None:
    columns = {"image": images(), "label": pa.array(LABELS)}
    path = write(tmp_path / "a.parquet", columns, described(image=IMAGE, label=CLASSES))
    build_dataset(path, tmp_path / "out.zip", BuildConfig(size=8), workers=2)
    with Dataset.open(tmp_path / "out.zip") as data:
        assert levels(data) == [0, 10, 20, 30, 40, 50, 60]
        assert data.class_names == tuple(NAMES)
        assert data.labels is not None
        assert data.labels.tolist() == LABELS


def test_few_groups_of_rows_stay_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.parquet", {"image": images()})
    monkeypatch.setattr(tables, "KEPT_BYTES", 4 * len(jpg(0)))
    source = pickle.loads(pickle.dumps(PictureSource(path)))
    for row in (0, 6, 3, 1, 5, 0):
        assert source.read(f"{row:010d}.jpg", 1 << 20) == jpg(10 * row)
    assert len(source._store._groups) == 1
    with pytest.raises(UnreadableFileError, match="more than 10 bytes"):
        source.read("0000000000.jpg", 10)


def test_the_fingerprint_follows_the_pictures(tmp_path: Path) -> None:
    path, found = tmp_path / "a.parquet", set()
    for first in (0, 1):
        write(path, {"image": images(7, first)})
        found.add(Dataset.open(path).fingerprint)
    assert len(found) == 2


def test_a_file_that_changes_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"image": images()})
    source = PictureSource(path)
    write(path, {"image": images(2, 9)})
    with pytest.raises(UnreadableFileError, match="has changed"):
        source.read("0000000000.jpg", 1 << 20)
    elsewhere = pickle.loads(pickle.dumps(source))  # opens the file that is there now
    with pytest.raises(UnreadableFileError, match="it is gone"):
        elsewhere.read("0000000006.jpg", 1 << 20)


def test_the_column_of_pictures_is_the_one_that_is_told(tmp_path: Path) -> None:
    columns = {"mask": images(7, 9), "photo": images()}
    path = write(tmp_path / "a.parquet", columns, described(photo=IMAGE))
    assert levels(Dataset.open(path))[1] == 10
    with pytest.raises(WspaceError, match=r"surely that of pictures \(columns: mask, photo\)"):
        Dataset.open(write(tmp_path / "b.parquet", columns))
    with pytest.raises(WspaceError, match=r"surely that of pictures \(columns: x\)"):
        Dataset.open(write(tmp_path / "c.parquet", {"x": [1]}))


def test_several_columns_of_classes_are_named_and_none_is_used(tmp_path: Path) -> None:
    columns = {"image": images(), "fine": pa.array(LABELS), "coarse": pa.array(LABELS)}
    path = write(tmp_path / "a.parquet", columns, described(fine=CLASSES, coarse=CLASSES))
    data = Dataset.open(path)
    assert data.labels is None
    assert "the columns fine, coarse all hold classes" in data.remarks[0]


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 1, None], "has no label"), ([0, 1, -1], "is -1: classes are whole numbers")],
)
def test_labels_that_are_no_classes_stop_what_asks_for_them(
    tmp_path: Path, labels: list[int | None], message: str
) -> None:
    path = write(tmp_path / "a.parquet", {"image": images(3), "label": pa.array(labels)})
    data = Dataset.open(path)
    with pytest.raises(WspaceError, match=message):
        _ = data.labels


def test_files_of_other_columns_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", {"image": images()})
    write(tmp_path / "b.parquet", {"img": images()})
    with pytest.raises(WspaceError, match="different columns or classes"):
        Dataset.open(tmp_path)


@pytest.mark.parametrize("told", ["{", "[]", "null", '{"info": {"features": []}}', "[" * 100_000])
def test_a_strange_description_says_nothing(tmp_path: Path, told: str) -> None:
    columns = {"image": images(), "label": pa.array(LABELS)}
    path = write(tmp_path / "a.parquet", columns, {"huggingface": told})
    assert Dataset.open(path).num_classes == 3


def test_damaged_files_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = write(tmp_path / "a.parquet", {"image": images()}).read_bytes()
    path = tmp_path / "b.parquet"
    for damaged in (b"", b"PAR1", content[:-9], content[:200], b"x" * 500):
        path.write_bytes(damaged)
        with pytest.raises(WspaceError, match="is no readable Parquet file") as raised:
            PictureSource(path)
        assert "\n" not in str(raised.value)
    path.write_bytes(content[:4] + bytes(len(content) - 600) + content[len(content) - 596 :])
    with pytest.raises(SystemExit) as exit_:
        main(["data", "inspect", str(path), "--sheet", str(tmp_path / "sheet.png")])
    assert exit_.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "sheet.png").exists()


def test_a_path_that_is_no_text_is_damage(tmp_path: Path) -> None:
    paths = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff"))
    cells = pa.StructArray.from_arrays([pa.array([png()]), paths], ["bytes", "path"])
    path = write(tmp_path / "a.parquet", {"image": cells})
    with pytest.raises(WspaceError, match="its Parquet is damaged"):
        PictureSource(path)


def test_bytes_changed_anywhere_are_refused_or_read(tmp_path: Path) -> None:
    columns = {"image": images(), "label": pa.array(LABELS)}
    path = write(tmp_path / "a.parquet", columns, described(image=IMAGE, label=CLASSES))
    content = path.read_bytes()
    draws = random.Random(0)
    messages = []
    for _ in range(150):
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
    assert len(messages) > 50
    assert not any("\n" in message for message in messages)
