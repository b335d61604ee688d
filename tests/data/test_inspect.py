"""Inspecting: counts are right, problems are named, the sheet shows the pictures."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from wspace.data.inspect import default_sheet_path, inspect_dataset
from wspace.errors import WspaceError


def picture(size: tuple[int, int], color: str, kind: str = "png", mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, color).save(buffer, kind)
    return buffer.getvalue()


def test_a_ready_dataset_is_described(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    names = [f"{i}.png" for i in range(6)]
    colors = ["red", "red", "green", "blue", "white", "black"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, color in zip(names, colors, strict=True):
            archive.writestr(name, picture((8, 8), color))
        labels = [[name, i % 2 * 3] for i, name in enumerate(names)]
        extra = {"licence": "CC0\n1.0", "attribution": 7, "style": "plain"}
        archive.writestr("dataset.json", json.dumps({"labels": labels, **extra}))
    report = inspect_dataset(path, workers=1)
    assert (report.kind, report.num_images, report.trainable) == ("zip", 6, True)
    assert report.problem is None
    assert report.sizes == {"8 x 8": 6}
    assert (report.channels, report.formats) == ({"RGB": 6}, {"PNG": 6})
    assert report.classes is not None
    assert (report.classes.names, report.classes.counts) == (("0", "3"), (3, 3))
    assert (report.licence, report.attribution, report.style) == ("CC0 1.0", None, "plain")
    assert report.duplicates == (("0.png", "1.png"),)
    assert report.unreadable == ()
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["num_images"] == 6
    assert plain["classes"] == [
        {"number": 0, "name": "0", "pictures": 3},
        {"number": 1, "name": "3", "pictures": 3},
    ]


def test_a_mixed_folder_is_described_with_its_problems(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "1.png").write_bytes(picture((100, 70), "red"))
    (data / "2.png").write_bytes(picture((8, 8), "white", mode="L"))
    (data / "3.jpg").write_bytes(picture((100, 70), "red", "jpeg"))
    (data / "4.jpg").write_bytes(picture((100, 70), "red", "jpeg"))
    (data / "5.png").write_text("no picture")
    report = inspect_dataset(data, workers=1)
    assert report.sizes == {"100 x 70": 3, "8 x 8": 1}
    assert report.channels == {"RGB": 3, "L": 1}
    assert report.formats == {"PNG": 2, "JPEG": 2}
    assert report.classes is None
    assert report.to_dict()["classes"] == []
    assert report.duplicates == (("3.jpg", "4.jpg"),)
    assert report.unreadable == (("5.png", "not a picture in a known format"),)
    assert not report.trainable
    assert report.made_ready
    assert "wspace data build" in str(report.problem)


def test_a_description_that_is_not_used_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("1.png", "a/2.png"):
        (tmp_path / name).write_bytes(picture((8, 8), "red"))
    (tmp_path / "a/dataset.json").write_text('{"labels": [["2.png", 0]]}')
    report = inspect_dataset(tmp_path, workers=1)
    assert report.trainable
    assert report.classes is None
    (remark,) = report.remarks
    assert remark.startswith(f"{tmp_path}: a/dataset.json is not used: some pictures lie outside")


def test_folders_are_classes_where_training_takes_them_for_such(tmp_path: Path) -> None:
    for kind, count in (("dog", 2), ("cat", 3)):
        (tmp_path / kind).mkdir()
        for number in range(count):
            (tmp_path / f"{kind}/{number}.png").write_bytes(picture((8, 8), "red"))
    report = inspect_dataset(tmp_path, workers=1)
    assert report.by_folder
    assert report.classes is not None
    assert (report.classes.names, report.classes.counts) == (("cat", "dog"), (3, 2))
    (tmp_path / "beside.png").write_bytes(picture((8, 8), "red"))
    report = inspect_dataset(tmp_path, workers=1)
    assert not report.by_folder
    assert report.classes is None
    (tmp_path / "beside.png").unlink()
    for told in ('{"labels": null}', "{"):  # where a file speaks, folders do not
        (tmp_path / "dataset.json").write_text(told)
        report = inspect_dataset(tmp_path, workers=1)
        assert not report.by_folder
        assert report.classes is None


def test_bad_labels_are_a_finding(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(picture((8, 8), "red"))
    (tmp_path / "dataset.json").write_text('{"labels": [], "licence": "MIT"}')
    report = inspect_dataset(tmp_path, workers=1)
    assert report.licence == "MIT"
    assert "has no label" in str(report.problem)
    assert not report.made_ready
    (tmp_path / "dataset.json").write_text("{")
    assert "is not JSON" in str(inspect_dataset(tmp_path, workers=1).problem)


def test_a_picture_cut_in_half_is_a_finding(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((16, 16), 80).save(buffer, "png")
    (tmp_path / "1.png").write_bytes(buffer.getvalue()[:150])
    (tmp_path / "2.png").write_bytes(buffer.getvalue())
    report = inspect_dataset(tmp_path, workers=1)
    assert [name for name, _ in report.unreadable] == ["1.png"]
    assert "1 of the pictures cannot be decoded" in str(report.problem)
    assert not report.made_ready


def test_the_sheet_shows_the_pictures(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number, color in enumerate(("red", "green", "blue")):
        (data / f"{number}.png").write_bytes(picture((64, 64), color))
    sheet = tmp_path / "new/sheet.png"
    inspect_dataset(data, sheet, workers=1)
    with Image.open(sheet) as shown:
        assert shown.size == (2 + 3 * 66, 2 + 66)
        colors = [shown.getpixel((2 + 66 * column + 32, 34)) for column in range(3)]
    assert colors == [(255, 0, 0), (0, 128, 0), (0, 0, 255)]


def test_the_sheet_lies_in_the_working_folder_and_never_in_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data/cats").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for data in ("data", "data/cats", "data.zip"):
        name = f"{Path(data).stem}-sheet.png"
        assert default_sheet_path(tmp_path / data) == tmp_path.resolve() / "work" / name
    monkeypatch.chdir(tmp_path / "data/cats")
    assert default_sheet_path(tmp_path / "data") == tmp_path.resolve() / "data-sheet.png"
    (tmp_path / "data/cats/1.png").write_bytes(picture((8, 8), "red"))
    with pytest.raises(WspaceError, match="would lie in the data"):
        inspect_dataset(tmp_path / "data", "sheet.png", workers=1)


def test_a_sheet_is_no_data_for_the_next_look(tmp_path: Path) -> None:
    data = tmp_path / "data/cats"
    data.mkdir(parents=True)
    (data / "1.png").write_bytes(picture((8, 8), "red"))
    inspect_dataset(data, tmp_path / "data/cats-sheet.png", workers=1)
    report = inspect_dataset(tmp_path / "data", workers=1)
    assert report.num_images == 1
    assert report.left_out == {"pictures made by wspace": 1}


def test_nothing_to_show_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.png").write_text("no picture")
    with pytest.raises(WspaceError, match="none of the 1 pictures can be read"):
        inspect_dataset(tmp_path / "data", tmp_path / "sheet.png", workers=1)
    assert not (tmp_path / "sheet.png").exists()
