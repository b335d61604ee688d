from __future__ import annotations

import subprocess
import sys

import pytest

from wspace.errors import WspaceError
from wspace.plain import from_plain, from_text, options_of, to_plain
from wspace.recipe.recipe import NoiseSettings, Recipe, Source
from wspace.recipe.request import Request, taken_layers
from wspace.recipe.starts import parse_assignment
from wspace.recipe.syntax import Layers, parse_numbers

LAYERS = Layers(6, ((0, 1), (2, 3), (4, 5)))  # 16 pixels


def test_an_empty_request_is_the_models_own_picture() -> None:
    assert Request().recipes([3, 4], LAYERS) == (
        Recipe(sources=(Source(seed=3),)),
        Recipe(sources=(Source(seed=4),)),
    )


def test_texts_per_layer_become_values_per_layer() -> None:
    request = Request(
        psi="0.5@coarse,1@4-",
        cutoff=5,
        class_index=2,
        noise="seeded,none@0-1",
        noise_seed="7",
        noise_strength="0.5@0-3",
        precision="bf16",
    )
    (recipe,) = request.recipes([9], LAYERS)
    assert recipe == Recipe(
        sources=(Source(seed=9, class_index=2),),
        psi=(0.5,) * 4 + (1.0,) * 2,
        cutoff=5,
        noise=NoiseSettings(
            mode=("none",) * 2 + ("seeded",) * 4, seed=7, strength=(0.5,) * 4 + (1.0,) * 2
        ),
        precision="bf16",
    )


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (Request(psi="abc"), "psi 'abc' is no value"),
        (Request(psi="2"), "psi=2.0 is outside -1 to 1.5"),
        (Request(psi="0.5@99"), "layer 99 does not exist"),
        (Request(cutoff=7), "give 0 to 6"),
        (Request(noise="random"), "const, seeded, none"),
        (Request(noise_seed="-1"), "no noise seed"),
        (Request(noise_strength="101"), "outside 0 to 100"),
    ],
)
def test_what_a_model_cannot_follow_is_refused(request_: Request, says: str) -> None:
    with pytest.raises(WspaceError, match=says):
        request_.recipes([0], LAYERS)


@pytest.mark.parametrize("values", [{"cutoff": -1}, {"precision": "fp8"}, {"psi": 0.5}])
def test_a_field_of_another_kind_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(WspaceError, match=next(iter(values))):
        Request(**values)  # type: ignore[arg-type]


def test_a_form_can_list_fill_and_send_its_fields() -> None:
    options = options_of(Request)
    assert [option.name for option in options] == [
        *("psi", "cutoff", "class", "edit", "noise", "noise_seed", "noise_strength", "precision"),
    ]
    assert all(option.meaning for option in options)
    assert from_text(Request, "cutoff", "none") is None
    assert from_text(Request, "class", "3") == 3
    request = Request(psi="0.7", class_index=3)
    assert from_plain(Request, to_plain(request)) == request


def test_mixing_takes_named_layers_or_all_from_a_crossover_on() -> None:
    assert taken_layers(LAYERS, named="0-1,5", crossover=None) == (0, 1, 5)
    assert taken_layers(LAYERS, named=None, crossover="4") == (4, 5)
    assert taken_layers(LAYERS, named=None, crossover="block:1") == (2, 3, 4, 5)
    assert taken_layers(LAYERS, named=None, crossover="6") == ()


def test_an_assignment_is_a_seed_a_layer() -> None:
    assert parse_assignment("12@0-1,99@2,4,5@3,5", LAYERS, what="it") == (12, 12, 99, 5, 99, 5)
    assert parse_assignment("12", LAYERS, what="it") == (12,) * 6
    for text, says in (("1-2@0-", "it: '1-2' is not one seed"), ("1@0-3", "leaves out")):
        with pytest.raises(WspaceError, match=says):
            parse_assignment(text, LAYERS, what="it")


def test_numbers_are_read_in_order() -> None:
    assert parse_numbers("-1,0, 0.5", what="psi") == (-1.0, 0.0, 0.5)
    for text in ("", "a,b", "1;2"):
        with pytest.raises(WspaceError, match=r"psi .*: give numbers"):
            parse_numbers(text, what="psi")


def test_recipes_are_read_made_and_described_without_torch() -> None:
    code = (
        "import importlib, pkgutil, sys; sys.modules['torch'] = None; import wspace.recipe\n"
        "for module in pkgutil.iter_modules(wspace.recipe.__path__):\n"
        "    importlib.import_module(f'wspace.recipe.{module.name}')\n"
        "from wspace.recipe.request import Request\n"
        "from wspace.recipe.syntax import Layers\n"
        "from wspace.recipe.describe import describe\n"
        "print(describe(Request(psi='0.5').recipes([1], Layers(6))[0]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "psi 0.5\n"
