"""Style mixing of recipes: which layer takes the w of which source.

Source: Karras et al. 2019 (StyleGAN), Section 3.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wspace.recipe.recipe import Recipe, Source
from wspace.recipe.syntax import spread_per_layer

__all__ = ["assign_recipe", "mix_recipes", "put_w"]


def mix_recipes(recipe: Recipe, other: Recipe, layers: Iterable[int], num_ws: int) -> Recipe:
    """The recipe of a mixture: the sources of some layers from another recipe.

    Everything but the sources (psi, noise, precision) stays the first recipe's.

    Args:
        recipe: gives all layers that are not named.
        other: gives the named layers.
        layers: 0 to num_ws - 1.
        num_ws: of the model.
    """
    taken = set(layers)
    chosen = [
        _source_of_layer(other if layer in taken else recipe, layer) for layer in range(num_ws)
    ]
    return _with_sources(recipe, chosen)


def assign_recipe(recipe: Recipe, sources: Sequence[Source]) -> Recipe:
    """The recipe with one source given for each layer of ws."""
    return _with_sources(recipe, sources)


def put_w(recipe: Recipe, w: Mapping[int, tuple[float, ...]], num_ws: int) -> Recipe:
    """The recipe with a w of their own in some layers; the others keep theirs, and their psi.

    Edits are still to come: those of the recipe stay in it.

    Args:
        recipe: gives all else.
        w: by layer, w_dim numbers each, as truncation would leave them.
        num_ws: of the model.
    """
    cutoff = num_ws if recipe.cutoff is None else recipe.cutoff
    before = spread_per_layer(recipe.psi, num_ws)[:cutoff] + (1.0,) * (num_ws - cutoff)
    psi = tuple(1.0 if layer in w else before[layer] for layer in range(num_ws))
    chosen = [
        Source(w=w[layer]) if layer in w else _source_of_layer(recipe, layer)
        for layer in range(num_ws)
    ]
    return _with_sources(
        recipe.replace(psi=psi[0] if len(set(psi)) == 1 else psi, cutoff=None), chosen
    )


def _source_of_layer(recipe: Recipe, layer: int) -> Source:
    return recipe.sources[recipe.layer_sources[layer] if recipe.layer_sources else 0]


def _with_sources(recipe: Recipe, chosen: Sequence[Source]) -> Recipe:
    """A recipe whose layers take these sources, each distinct one listed once."""
    distinct = list(dict.fromkeys(chosen))
    if len(distinct) == 1:
        return recipe.replace(sources=(distinct[0],), layer_sources=None)
    numbers = {source: i for i, source in enumerate(distinct)}
    return recipe.replace(
        sources=tuple(distinct), layer_sources=tuple(numbers[source] for source in chosen)
    )
