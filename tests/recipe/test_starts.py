"""What pictures start from, as people write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from wspace.errors import WspaceError
from wspace.recipe.starts import parse_assignment, parse_starts
from wspace.recipe.syntax import Layers


def test_files_stand_among_seeds() -> None:
    read = parse_starts("0-1, in/my face.PNG,7:boot,b.json")
    assert read == (0, 1, Path("in/my face.PNG"), (7, "boot"), Path("b.json"))


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(WspaceError, match="is no seed"):
        parse_starts("1,face.jpg")


def test_layers_are_taken_from_files() -> None:
    assert parse_assignment("a.png@0-1,7@2", Layers(3), what="it") == (Path("a.png"),) * 2 + (7,)
