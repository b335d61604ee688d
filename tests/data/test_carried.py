"""What is known of pictures goes with them into the dataset that is built of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wspace.data.carried import Carried, carry
from wspace.data.metadata import Metadata

NAMES = ("x/a.png", "x/b.png", "x/c.png")
WRITTEN = {"x/a.png": "0.png", "x/c.png": "1.png"}  # b could not be read


def carried(content: dict[str, Any], **more: Any) -> Carried:
    return carry(Metadata("data.zip: x/dataset.json", "x", content), NAMES, **more)


def test_attributes_and_seeds_go_with_their_pictures() -> None:
    attributes = {f"{name}.png": {"hair": name} for name in "abc"}
    content = {
        "labels": None,
        "licence": "CC0",
        "attributes": attributes,
        "seeds": {"a.png": 7, "b.png": 8, "c.png": 9},
        "options": {"flip": True},
        "other": 5,
    }
    found = carried(content)
    metadata, classes = found.into(WRITTEN)
    assert metadata == {
        "labels": None,
        "licence": "CC0",
        "attributes": {"0.png": {"hair": "a"}, "1.png": {"hair": "c"}},
        "seeds": {"0.png": 7, "1.png": 9},
        "options": {"flip": True},
    }
    assert classes is None
    assert found.remarks == ()


def test_classes_that_lose_all_their_pictures_leave_no_gap() -> None:
    labels = [["a.png", 0], ["b.png", 1], ["c.png", 2]]
    metadata, classes = carried({"labels": labels}).into(WRITTEN)
    assert metadata == {"labels": [["0.png", 0], ["1.png", 1]], "classes": ["0", "2"]}
    assert classes is not None
    assert classes.names == ("0", "2")
    named = {"labels": labels, "classes": ["boot", "coat", "bag"], "label_by": "kind"}
    metadata, _ = carried(named).into(WRITTEN)
    assert metadata["classes"] == ["boot", "bag"]
    assert metadata["label_by"] == "kind"


def test_folders_win_over_labels() -> None:
    metadata, _ = carried({"labels": 5}, folders_of=Path("data")).into(WRITTEN)
    assert metadata["classes"] == ["x"]
    assert metadata["label_by"] == "folder"


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        ([["a.png", [0, 1]], ["c.png", [1, 0]]], [["0.png", [0, 1]], ["1.png", [1, 0]]]),
        ([["a.png", 3]], [["0.png", 3]]),
    ],
)
def test_labels_that_are_no_classes_are_kept_as_they_are(labels: Any, kept: Any) -> None:
    found = carried({"labels": labels, "classes": ["boot"]})
    metadata, classes = found.into(WRITTEN)
    assert metadata["labels"] == kept
    assert metadata["classes"] == ["boot"]
    assert classes is None
    (remark,) = found.remarks
    assert remark.startswith("the labels are kept as they are, but are no classes: data.zip: x/")


@pytest.mark.parametrize("labels", [5, [["a.png", 0], ["a.png", 1]], ["a.png"]])
def test_labels_that_contradict_themselves_are_left_out_with_a_line(labels: Any) -> None:
    found = carried({"labels": labels})
    assert found.into(WRITTEN)[0]["labels"] is None
    (remark,) = found.remarks
    assert remark.startswith("the labels are left out: data.zip: x/dataset.json: ")


def test_malformed_attributes_are_left_out_with_a_line() -> None:
    found = carried({"attributes": [1]})
    assert found.into(WRITTEN)[0] == {"labels": None}
    (remark,) = found.remarks
    assert remark.startswith("the attributes are left out: data.zip: x/dataset.json: attributes")
