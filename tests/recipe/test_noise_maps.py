"""Noise maps that a recipe holds: as text and back, and what is refused."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from wspace.errors import WspaceError
from wspace.recipe.noise_maps import map_from_text, map_to_text
from wspace.recipe.recipe import NoiseSettings, Recipe, Source

MAP = map_to_text(np.array([[1.0, -2.5], [0.25, 3.0]]))


def test_a_map_comes_back_rounded_to_float16() -> None:
    drawn = np.random.RandomState(0).randn(5, 3).astype(np.float32)
    again = map_from_text(map_to_text(drawn))
    assert again.dtype == np.float32
    assert (again == drawn.astype(np.float16).astype(np.float32).ravel()).all()


def test_a_recipe_says_its_maps_and_only_then_its_version_is_newer() -> None:
    plain = Recipe(sources=(Source(seed=1),))
    recipe = plain.replace(noise=NoiseSettings(mode=("given", "const"), maps=(MAP, None)))
    data = recipe.to_dict()
    assert data["version"] == 3
    assert data["noise"]["maps"] == [MAP, None]
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert plain.to_dict()["version"] == 1
    assert "maps" not in plain.to_dict()["noise"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"mode": "given"}, "give both or none"),
        ({"maps": (MAP,)}, "give both or none"),
        ({"mode": "given", "maps": ()}, "0 values"),
        ({"mode": "given", "maps": (None,) * 300}, "300 values"),
        ({"mode": "given", "maps": (3,)}, "maps"),
        ({"mode": "given", "maps": ("no base64!",)}, "no base64"),
        ({"mode": "given", "maps": ("",)}, "no base64"),
        ({"mode": "given", "maps": ("é" * 4,)}, "no base64"),
        ({"mode": "given", "maps": (base64.b64encode(b"abc").decode(),)}, "no base64"),
        (
            {"mode": "given", "maps": (base64.b64encode(b"\x00\x7e").decode(),)},
            "outside -100 to 100",
        ),
        (
            {"mode": "given", "maps": (base64.b64encode(b"\x00\x7c").decode(),)},
            "outside -100 to 100",
        ),
    ],
)
def test_what_is_no_map_is_refused_in_one_line(values: dict[str, Any], says: str) -> None:
    with pytest.raises(WspaceError, match=says) as error:
        NoiseSettings(**values)
    assert "\n" not in str(error.value)


def test_maps_that_text_cannot_hold_are_refused() -> None:
    for value in (101.0, np.nan, np.inf):
        with pytest.raises(WspaceError, match="outside"):
            map_to_text(np.full((2, 2), value))
