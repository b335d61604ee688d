"""Style mixing of recipes: which layer takes the w of which source.

Source: Karras et al. 2019 (StyleGAN), Section 3.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wspace.recipe.recipe import Edit, Recipe, Source
from wspace.recipe.syntax import spread_per_layer

__all__ = [
    "assign_recipe",
    "layer_by_layer",
    "mix_recipes",
    "psi_by_layer",
    "put_w",
    "source_of_layer",
]


def mix_recipes(recipe: Recipe, other: Recipe, layers: Iterable[int], num_ws: int) -> Recipe:
    """The recipe of a mixture: some layers from another recipe.

    A layer brings its source, its psi and the edits that touch it. Noise and precision stay the
    first recipe's.

    Args:
        recipe: gives all layers that are not named.
        other: gives the named layers.
        layers: 0 to num_ws - 1.
        num_ws: of the model.
    """
    taken = set(layers)
    return layer_by_layer(recipe, [other if layer in taken else recipe for layer in range(num_ws)])


def layer_by_layer(recipe: Recipe, layers: Sequence[Recipe]) -> Recipe:
    """The recipe of a mixture of any number, see `mix_recipes`.

    Args:
        recipe: gives noise, precision and model.
        layers: (num_ws,), what each layer of ws is taken from.
    """
    chosen = [source_of_layer(own, layer) for layer, own in enumerate(layers)]
    mixed = _with_sources(recipe, chosen)
    if any((own.psi, own.cutoff) != (recipe.psi, recipe.cutoff) for own in layers):
        psi = tuple(psi_by_layer(own, len(layers))[k] for k, own in enumerate(layers))
        mixed = mixed.replace(psi=psi[0] if len(set(psi)) == 1 else psi, cutoff=None)
    if any(own.edits != recipe.edits for own in layers):
        mixed = mixed.replace(edits=_edits_by_layer(layers))
    return mixed


def psi_by_layer(recipe: Recipe, num_ws: int) -> tuple[float, ...]:
    """The psi of each layer, (num_ws,): 1 from the cutoff on."""
    cutoff = num_ws if recipe.cutoff is None else recipe.cutoff
    return spread_per_layer(recipe.psi, num_ws)[:cutoff] + (1.0,) * (num_ws - cutoff)


def _edits_by_layer(layers: Sequence[Recipe]) -> tuple[Edit, ...]:
    """The edits of all, each in the layers that its recipe gives."""
    given: dict[int, list[int]] = {}
    for layer, own in enumerate(layers):
        given.setdefault(id(own), []).append(layer)
    edits = []
    for own in {id(own): own for own in layers}.values():
        for edit in own.edits:
            touched = [k for k in given[id(own)] if edit.layers is None or k in edit.layers]
            if touched:
                edits.append(edit.replace(layers=tuple(touched)))
    return tuple(edits)


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
    before = psi_by_layer(recipe, num_ws)
    psi = tuple(1.0 if layer in w else before[layer] for layer in range(num_ws))
    chosen = [
        Source(w=w[layer]) if layer in w else source_of_layer(recipe, layer)
        for layer in range(num_ws)
    ]
    return _with_sources(
        recipe.replace(psi=psi[0] if len(set(psi)) == 1 else psi, cutoff=None), chosen
    )


def source_of_layer(recipe: Recipe, layer: int) -> Source:
    """The source that a layer of ws takes."""
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
