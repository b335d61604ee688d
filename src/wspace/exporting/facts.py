"""What an exported file says of itself: all that a program needs to steer the model by it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import accumulate
from typing import Any

import numpy as np
from torch import Tensor

from wspace.exporting.graphs import noise_name
from wspace.exporting.networks import style_widths
from wspace.formats.directions import Direction
from wspace.formats.facts import AT_LENGTH
from wspace.formats.model_file import model_sha256
from wspace.networks.generator import Generator
from wspace.recipe.syntax import Layers

__all__ = ["FACTS_VERSION", "as_properties", "facts_of"]

FACTS_VERSION = 1


def facts_of(
    generator: Generator, metadata: Mapping[str, Any], directions: Mapping[str, Direction]
) -> dict[str, Any]:
    """The facts of a model, as plain data.

    Args:
        generator: the model.
        metadata: what its file says of itself.
        directions: those that it has.
    """
    means = generator.mapping.class_w_avg
    return {
        "version": FACTS_VERSION,
        "wspace": version("wspace"),
        "model": {"name": generator.name, "sha256": model_sha256(generator)},
        "config": generator.config.to_dict(),
        "size": list(generator.size),
        "image_channels": generator.image_channels,
        "num_ws": generator.num_ws,
        "z_dim": generator.z_dim,
        "w_dim": generator.w_dim,
        "num_classes": generator.num_classes,
        "class_names": generator.class_names,
        "layer_groups": {k: list(v) for k, v in Layers.of(generator).groups.items()},
        "noise": [
            {"name": noise_name(number), "layer": layer, "height": height, "width": width}
            for number, (layer, (height, width)) in enumerate(
                zip(generator.noise_layers, generator.noise_shapes, strict=True)
            )
        ],
        "styles": _styles(generator),
        "w_avg": _short(generator.w_avg),
        "class_w_avg": None if means is None else [_short(row) for row in means],
        "directions": [
            {
                "name": name,
                "about": one.about,
                "layers": one.edit.layers,
                "direction": None if one.edit.direction is None else _short(one.edit.direction),
                "channels": one.edit.channels,
            }
            for name, one in directions.items()
        ],
        "metadata": {k: v for k, v in metadata.items() if k not in AT_LENGTH},
    }


def as_properties(facts: Mapping[str, Any]) -> dict[str, str]:
    """Facts as texts by name: all of them as JSON under "wspace", and some by themselves.

    Those are for people to read, and for programs without a reader of JSON: numbers with spaces
    between them.
    """
    said = facts["metadata"]
    plain = {
        "model": facts["model"]["name"],
        "sha256": facts["model"]["sha256"],
        "wspace_version": facts["wspace"],
        "w_avg": " ".join(map(str, facts["w_avg"])),
        "noise_layers": " ".join(str(noise["layer"]) for noise in facts["noise"]),
        **{key: str(said[key]) for key in ("licence", "attribution", "trained_on") if key in said},
    }
    return {"wspace": json.dumps(facts, allow_nan=False), **plain}


def _styles(generator: Generator) -> list[dict[str, int]]:
    """Each style: its layer of ws, and where its channels lie in what synthesis adds to all."""
    widths = style_widths(generator)
    first = [0, *accumulate(widths)]
    return [
        {"layer": layer, "first": first[number], "channels": widths[number]}
        for number, (layer, _) in enumerate(generator.affine_layers)
    ]


def _short(vector: Tensor | Sequence[float]) -> list[float]:
    """float32 numbers in the fewest digits that tell them apart."""
    numbers = np.asarray(vector, dtype=np.float32)
    return [float(str(number)) for number in numbers]
