from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from drawn_recipes import models, recipes
from hypothesis import given

import wspace
from wspace.errors import WspaceError
from wspace.recipe.recipe import (
    ModelIdentity,
    NoiseSettings,
    Recipe,
    Source,
    parse_json,
    sample_recipes,
)


@given(recipe=recipes(models))
def test_recipe_to_json_to_recipe_is_the_identity(recipe: Recipe) -> None:
    again = Recipe.from_json(recipe.to_json())
    assert again == recipe
    assert again.to_json() == recipe.to_json()


def test_a_recipe_cannot_be_changed() -> None:
    recipe = Recipe(sources=(Source(seed=1),))
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.psi = 0.5  # type: ignore[misc]


def test_recipes_makes_one_recipe_a_seed() -> None:
    made = wspace.recipes(seeds=(1, 2, 3), psi=0.7, noise="none")
    assert [recipe.sources for recipe in made] == [(Source(seed=s),) for s in (1, 2, 3)]
    assert {recipe.psi for recipe in made} == {0.7}
    assert {recipe.noise for recipe in made} == {NoiseSettings(mode="none")}


def test_samples_show_the_classes_in_turn() -> None:
    made = sample_recipes(range(3, 7), num_classes=3, psi=0.7)
    assert [(r.sources[0].seed, r.sources[0].class_index) for r in made] == [
        *((3, 0), (4, 1), (5, 2), (6, 0)),
    ]
    assert sample_recipes([1, 2], num_classes=0) == wspace.recipes(seeds=[1, 2])


def test_numbers_of_numpy_become_plain_ones() -> None:
    (recipe,) = wspace.recipes(seeds=np.arange(1), psi=np.float32(0.5))
    assert type(recipe.sources[0].seed) is int
    assert type(recipe.psi) is float


@pytest.mark.parametrize(
    "changes",
    [
        {"psi": 1.6},
        {"psi": -1.01},
        {"psi": float("nan")},
        {"psi": "0.7"},
        {"psi": True},
        {"psi": ()},
        {"psi": 10**400},
        {"cutoff": -1},
        {"cutoff": 1.0},
        {"precision": "auto"},
        {"precision": ["fp32"]},
        {"sources": ()},
        {"sources": [Source(seed=1)]},
        {"sources": ({"seed": 1},)},
        {"sources": (Source(seed=1), Source(seed=2))},
        {"layer_sources": (0, 1)},
        {"layer_sources": (0, -1)},
        {"layer_sources": 0},
        {"noise": "const"},
        {"model": "avatars"},
    ],
)
def test_a_value_outside_its_range_or_type_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(WspaceError):
        Recipe(sources=(Source(seed=1),)).replace(**changes)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"seed": 1, "w": (0.0,)},
        {"seed": -1},
        {"seed": 2**32},
        {"seed": 1.0},
        {"seed": "1"},
        {"w": ()},
        {"w": [0.0]},
        {"w": (float("inf"),)},
        {"w": ("0",)},
        {"w": (0.0,), "class_index": 1},
        {"seed": 1, "class_index": -1},
    ],
)
def test_a_source_is_a_seed_or_a_w(values: dict[str, Any]) -> None:
    with pytest.raises(WspaceError, match="recipe: "):
        Source(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"mode": "random"},
        {"mode": ["none"]},
        {"mode": None},
        {"seed": -1},
        {"seed": (1, 2.5)},
        {"strength": -0.1},
        {"strength": float("inf")},
        {"strength": 101},
    ],
)
def test_noise_settings_outside_their_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(WspaceError, match="recipe: noise"):
        NoiseSettings(**values)


@pytest.mark.parametrize(
    ("name", "sha256"),
    [("a/b", "0" * 64), ("..", "0" * 64), ("a\0", "0" * 64), ("a", "0" * 63), ("a", "G" * 64)],
)
def test_a_model_is_a_plain_name_and_a_sha256(name: str, sha256: str) -> None:
    with pytest.raises(WspaceError, match="model"):
        ModelIdentity(name=name, sha256=sha256)


GOOD = {"version": 1, "sources": [{"seed": 1}]}


def test_what_a_written_recipe_leaves_out_has_its_default() -> None:
    assert Recipe.from_dict(GOOD) == Recipe(sources=(Source(seed=1),))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ([], "not a JSON object"),
        ({}, "no version"),
        (GOOD | {"version": 4}, "newer than this wspace"),
        (GOOD | {"version": True}, "no version"),
        (GOOD | {"version": "1"}, "no version"),
        (GOOD | {"version": 0}, "no version"),
        (GOOD | {"direction": 1}, "knows no 'direction'"),
        (GOOD | {"sources": {"seed": 1}}, "sources"),
        (GOOD | {"sources": [1]}, "not a JSON object"),
        (GOOD | {"sources": [{"seed": 1, "z": []}]}, "knows no 'z'"),
        (GOOD | {"sources": [{"seed": 1, "class_index": 1}]}, 'write "class"'),
        (GOOD | {"sources": [{"w": [[1.0]]}]}, "no number"),
        (GOOD | {"sources": [{"seed": 10**60}]}, "huge number"),
        (GOOD | {"noise": "none"}, "not a JSON object"),
        (GOOD | {"noise": {"mode": ["const", 3]}}, "noise mode"),
        (GOOD | {"model": {"name": "a"}}, "incomplete"),
        (GOOD | {"edits": [{"strength": 1.0}]}, "incomplete"),
        (GOOD | {"edits": [{"direction": [1.0], "channels": [[0, 0, 1.0]]}]}, "give one of them"),
        (GOOD | {"edits": [{"channels": []}]}, "edit channels has 0 values"),
        (GOOD | {"edits": [{"channels": [[0, 1]]}]}, "edit channels"),
        (GOOD | {"edits": [{"channels": [[0, -1, 1.0]]}]}, "edit channels"),
        (
            GOOD | {"edits": [{"channels": [[0, 1, 1.0], [0, 1, 2.0]]}]},
            "channel 1 of style 0 twice",
        ),
        (GOOD | {"edits": [{"direction": [1.0], "strength": 1e9}]}, "edit strength"),
        (GOOD | {"edits": [{"direction": [1.0], "layers": [-1]}]}, "edit layers"),
        (GOOD | {"edits": [{"direction": [1.0]}] * 65}, "0 to 64"),
        (GOOD | {"psi": {"a": 1}}, "no number"),
        (GOOD | {"psi": [[0.5]]}, "no number"),
        (GOOD | {"layer_sources": [0] * 300}, "300 values"),
        (GOOD | {"sources": [{"seed": 1}] * 300}, "1 to 256"),
    ],
)
def test_json_that_is_no_recipe_is_refused_in_one_line(data: Any, says: str) -> None:
    with pytest.raises(WspaceError) as error:
        Recipe.from_json(json.dumps(data))
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", '{"version": Infinity}', "[" * 100_000, "9" * 9999]
)
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(WspaceError, match="no valid JSON"):
        parse_json(text, "it")


def test_a_recipe_needs_no_torch() -> None:
    code = "import sys, wspace; wspace.recipes(seeds=[1]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
