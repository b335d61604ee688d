"""Labels: which picture has which class, and what the classes are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wspace.data.labels import (
    LISTED,
    Classes,
    folder_classes,
    read_class_names,
    read_classes,
    read_labels,
)
from wspace.data.metadata import Metadata
from wspace.errors import WspaceError


def described(**content: Any) -> Metadata:
    return Metadata("faces.zip: dataset.json", "", content)


def classes_of(labels: Any, **content: Any) -> Classes:
    names = sorted({name for name, _ in labels})
    classes = read_classes(described(labels=labels, **content), names)
    assert classes is not None
    return classes


@pytest.mark.parametrize(
    ("classes", "numbers", "names"),
    [
        (["boot", "coat"], [0, 1], ("boot", "coat")),
        (["boot", "coat", "bag"], [0, 2], ("boot", "bag")),
        (["boot"], [0, 1], ("boot", "1")),
        (["crane", "fly", "crane"], [0, 1, 2], ("crane (0)", "fly", "crane (2)")),
        (["a", "a (0)", "a"], [0, 1, 2], ("0", "1", "2")),
        (["a\nb  c\x1b", 7], [0, 1], ("a b c?", "1")),
        (["x" * 500], [0], ("x" * 77 + "...",)),
        ([None, ""], [0, 1], None),
        ([], [0], None),
        ({"boot": 0}, [0], None),
        (None, [0], None),
        (["boot"], [], None),
    ],
)
def test_classes_are_named_by_the_list_of_classes(
    classes: Any, numbers: list[int], names: tuple[str, ...] | None
) -> None:
    assert read_class_names(described(classes=classes), numbers) == names


def test_a_picture_may_be_labelled_twice_but_not_differently() -> None:
    assert read_labels(described(labels=[["a.png", 1], ["./a.png", 1]])) == {"a.png": 1}
    with pytest.raises(WspaceError, match=r"dataset\.json: a\.png has two labels, 1 and \[2\]"):
        read_labels(described(labels=[["a.png", 1], ["b.png", 1], [".\\a.png", [2]]]))


def test_labels_of_pictures_that_are_not_there_do_not_matter() -> None:
    labels = [["a.png", 0], ["gone.png", [0.5, 0.5]], ["b.png", 1]]
    classes = read_classes(described(labels=labels), ["a.png", "b.png"])
    assert classes is not None
    assert classes.labels.tolist() == [0, 1]


def test_classes_are_numbered_without_gaps_and_keep_their_names() -> None:
    one = classes_of([["a", 7], ["b", 2], ["c", 7]])
    assert one.labels.tolist() == [1, 0, 1]
    assert (one.numbers, one.names, one.counts) == ((2, 7), ("2", "7"), (1, 2))
    named = classes_of([["a", 2], ["b", 0]], classes=["boot", "coat", "bag"])
    assert (named.numbers, named.names, named.counts) == ((0, 2), ("boot", "bag"), (1, 1))
    whole = classes_of([["a", 1], ["b", 0]])
    assert (whole.numbers, whole.names) == ((0, 1), None)


def test_classes_of_some_of_the_pictures_are_numbered_anew() -> None:
    all_three = classes_of([["a", 0], ["b", 1], ["c", 2], ["d", 2]])
    some = all_three.of([1, 3])
    assert (some.labels.tolist(), some.numbers, some.names) == ([0, 1], (1, 2), ("1", "2"))
    assert all_three.of(range(4)).names is None
    assert all_three.of([0, 1]).names is None


def test_labels_are_numbered_as_a_model_knows_them() -> None:
    named = classes_of([["a", 2], ["b", 0]], classes=["boot", "coat", "bag"])
    assert named.as_known(3, ("bag", "boot", "coat")).tolist() == [0, 1]
    assert named.as_known(3, ("BAG", "Boot", "coat")).tolist() == [0, 1]
    assert named.as_known(3, None).tolist() == [2, 0]
    assert classes_of([["a", 1], ["b", 0]]).as_known(3, ("x", "y", "z")).tolist() == [1, 0]
    assert classes_of([["a", 2], ["b", 1]]).as_known(2, ("1", "2")).tolist() == [1, 0]
    with pytest.raises(WspaceError, match=r"class bag, which is none of the model's 2 \(1 of 2"):
        named.as_known(2, ("boot", "coat"))
    with pytest.raises(WspaceError, match="class 2, which is none of the model's 2"):
        named.as_known(2, None)


@pytest.mark.parametrize(
    ("names", "titles", "labels"),
    [
        (["b/1", "a/2"], ("a", "b"), [1, 0]),
        ([f"{k}/1" for k in (0, 1, 10, 2)], ("0", "1", "2", "10"), [0, 1, 3, 2]),
        (["data/b/1", "data/a/2"], ("a", "b"), [1, 0]),
        (["x/y/b/1", "x/y/a/deep/2"], ("a", "b"), [1, 0]),
        (["a/deep/1", "b/2"], ("a", "b"), [0, 1]),
        (["only/1", "only/2"], ("only",), [0, 0]),
    ],
)
def test_folders_are_classes(names: list[str], titles: tuple[str, ...], labels: list[int]) -> None:
    classes = folder_classes(Path("faces"), names)
    assert classes.names == titles
    assert classes.labels.tolist() == labels


@pytest.mark.parametrize(
    ("names", "lost"),
    [
        (["a/1", "b/2", "3"], "3"),
        (["data/a/1", "data/b/2", "data/3"], "data/3"),
        (["1"], "1"),
    ],
)
def test_a_picture_outside_the_folders_of_classes_is_named(names: list[str], lost: str) -> None:
    with pytest.raises(WspaceError, match=f"^faces: {lost} lies in no sub-folder"):
        folder_classes(Path("faces"), names)


def test_the_table_shows_number_name_and_pictures() -> None:
    labels = [[f"{k}", int(k < 1200)] for k in range(1203)]
    assert classes_of(labels, classes=["boot", "ankle boot"]).table() == [
        "class  name        pictures",
        "    0  boot               3",
        "    1  ankle boot     1,200",
    ]
    assert classes_of(labels).table() == ["class  pictures", "    0         3", "    1     1,200"]
    many = classes_of([[f"{k:04}", k] for k in range(LISTED + 7)]).table()
    assert len(many) == LISTED + 2
    assert many[-1] == "... and 7 more"
