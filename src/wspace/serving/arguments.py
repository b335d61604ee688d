"""What programs ask for and are told, as JSON: a dataclass for each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from wspace.errors import WspaceError
from wspace.plain import Length, Range, check
from wspace.recipe.recipe import Edit, Recipe

__all__ = [
    "MOST_PICTURES",
    "Asked",
    "Failure",
    "Health",
    "LayerGroup",
    "ModelFacts",
    "Models",
    "NamedEdit",
    "Picture",
    "Pictures",
]

MOST_PICTURES = 64  # of a request


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which model draws, and what the files are.

    Attributes:
        model: its name, as `/models` has it; null: the one model, where one alone is served.
        format: of the files; each carries its recipe.
        quality: of a lossy WebP, 1 to 100; null: lossless. PNG is always lossless.
    """

    model: Annotated[str | None, Length(1, 300)] = None
    format: Literal["png", "webp"] = "png"
    quality: Annotated[int | None, Range(1, 100)] = None

    def __post_init__(self) -> None:
        check(self)
        if self.quality is not None and self.format != "webp":
            raise WspaceError(
                f"quality={self.quality} is of WebP, and format is {self.format}: leave it out, or "
                "give format webp."
            )

    @property
    def asked(self) -> tuple[Recipe, ...]:
        """The recipes, in order."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Picture(Asked):
    """A picture to draw.

    Attributes:
        recipe: what makes it.
    """

    recipe: Recipe

    @property
    def asked(self) -> tuple[Recipe, ...]:
        return (self.recipe,)


@dataclass(frozen=True, kw_only=True)
class Pictures(Asked):
    """Pictures to draw.

    Attributes:
        recipes: what makes them, in order.
    """

    recipes: Annotated[tuple[Recipe, ...], Length(1, MOST_PICTURES)]

    @property
    def asked(self) -> tuple[Recipe, ...]:
        return self.recipes


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why there is no picture.

    Attributes:
        error: a line that says what was wrong, with the value, and what to do.
    """

    error: str


@dataclass(frozen=True, kw_only=True)
class Health:
    """How the server is.

    Attributes:
        status: "ended" where it draws no more.
    """

    status: Literal["ok", "ended"]


@dataclass(frozen=True, kw_only=True)
class LayerGroup:
    """Layers of ws that go by a name.

    Attributes:
        name: such as coarse.
        layers: their numbers.
    """

    name: str
    layers: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class NamedEdit:
    """A direction that the model has a name for.

    Attributes:
        name: of it.
        about: how it was found.
        edit: goes into a recipe's edits, with the strength that is wanted.
    """

    name: str
    about: str
    edit: Edit


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """A model that is served.

    Attributes:
        name: that requests call it.
        sha256: of its weights.
        width: of its pictures, in pixels.
        height: likewise.
        channels: 1 grey, 3 colour, 4 colour and alpha.
        num_ws: layers of ws: how long the lists of a recipe are that say something for each layer.
        w_dim: numbers of a w.
        groups: of layers.
        num_classes: 0 for none; else a source with a seed needs a class.
        classes: what they are called; null where they have no names.
        noise_layers: layers of ws that noise is added in.
        directions: with names.
        facts: what its file says of it, pairs of a label and a text.
    """

    name: str
    sha256: str
    width: int
    height: int
    channels: int
    num_ws: int
    w_dim: int
    groups: tuple[LayerGroup, ...]
    num_classes: int
    classes: tuple[str, ...] | None
    noise_layers: tuple[int, ...]
    directions: tuple[NamedEdit, ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models that are served.

    Attributes:
        version: of wspace.
        models: in the order in which they were given.
    """

    version: str
    models: tuple[ModelFacts, ...]
