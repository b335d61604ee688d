"""What a person asks of pictures, as texts: a command's options, or the fields of a form.

    request = Request(psi="0.5@coarse,1@4-", noise="none")
    recipes = request.recipes(
        parse_seeds("0-3,7"), Layers.of(generator), classes=Classes.of(generator)
    )

`plain.options_of` lists the fields with their meanings; `plain.from_text` reads one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

from wspace.errors import WspaceError, shown
from wspace.plain import About, Key, Range, check
from wspace.recipe.classes import Classes, SeedOfClass
from wspace.recipe.editing import parse_edits
from wspace.recipe.recipe import Edit, NoiseSettings, Precision, Recipe, Source, recipes
from wspace.recipe.syntax import Layers, parse_crossover, parse_layers, parse_per_layer

__all__ = ["Request", "taken_layers"]

NO_DIRECTIONS: Mapping[str, Edit] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Request:
    """How pictures are to be made, apart from their seeds; texts may say VALUE@LAYERS,..."""

    psi: Annotated[
        str,
        About("Truncation, -1 to 1.5: 1 = off, 0 = the mean picture; 0.7 is a good start."),
    ] = "1"
    cutoff: Annotated[int | None, Range(low=0), About("Layers from here on: psi 1.")] = None
    class_index: Annotated[
        int | str | None,
        Range(low=0),
        Key("class"),
        About("For models with classes: a name or a number."),
    ] = None
    edit: Annotated[
        str, About("Steps along named directions, such as glasses=1.5,hair=-2@coarse.")
    ] = ""
    noise: Annotated[str, About("const (the model's own maps), seeded or none.")] = "const"
    noise_seed: Annotated[str, About("Seed of seeded noise.")] = "0"
    noise_strength: Annotated[str, About("Multiplies the strength that the model learned.")] = "1"
    precision: Annotated[Precision, About("Precision of the synthesis network.")] = "fp32"

    def __post_init__(self) -> None:
        check(self)

    def recipes(
        self,
        seeds: Iterable[SeedOfClass],
        layers: Layers,
        directions: Mapping[str, Edit] = NO_DIRECTIONS,
        *,
        classes: Classes | None = None,
    ) -> tuple[Recipe, ...]:
        """One recipe a seed.

        Args:
            seeds: 0 to 2**32 - 1 each; in a pair with a class where that is not the request's.
            layers: of the model that is to draw them.
            directions: of that model, by name, strength 1.
            classes: likewise; None where classes are numbers and the model checks them.

        Raises:
            WspaceError: a text that cannot be read, or that does not fit such a model.
        """
        if self.cutoff is not None and self.cutoff > layers.num_ws:
            raise WspaceError(
                f"cutoff={self.cutoff} is outside this model: give 0 to {layers.num_ws}."
            )

        def read(name: str, convert: Any, what: str, default: Any) -> Any:
            text = getattr(self, name)
            return parse_per_layer(text, layers, convert, what=what, default=default)

        edits = parse_edits(self.edit, layers, directions) if self.edit else ()
        pairs = [one if isinstance(one, tuple) else (one, self.class_index) for one in seeds]
        numbers = {of: _class_number(of, classes) for of in {of for _, of in pairs}}
        (alike,) = recipes(
            seeds=(0,),
            psi=read("psi", float, "psi", 1.0),
            cutoff=self.cutoff,
            noise=NoiseSettings(
                mode=read("noise", str, "noise mode", "const"),
                seed=read("noise_seed", _noise_seed, "noise seed", 0),
                strength=read("noise_strength", float, "noise strength", 1.0),
            ),
            precision=self.precision,
        )
        alike = alike.replace(edits=edits)
        return tuple(
            alike.replace(sources=(Source(seed=seed, class_index=numbers[of]),))
            for seed, of in pairs
        )


def taken_layers(layers: Layers, *, named: str | None, crossover: str | None) -> tuple[int, ...]:
    """The layers of ws that mixing takes from the other picture.

    Args:
        layers: the model's.
        named: such as "coarse" or "0-3,6", or None.
        crossover: where ``named`` is None, the first of them, such as "8" or "block:2".

    Raises:
        WspaceError: layers that the model does not have.
    """
    if named is not None:
        return parse_layers(named, layers)
    return tuple(range(parse_crossover(crossover or "", layers), layers.num_ws))


def _noise_seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise WspaceError(f"{shown(text)} is no noise seed: give a whole number from 0 on.")
    return int(text)


def _class_number(of: str | int | None, classes: Classes | None) -> int | None:
    if of is None or (classes is None and isinstance(of, int)):
        return of
    if classes is None:
        raise WspaceError(f"class {shown(of)}: no model is named here: give the class's number.")
    return classes.parse(of)
