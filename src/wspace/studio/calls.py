"""What a page can ask for: each call, its arguments, and the library that answers it.

A call is a dataclass for its arguments, which says what they may be, and a function that takes one
and gives an `Answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any

from wspace.errors import WspaceError, shown
from wspace.plain import Length, check, from_plain
from wspace.recipe.recipe import Recipe
from wspace.studio.frames import Answer, Call
from wspace.studio.shelf import OpenModel, Shelf

if TYPE_CHECKING:
    from wspace.rendering.pictures import Pictures

__all__ = ["Calls"]

MOST_PICTURES = 64  # of a call
MOST_PIXELS = 2**24  # of a call's answer, all pictures together

Progress = Callable[[Answer], None]  # shows where long work is; it raises where that is to end


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """A call without arguments."""


@dataclass(frozen=True, kw_only=True)
class OfModel:
    """A call about a model."""

    model: Annotated[str, Length(1, 100)]

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class OfRecipe(OfModel):
    """A call about a picture."""

    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Render(OfModel):
    """Pictures to draw."""

    recipes: Annotated[tuple[Recipe, ...], Length(1, MOST_PICTURES)]


class Calls:
    """Answers calls with the models of a shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._answers: dict[str, tuple[type, Callable[[Any, Progress], Answer]]] = {
            "models": (Nothing, self._models),
            "open": (OfModel, self._open),
            "render": (Render, self._render),
            "png": (OfRecipe, self._png),
        }

    def check(self, call: Call) -> bool:
        """Whether a call takes long, so that others are to be served in between.

        Raises:
            WspaceError: there is no such call.
        """
        if call.name not in self._answers:
            raise WspaceError(f"call={shown(call.name)} is none that this version answers.")
        if call.name == "render":
            recipes = call.arguments.get("recipes")
            return isinstance(recipes, Sequence) and len(recipes) > 1
        return False

    def do(self, call: Call, progress: Progress) -> Answer:
        """Answer a call; raises what is to be told as `WspaceError`."""
        kind, answer = self._answers[call.name]
        return answer(from_plain(kind, dict(call.arguments), what=call.name), progress)

    def _models(self, asked: Nothing, progress: Progress) -> Answer:
        return Answer(facts={"version": version("wspace"), "models": self._shelf.listed()})

    def _open(self, asked: OfModel, progress: Progress) -> Answer:
        return self._described(self._shelf.get(asked.model))

    def _described(self, model: OpenModel) -> Answer:
        return Answer(facts={"model": model.described() | {"can": list(self._answers)}})

    def _render(self, asked: Render, progress: Progress) -> Answer:
        return self._drawn(self._shelf.get(asked.model), asked.recipes, progress)

    def _drawn(
        self, model: OpenModel, recipes: Sequence[Recipe], progress: Progress, **facts: Any
    ) -> Answer:
        """Pictures of recipes, and the recipes with all that drawing fills in."""
        from wspace.rendering.render import render

        area = model.generator.size.area
        if len(recipes) * area > MOST_PIXELS:
            raise WspaceError(
                f"{len(recipes)} pictures of {model.generator.size} are too many at once: ask for "
                f"{MOST_PIXELS // area} at most."
            )
        pictures = render(model.generator, recipes, progress=lambda *_: progress(Answer()))
        filled = [recipe.to_dict() for recipe in pictures.recipes]
        return Answer(
            facts={"images": _sizes(pictures), "recipes": filled} | facts,
            payload=pictures.rgba.tobytes(),
        )

    def _png(self, asked: OfRecipe, progress: Progress) -> Answer:
        from wspace.rendering.pictures import PictureNames
        from wspace.rendering.render import render

        pictures = render(self._shelf.get(asked.model).generator, [asked.recipe])
        name = PictureNames().next(pictures.recipes[0])
        return Answer(facts={"name": f"{name}.png"}, payload=pictures.png(0))


def _sizes(pictures: Pictures) -> dict[str, int]:
    count, height, width = pictures.pixels.shape[:3]
    return {"width": width, "height": height, "count": count}
