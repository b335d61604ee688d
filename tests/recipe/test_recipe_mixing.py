from __future__ import annotations

import wspace
from wspace.recipe.mixing import assign_recipe
from wspace.recipe.recipe import Recipe, Source


def test_assigned_sources_are_listed_once() -> None:
    (base,) = wspace.recipes(seeds=[9], psi=0.5)
    a, b = Source(seed=12), Source(seed=99)
    assert assign_recipe(base, [a, a, b, b, a, a]) == Recipe(
        sources=(a, b), layer_sources=(0, 0, 1, 1, 0, 0), psi=0.5
    )
    assert assign_recipe(base, [b] * 6) == Recipe(sources=(b,), psi=0.5)
