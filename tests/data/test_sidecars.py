"""Files beside pictures: classes by number, by name, attributes; what contradicts itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_tars import png, tar_of

from wspace.data.dataset import Dataset
from wspace.data.sidecars import MAX_SIDECAR_BYTES, key_of
from wspace.data.source import PictureSource
from wspace.errors import WspaceError


def opened(tmp_path: Path, **beside: object) -> Dataset:
    """A tar of pictures a and b; ``a_json={"label": 0}`` writes a.json beside a.png."""
    files: dict[str, bytes | str] = {"a.png": png(), "b.png": png("blue")}
    for name, content in beside.items():
        text = content if isinstance(content, str) else json.dumps(content)
        files["dataset.json" if name == "dataset" else name.replace("_", ".")] = text
    return Dataset.open(tar_of(tmp_path / "a.tar", files))


def test_a_key_ends_at_the_first_dot_of_the_last_part() -> None:
    assert key_of("v1.0/0001.Seg.PNG") == ("v1.0/0001", "seg.png")


def labels_of(data: Dataset) -> list[int]:
    assert data.labels is not None
    return data.labels.tolist()


def test_classes_by_number_and_name(tmp_path: Path) -> None:
    data = opened(tmp_path, a_json={"label": 3, "class": "boot"}, b_json={"label": 1})
    assert (labels_of(data), data.class_names) == ([1, 0], ("1", "boot"))
    data = opened(tmp_path, a_json={"class": 3}, b_json={"class": 1})
    assert (labels_of(data), data.class_names) == ([1, 0], ("1", "3"))


def test_classes_by_name_alone_are_numbered_as_people_count(tmp_path: Path) -> None:
    data = opened(tmp_path, a_json={"class": "room 10"}, b_json={"label": "room 9"})
    assert (labels_of(data), data.class_names) == ([1, 0], ("room 9", "room 10"))


def test_a_name_in_json_names_the_number_in_cls(tmp_path: Path) -> None:
    data = opened(tmp_path, a_cls="0", a_json={"class": "hat"}, b_cls="1", b_json={"class": "bag"})
    assert (labels_of(data), data.class_names) == ([0, 1], ("hat", "bag"))


def test_attributes_are_read_and_other_words_are_not(tmp_path: Path) -> None:
    url = {"url": "https://example.org", "caption": "x"}
    data = opened(tmp_path, a_json={"attributes": {"hue": "red"}, **url}, b_json=url)
    assert data.labels is None
    with pytest.raises(WspaceError, match=r"b\.png has no attributes"):
        _ = data.attributes
    data = opened(tmp_path, a_json={"attributes": {"hue": 1}}, b_json={"attributes": {"hue": 2}})
    assert data.attributes is not None
    assert data.attributes.values == {"hue": ("1", "2")}


def test_what_dataset_json_says_comes_first(tmp_path: Path) -> None:
    told = {"labels": [["a.png", 5], ["b.png", 4]], "licence": "CC0"}
    data = opened(tmp_path, a_cls="0", b_cls="1", dataset=told)
    assert (labels_of(data), data.licence) == ([1, 0], "CC0")
    data = opened(tmp_path, a_cls="0", b_cls="1", dataset={"labels": None, "classes": ["x", "y"]})
    assert data.class_names == ("x", "y")


def test_names_begin_where_a_dataset_json_lies(tmp_path: Path) -> None:
    files = {"d/a.png": png(), "d/a.cls": "4", "d/dataset.json": '{"licence": "CC0"}'}
    data = Dataset.open(tar_of(tmp_path / "a.tar", files))
    assert (labels_of(data), data.class_names, data.licence) == ([0], ("4",), "CC0")


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ({"a_cls": "0"}, "b.png has no label"),
        ({"a_cls": "cat", "b_cls": "1"}, "label of a.png is cat: classes are whole numbers"),
        ({"a_cls": "9" * 30, "b_cls": "1"}, "label of a.png is 999"),
        ({"a_cls": "0", "a_json": {"label": 1}, "b_cls": "1"}, "a.png has two labels, 0 and 1"),
        ({"a_json": {"label": [1, 0]}, "b_cls": "1"}, "label of a.png is"),
        ({"a_json": {"label": 10**9, "class": "x"}, "b_cls": "1"}, "label of a.png is 1000000000"),
        ({"a_json": {"label": True}, "b_cls": "1"}, "label of a.png is True"),
    ],
)
def test_labels_that_are_no_classes_stop_what_asks_for_them(
    tmp_path: Path, beside: dict[str, object], message: str
) -> None:
    data = opened(tmp_path, **beside)
    with pytest.raises(WspaceError, match=message):
        _ = data.labels


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ({"a_json": "{"}, r"a\.json is not JSON"),
        ({"a_json": "[1]"}, r"a\.json holds a list.*\{\"label\": 0\}"),
        ({"a_json": "[" * 100_000}, r"more than 65,536 bytes|is not JSON"),
        ({"a_json": '{"attributes":' + "[" * 150 + "]" * 150 + "}"}, "nested more than 100"),
        (
            {"a_json": {"label": 0, "class": "x"}, "b_json": {"label": 0, "class": "y"}},
            "class 0 is called 'y' at b.png, and 'x' elsewhere",
        ),
        ({"a_cls": "0", "b_json": {"class": "y"}}, "b.png has the class 'y' without a number"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, beside: dict[str, object], message: str
) -> None:
    if beside == {"a_json": "[" * 100_000}:  # too large: left out, and said
        assert opened(tmp_path, **beside).remarks
        return
    with pytest.raises(WspaceError, match=message):
        opened(tmp_path, **beside)


def test_files_that_are_too_large_are_left_out_with_a_remark(tmp_path: Path) -> None:
    data = opened(tmp_path, a_json={"masks": "x" * MAX_SIDECAR_BYTES}, b_cls="1")
    assert "1 .cls and .json files of more than 65,536 bytes are not read" in data.remarks[0]


def test_files_without_a_picture_are_counted(tmp_path: Path) -> None:
    files = {"a.png": png(), "b.cls": "1", "index.json": "[]"}
    assert PictureSource(tar_of(tmp_path / "a.tar", files)).left_out == {".cls": 1, ".json": 1}
