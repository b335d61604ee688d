"""Pictures that people start from: seeds, some with a class, and files that carry a recipe.

Such as ``0-3,7:boot,inverted/portrait.png``: an inverted or edited picture is mixed and walked
through as any other. A file's name ends with .png, .webp or .json, and has no
comma.
"""

from __future__ import annotations

from pathlib import Path

from wspace.errors import WspaceError, shown
from wspace.recipe.classes import SeedOfClass, parse_seeds_of_classes
from wspace.recipe.syntax import Layers, parse_per_layer, spread_per_layer

__all__ = ["Start", "parse_assignment", "parse_starts"]

Start = SeedOfClass | Path
SUFFIXES = (".png", ".webp", ".json")


def parse_starts(text: str) -> tuple[Start, ...]:
    """Read seeds as `parse_seeds_of_classes` does, and files.

    >>> parse_starts("0-1,7:boot,3")
    (0, 1, (7, 'boot'), 3)

    Raises:
        WspaceError: not such a list.
    """
    found: list[Start] = []
    for part in text.split(","):
        if part.strip().lower().endswith(SUFFIXES):
            found.append(Path(part.strip()))
        else:
            found.extend(parse_seeds_of_classes(part))
    return tuple(found)


def parse_assignment(text: str, layers: Layers, *, what: str) -> tuple[Start, ...]:
    """Read a picture for each layer, such as ``12@0-3,99@4-7,mine.png@8-``.

    Args:
        text: what the user wrote.
        layers: the model's layers.
        what: it is, for messages, such as "--assign".

    Returns:
        (num_ws,), what each layer starts from.

    Raises:
        WspaceError: as `parse_per_layer` and `parse_starts`, or several seeds for one layer.
    """

    def start(value: str) -> list[Start]:  # a tuple would be taken for one a layer
        starts = parse_starts(value)
        if len(starts) != 1:
            raise WspaceError(f"{what}: {shown(value)} is not one seed: write SEED@LAYERS.")
        return [starts[0]]

    found = parse_per_layer(text, layers, start, what=what)
    return tuple(one for (one,) in spread_per_layer(found, layers.num_ws))
