"""What the data says of its pictures in words: which of it counts, and which data is refused."""

from __future__ import annotations

from typing import Any

import pytest

from wspace.data.attributes import MAX_ATTRIBUTES, MAX_VALUES, Attributes, read_attributes
from wspace.data.metadata import Metadata
from wspace.errors import WspaceError

NAMES = ("a.png", "b.png", "c.png")


def read(attributes: Any, names: tuple[str, ...] = NAMES) -> Attributes | None:
    return read_attributes(described({"attributes": attributes}), names)


def described(content: dict[str, Any], folder: str = "") -> Metadata:
    return Metadata("faces.zip: dataset.json", folder, content)


def test_values_are_counted_through_all_attributes() -> None:
    found = read(
        {
            "c.png": {"hair": "long", "glasses": True},
            "a.png": {"hair": "short", "glasses": False, "size": 64},
            "b.png": {"hair": "long", "glasses": False, "size": 64},
            "not in the data.png": {"hair": "blue"},
        }
    )
    assert found is not None
    assert found.values == {
        "glasses": ("false", "true"),
        "hair": ('"long"', '"short"'),
        "size": ("64", "null"),  # a picture without it
    }
    assert found.codes.tolist() == [[0, 3, 4], [0, 2, 4], [1, 2, 5]]
    assert found.num_values == 6
    assert found.left_out == {}


def test_attributes_that_tell_nothing_apart_are_left_out() -> None:
    names = tuple(f"{i:04}.png" for i in range(MAX_VALUES + 1))
    found = read({n: {"same": 1, "name": n, "odd": i % 2} for i, n in enumerate(names)}, names)
    assert found is not None
    assert list(found.values) == ["odd"]
    assert found.left_out == {"name": MAX_VALUES + 1}
    assert read({name: {"same": 1} for name in NAMES}) is None
    assert read_attributes(described({}), NAMES) is None


def test_too_many_attributes_are_refused() -> None:
    most = {name: {f"{k}": i for k in range(MAX_ATTRIBUTES)} for i, name in enumerate(NAMES)}
    found = read(most)
    assert found is not None
    assert len(found.values) == MAX_ATTRIBUTES
    most["a.png"]["one more"] = 1
    with pytest.raises(WspaceError, match=f"has {MAX_ATTRIBUTES + 1} different attributes"):
        read(most)


def test_other_attributes_have_another_fingerprint() -> None:
    own = [{name: {"hair": hair} for name, hair in zip(NAMES, "xyz", strict=True)} for _ in "12"]
    own[1]["a.png"] = {"hair": "z"}
    one, other = read(own[0]), read(own[1])
    assert one is not None
    assert other is not None
    assert one.fingerprint != other.fingerprint
    again = read(own[0])
    assert again is not None
    assert one.fingerprint == again.fingerprint


def test_pictures_are_named_from_the_folder_of_their_description() -> None:
    given = {".\\e\u0301.png": {"hair": "long"}, "b/c.png": {"hair": "short"}}
    found = read_attributes(
        described({"attributes": given}, "faces"), ("faces/\u00e9.png", "faces/b/c.png")
    )
    assert found is not None
    assert found.codes.tolist() == [[0], [1]]


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ([], "must be an object"),
        ({"a.png": "long"}, "must be an object"),
        ({"a.png": {"hair": 1}, "b.png": {"hair": 2}}, r"c\.png has no attributes \(1 of 3"),
        ({"a.png": {"hair": 1}, "./a.png": {"hair": 2}}, r"a\.png has two sets of attributes"),
    ],
)
def test_malformed_attributes_are_refused(attributes: Any, says: str) -> None:
    with pytest.raises(WspaceError, match=says):
        read(attributes)
