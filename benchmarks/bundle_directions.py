"""The named directions of a bundled model, made anew.

    python benchmarks/editing.py directions --out measured.json
    python benchmarks/bundle_directions.py avatars --measured measured.json
    python benchmarks/bundle_directions.py clothes

What labels find is taken from what was measured, so that figures and files are of the same
directions; SeFa's and PCA's are worked out again, and have the names that a person gave them after
looking.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from editing_directions import Measured
from wspace.errors import WspaceError
from wspace.formats.directions import Direction, directions_path, write_directions
from wspace.formats.model_file import load
from wspace.networks.generator import Generator
from wspace.plain import from_plain
from wspace.recipe.syntax import Layers
from wspace.steering.directions import closed_form, principal, sample_w

__all__ = ["main"]

# name: what was looked for, in which space
LABELS: dict[str, dict[str, tuple[str, str]]] = {
    "avatars": {
        "glasses": ("accessories", "w"),
        "beard": ("facial-hair", "w"),
        "smile": ("mouth-smile", "w"),
        "hat": ("hat-color", "w"),
        "blazer": ("clothes-blazer-and-shirt", "w"),
        "happy-eyes": ("eyes-happy", "w"),
        "frown": ("mouth-disbelief", "w"),
        "small-mouth": ("mouth-twinkle", "w"),
        "v-neck": ("clothes-shirt-vneck", "w"),
        "crew-neck": ("clothes-shirt-crew-neck", "w"),
        "curly-hair": ("top-curvy", "w"),
        "uneven-brows": ("eyebrows-up-down", "w"),
        "skin-brown": ("skin-color-ae5d29", "w"),
        "skin-dark": ("skin-color-614335", "w"),
        "style-glasses": ("accessories", "style"),
        "style-beard": ("facial-hair", "style"),
        "style-smile": ("mouth-smile", "style"),
        "style-blazer": ("clothes-blazer-and-shirt", "style"),
        "style-happy-eyes": ("eyes-happy", "style"),
    },
    "clothes": {},
}
# name: method, group of layers ("" for all), number from 1
LOOKED_AT: dict[str, dict[str, tuple[str, str, int]]] = {
    "avatars": {
        "hair-narrow": ("sefa", "coarse", 3),
        "hair-fair": ("sefa", "fine", 2),
        "skin-light": ("sefa", "fine", 3),
        "long-hair": ("pca", "", 1),
        "clothes-cyan": ("pca", "", 2),
    },
    "clothes": {
        "bright": ("sefa", "middle", 3),
        "long-sleeves": ("pca", "", 6),
        "broad-shoulders": ("pca", "", 5),
        "flared": ("pca", "", 4),
        "narrow": ("pca", "", 2),
        "plain": ("pca", "", 7),
        "dark-top": ("sefa", "middle", 2),
        "low-contrast": ("sefa", "middle", 4),
        "sefa-coarse-1": ("sefa", "coarse", 1),
        "sefa-coarse-2": ("sefa", "coarse", 2),
        "sefa-coarse-3": ("sefa", "coarse", 3),
        "sefa-middle-1": ("sefa", "middle", 1),
    },
}


def main(argv: Sequence[str] | None = None) -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=tuple(LABELS))
    parser.add_argument("--measured", type=Path, help="what editing.py directions wrote")
    parser.add_argument("--out", type=Path, help="file to write  [the model's own]")
    arguments = parser.parse_args(argv)
    try:
        generator = load(arguments.name)
        rows = [] if arguments.measured is None else json.loads(arguments.measured.read_text())
        measured = {(row.name, row.space): row for row in (from_plain(Measured, r) for r in rows)}
        found = dict(_by_labels(LABELS[arguments.name], measured))
        found |= dict(_by_weights(generator, LOOKED_AT[arguments.name]))
        path = arguments.out or directions_path(arguments.name)
        write_directions(path, generator, found)
        print(f"{path}: {', '.join(found)}")
    except (WspaceError, OSError) as error:
        parser.exit(2, f"{error}\n")


def _by_labels(
    asked: Mapping[str, tuple[str, str]], measured: Mapping[tuple[str, str], Measured]
) -> Iterator[tuple[str, Direction]]:
    for name, key in asked.items():
        row = measured.get(key)
        if row is None or row.edit is None:
            raise WspaceError(f"{name}: nothing was measured for {' in '.join(key)}.")
        yield name, Direction(edit=row.edit.replace(name=name), about=row.about)


def _by_weights(
    generator: Generator, asked: Mapping[str, tuple[str, str, int]]
) -> Iterator[tuple[str, Direction]]:
    w, groups = sample_w(generator), Layers.of(generator).groups
    for name, (method, group, number) in asked.items():
        layers = tuple(groups[group]) if group else None
        if method == "sefa":
            edit = closed_form(generator, number, w, layers)[-1]
        else:
            edit = principal(w, number, layers)[-1]
        method_name = {"sefa": "SeFa", "pca": "PCA"}[method]
        about = f"{method_name} in {group or 'all layers'}, number {number}"
        yield name, Direction(edit=edit.replace(name=name), about=about)


if __name__ == "__main__":
    main()
