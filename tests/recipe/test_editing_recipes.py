"""Edits as people write them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from wspace.errors import WspaceError
from wspace.recipe.describe import describe, recipe_lines
from wspace.recipe.editing import parse_edits
from wspace.recipe.recipe import Edit, Recipe, Source
from wspace.recipe.request import Request
from wspace.recipe.syntax import Layers

LAYERS = Layers(6, ((0, 1), (2, 3), (4, 5)))
GLASSES = Edit(direction=(1.0, 0.0), name="glasses")
HAIR = Edit(direction=(0.0, 2.0), name="hair length", layers=(0, 1))
BLUE = Edit(channels=((4, 1, -2.0), (5, 0, 0.5)), name="blue")
KNOWN = {"glasses": GLASSES, "hair length": HAIR}


def test_strengths_and_layers_are_read() -> None:
    read = parse_edits("glasses=1.5@0-2,5, hair length=-2", LAYERS, KNOWN)
    assert read == (
        GLASSES.replace(strength=1.5, layers=(0, 1, 2, 5)),
        HAIR.replace(strength=-2.0),  # where it names no layers, the direction's own hold
    )
    assert parse_edits("hair length=1@fine", Layers(10, LAYERS.block_layers), KNOWN)[0].layers == (
        8,
        9,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "NAME=STRENGTH"),
        ("glasses", "NAME=STRENGTH"),
        ("glasses=", "NAME=STRENGTH"),
        ("glasses=much", "NAME=STRENGTH"),
        ("glasses=nan", "NAME=STRENGTH"),
        ("glasses=inf", "NAME=STRENGTH"),
        ("glases=1", "did you mean glasses"),
        ("beard=1", "there are glasses, hair length"),
        ("glasses=1@7", "layer 7 does not exist"),
        ("glasses=1e9", "outside -100 to 100"),
    ],
)
def test_what_is_no_edit_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(WspaceError, match=says) as error:
        parse_edits(text, LAYERS, KNOWN)
    assert "\n" not in str(error.value)


def test_a_model_without_directions_says_how_to_get_some() -> None:
    with pytest.raises(WspaceError, match="wspace directions find"):
        parse_edits("glasses=1", LAYERS, {})


def test_a_request_edits_all_its_recipes() -> None:
    made = Request(edit="glasses=2").recipes([3, 4], LAYERS, KNOWN)
    assert [recipe.edits for recipe in made] == [(GLASSES.replace(strength=2.0),)] * 2
    assert Request().recipes([3], LAYERS)[0].edits == ()


def test_an_edit_is_told_in_words() -> None:
    recipe = Recipe(sources=(Source(seed=1),), edits=(GLASSES.replace(strength=1.5), HAIR))
    assert describe(recipe) == "psi 1; glasses 1.5, hair length 1 in layers 0,1"
    (line,) = [line for line in recipe_lines(recipe) if line.startswith("edit")]
    assert line == f"edit       glasses 1.5 (direction {GLASSES.fingerprint[:12]})"


def test_the_fingerprint_is_that_of_the_numbers_alone() -> None:
    assert GLASSES.fingerprint == Edit(direction=(1.0, 0.0), strength=3.0).fingerprint
    assert GLASSES.fingerprint != HAIR.fingerprint


def test_recipes_without_edits_say_nothing_of_them_and_earlier_ones_load() -> None:
    recipe = Recipe(sources=(Source(seed=1),))
    assert "edits" not in recipe.to_dict()
    assert Recipe.from_dict({"version": 1, "sources": [{"seed": 1}]}) == recipe


def test_only_a_recipe_with_channels_is_of_version_3_and_it_comes_back() -> None:
    recipe = Recipe(sources=(Source(seed=1),), edits=(GLASSES,))
    assert recipe.to_dict()["version"] == 2
    assert "channels" not in recipe.to_dict()["edits"][0]
    styled = recipe.replace(edits=(GLASSES, BLUE))
    assert styled.to_dict()["version"] == 3
    assert styled.to_dict()["edits"][1] == {
        "strength": 1.0,
        "channels": [[4, 1, -2.0], [5, 0, 0.5]],
        "name": "blue",
    }
    assert Recipe.from_json(styled.to_json()) == styled


def test_channels_of_any_numbers_are_written_alike() -> None:
    given = ((np.int64(4), np.int64(1), np.float32(-2)), (5, 0, 0.5))
    assert Edit(channels=given, name="blue") == BLUE
    assert json.dumps(Edit(channels=((4, 1, -2), (5, 0, 0.5))).channels) == json.dumps(
        BLUE.channels
    )


def test_an_edit_in_style_space_is_told_in_words() -> None:
    recipe = Recipe(sources=(Source(seed=1),), edits=(BLUE.replace(strength=2.0),))
    assert describe(recipe) == "psi 1; blue 2"
    (line,) = [line for line in recipe_lines(recipe) if line.startswith("edit")]
    assert line == f"edit       blue 2 (2 channels {BLUE.fingerprint[:12]})"
    assert BLUE.fingerprint != BLUE.replace(channels=BLUE.channels[:1]).fingerprint
