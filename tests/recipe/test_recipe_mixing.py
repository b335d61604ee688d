from __future__ import annotations

import wspace
from wspace.recipe.mixing import assign_recipe, put_w
from wspace.recipe.recipe import Recipe, Source


def test_assigned_sources_are_listed_once() -> None:
    (base,) = wspace.recipes(seeds=[9], psi=0.5)
    a, b = Source(seed=12), Source(seed=99)
    assert assign_recipe(base, [a, a, b, b, a, a]) == Recipe(
        sources=(a, b), layer_sources=(0, 0, 1, 1, 0, 0), psi=0.5
    )
    assert assign_recipe(base, [b] * 6) == Recipe(sources=(b,), psi=0.5)


def test_a_w_put_into_layers_is_not_truncated_and_the_others_are_as_before() -> None:
    (base,) = wspace.recipes(seeds=[9], psi=0.5, cutoff=4)
    w, other = (1.0, 2.0), (3.0, 4.0)
    assert put_w(base, {0: w, 1: w, 3: other}, 6) == Recipe(
        sources=(Source(w=w), Source(seed=9), Source(w=other)),
        layer_sources=(0, 0, 1, 2, 1, 1),
        psi=(1.0, 1.0, 0.5, 1.0, 1.0, 1.0),
    )
    everywhere = put_w(base, dict.fromkeys(range(6), w), 6)
    assert everywhere == Recipe(sources=(Source(w=w),))
