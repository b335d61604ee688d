"""Edits of recipes, as people write them: ``NAME=STRENGTH@LAYERS``.

A named direction, in W or in style space, is an `Edit` of strength 1 with a name;
`formats.directions` reads a model's.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping

from wspace.errors import WspaceError, one_line, shown
from wspace.recipe.recipe import Edit
from wspace.recipe.syntax import Layers, parse_layers

__all__ = ["known_direction", "parse_edits"]

EXAMPLE = "write NAME=STRENGTH or NAME=STRENGTH@LAYERS, such as glasses=1.5,hair=-2@coarse"


def parse_edits(text: str, layers: Layers, directions: Mapping[str, Edit]) -> tuple[Edit, ...]:
    """Read edits such as ``glasses=1.5,hair=-2@0-3,5``: LAYERS may hold commas.

    Args:
        text: what was written.
        layers: the model's.
        directions: the model's, by name, strength 1. Their layers hold where the text names none.

    Returns:
        The edits, in the order of the text.

    Raises:
        WspaceError: not such a list, an unknown name, or layers that the model does not have.
    """
    entries: list[str] = []
    for part in text.split(","):
        if "=" not in part and entries:
            entries[-1] += f",{part}"  # a comma inside LAYERS
        else:
            entries.append(part)
    return tuple(_edit(entry.strip(), layers, directions) for entry in entries)


def _edit(entry: str, layers: Layers, directions: Mapping[str, Edit]) -> Edit:
    name, equals, rest = entry.partition("=")
    number, at, where = rest.partition("@")
    name = name.strip()
    try:
        strength = float(number)
    except ValueError:
        strength = math.nan
    if not equals or not math.isfinite(strength):
        raise WspaceError(f"edit {shown(entry)}: {EXAMPLE}.")
    direction = known_direction(name, directions)
    own = parse_layers(where, layers) if at else direction.layers
    return direction.replace(strength=strength, layers=own)


def known_direction(name: str, directions: Mapping[str, Edit]) -> Edit:
    """The direction of that name.

    Raises:
        WspaceError: there is none; the message names those that there are, or the nearest one.
    """
    if name in directions:
        return directions[name]
    near = difflib.get_close_matches(name, directions, n=1)
    if near:
        hint = f"did you mean {near[0]}?"
    elif directions:
        hint = f"there are {one_line(', '.join(directions))}."
    else:
        hint = "find some with `wspace directions find`."
    raise WspaceError(f"this model has no direction {shown(name)}: {hint}")
