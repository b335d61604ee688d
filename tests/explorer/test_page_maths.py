"""The page's own arithmetic: seeds, walks and checks, beside those of wspace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from static_site import StaticSite

from wspace.explorer.models import page_models
from wspace.steering.interpolation import follow, slerp

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

SOURCES = Path(__file__).parents[2] / "src/wspace"
Run = Callable[[str, object], Any]


@pytest.fixture(scope="module")
def run(browser: Browser) -> Iterator[Run]:
    """Runs an expression of a module's functions: of `m`, with an argument `x`."""
    server = StaticSite(SOURCES)
    page = browser.new_page()
    page.goto(f"{server.address}studio/page/icon.svg")

    def evaluate(expression: str, argument: object) -> Any:
        module, _, code = expression.partition(": ")
        return page.evaluate(
            f"async (x) => {{ const m = await import('/explorer/page/{module}.js'); "
            f"return {code}; }}",
            argument,
        )

    yield evaluate
    page.close()
    server.end()


@pytest.mark.parametrize("seed", [0, 1, 4_294_967_295, [7, 3], [4_294_967_295, 17]])
def test_seeds_mean_numpys_numbers(run: Run, seed: Any) -> None:
    drawn = run("random_state: [...new m.RandomState(x).normals(20000)]", seed)
    expected = np.random.RandomState(seed).randn(20_000).astype(np.float32)
    np.testing.assert_array_equal(np.array(drawn, np.float32), expected)


def test_whole_numbers_are_numpys_too(run: Run) -> None:
    code = (
        "random_state: (r => [r.bits(), r.bits(), ...[...Array(50)].map(() => r.below(10))])"
        "(new m.RandomState(x))"
    )
    random = np.random.RandomState(9)
    expected = [*random.randint(0, 2**32, size=2, dtype=np.uint32), *random.randint(0, 10, size=50)]
    assert run(code, 9) == expected


@pytest.mark.parametrize("kind", ["linear", "spline", "slerp"])
@pytest.mark.parametrize("loop", [False, True])
def test_paths_are_those_of_wspace(run: Run, kind: Any, loop: bool) -> None:
    points = torch.from_numpy(np.random.RandomState(0).randn(4, 8).astype(np.float32))
    path = {"frames": 11, "kind": kind, "loop": loop}
    code = "walk: [...Array(11).keys()].map((at) => [...m.follow(x[0], x[1])(at)])"
    found = run(code, [points.tolist(), path])
    expected = follow(points, 11, kind=kind, loop=loop)
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-6)


def test_opposite_vectors_turn_into_each_other(run: Run) -> None:
    start, end = torch.tensor([[1.0, 0.0, 2.0]]), torch.tensor([[-2.0, 0.0, -4.0]])
    found = run("walk: [...m.slerp(x[0], x[1], 0.5)]", [start[0].tolist(), end[0].tolist()])
    expected = slerp(start, end, torch.tensor([0.5]))[0]
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-6)


def test_noise_maps_of_recipes_are_halves(run: Run) -> None:
    from wspace.recipe.noise_maps import map_to_text

    values = np.array([[0.0, 1.0, -2.5], [6e-8, 99.9, 1e-5]], np.float32)
    found = run("steering: [...m.mapOfText(x)]", map_to_text(values))
    np.testing.assert_array_equal(found, values.astype(np.float16).astype(np.float32).ravel())


@pytest.fixture(scope="module")
def exported() -> Any:
    """What the page is told of clothes."""
    return page_models(["clothes"], "int16")[0].described


GOOD = {"version": 1, "sources": [{"seed": 1, "class": 2}]}


def test_a_recipe_that_fits_is_drawn(run: Run, exported: Any) -> None:
    count = exported["model"]["num_ws"]
    rich = {
        **GOOD,
        "psi": [0.5] * count,
        "cutoff": 3,
        "edits": [
            exported["model"]["directions"][0]["edit"],
            {"channels": [[0, 1, 2.0]], "strength": 1},
        ],
        "noise": {"mode": ["seeded"] * count, "seed": 4, "strength": 2},
    }
    for recipe in (GOOD, rich):
        assert run("check: m.checkRecipe(x[0], x[1])", [recipe, exported]) is None


@pytest.mark.parametrize(
    "change",
    [
        {"sources": []},
        {"sources": [{"seed": -1, "class": 2}]},
        {"sources": [{"seed": 2**32, "class": 2}]},
        {"sources": [{"seed": 1}]},
        {"sources": [{"seed": 1, "class": 10}]},
        {"sources": [{"w": [0.0] * 3}]},
        {"sources": [{"seed": 1, "class": 2, "centre": ["a"] * 128}]},
        {"sources": [GOOD["sources"], GOOD["sources"]]},
        {"layer_sources": [0, 1]},
        {"psi": 2},
        {"psi": [0.5, 0.5]},
        {"psi": "high"},
        {"cutoff": 99},
        {"edits": [{"strength": 1}]},
        {"edits": [{"direction": [1.0], "strength": 1}]},
        {"edits": [{"channels": [[999, 0, 1.0]], "strength": 1}]},
        {"edits": [{"channels": [[0, 99999, 1.0]], "strength": 1}]},
        {"edits": [{"direction": [0.0] * 128, "strength": 1e9}]},
        {"edits": [{"direction": [0.0] * 128, "strength": 1, "layers": [99]}]},
        {"noise": {"mode": "loud"}},
        {"noise": {"seed": -1}},
        {"noise": {"strength": 1e9}},
        {"noise": {"mode": "given"}},
        {"noise": {"mode": "given", "maps": ["AAAA"] * 8}},
        {"model": {"name": "other", "sha256": "0" * 64}},
    ],
    ids=str,
)
def test_a_recipe_that_does_not_fit_is_refused_in_a_line(
    run: Run, exported: Any, change: dict[str, Any]
) -> None:
    code = "check: (() => { try { m.checkRecipe(x[0], x[1]); } catch (e) { return e.message; } })()"
    said = run(code, [{**GOOD, **change}, exported])
    assert said is not None
    assert said.startswith("This recipe")
    assert "\n" not in said
