"""Names: one spelling for each, an order as people count, and which of them would lead out."""

from __future__ import annotations

import pytest

from wspace.data.names import leads_out, natural_order, normal_name


@pytest.mark.parametrize(
    ("name", "normal"),
    [
        ("a/b.png", "a/b.png"),
        ("./a//b.png", "a/b.png"),
        ("a\\b.png", "a/b.png"),
        (".\\a\\.\\b.png", "a/b.png"),
        ("e\u0301.png", "\u00e9.png"),
        ("\u00e9.png", "\u00e9.png"),
        ("\udce9.png", "\udce9.png"),  # bytes that are no text
        ("./", ""),
        ("..", ".."),
    ],
)
def test_a_name_has_one_spelling(name: str, normal: str) -> None:
    assert normal_name(name) == normal
    assert normal_name(normal) == normal


@pytest.mark.parametrize(
    "name", ["", "..", "a/../b", "..\\a", "/a", "\\a", "\\\\host\\a", "C:/a", "c:a", "a\0b"]
)
def test_names_that_lead_out(name: str) -> None:
    assert leads_out(name)


@pytest.mark.parametrize("name", ["a..b", "...", "10:30.png", "ab:c", "a/b:c", "a\\b", "./a"])
def test_names_that_stay(name: str) -> None:
    assert not leads_out(name)


def test_numbers_in_names_are_compared_as_numbers() -> None:
    names = [str(number) for number in range(12)]
    assert sorted(sorted(names), key=natural_order) == names
    mixed = ["b", "a10", "a9b", "a9", "", "A1", "007", "7", "10"]
    assert sorted(mixed, key=natural_order) == ["", "007", "7", "10", "A1", "a9", "a9b", "a10", "b"]
    long = ["9" * 6000, "1" + "0" * 6000]
    assert sorted(long, key=natural_order) == long
