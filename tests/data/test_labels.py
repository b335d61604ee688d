"""Labels: which picture has which class, and what the classes are called."""

from __future__ import annotations

from typing import Any

import pytest

from wspace.data.labels import read_class_names


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
    assert read_class_names({"classes": classes}, numbers) == names
