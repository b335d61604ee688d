"""Answers with pictures, sheets and recipes that are drawn at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from wspace.errors import WspaceError
from wspace.recipe.classes import Classes
from wspace.recipe.recipe import Recipe
from wspace.serving.shelf import OpenModel, Shelf
from wspace.studio.arguments import Deviation, Neighbours, OfRecipe, Render, Sheet
from wspace.studio.frames import Answer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "Progress",
    "code",
    "deviation",
    "images",
    "neighbours",
    "png",
    "render",
    "sheet",
    "w_of",
]

PSI_VALUES = (-1.0, -0.5, 0.0, 0.5, 0.7, 1.0)
REALISATIONS = 32  # of a noise sheet

Progress = Callable[[Answer], None]  # shows how far it is; it raises where it is to end


def images(pixels: npt.NDArray[np.uint8], **facts: Any) -> Answer:
    """Pixels (N, H, W, C), uint8, as an answer."""
    from wspace.figures.transparency import with_alpha

    count, height, width = pixels.shape[:3]
    sizes = {"width": width, "height": height, "count": count}
    return Answer(facts={"images": sizes} | facts, payload=with_alpha(pixels).tobytes())


def render(shelf: Shelf, asked: Render, progress: Progress) -> Answer:
    """Pictures of recipes, and the recipes with all that drawing fills in."""
    return _drawn(shelf.get(asked.model), asked.recipes, progress)


def neighbours(shelf: Shelf, asked: Neighbours, progress: Progress) -> Answer:
    """The pictures around a picture."""
    from wspace.steering.neighbourhood import neighbours as around

    model = shelf.get(asked.model)
    found = around(model.generator, asked.recipe, step=asked.step, seed=asked.seed)
    return _drawn(model, found, progress)


def _drawn(model: OpenModel, recipes: Sequence[Recipe], progress: Progress) -> Answer:
    from wspace.rendering.render import render

    model.check_pixels(len(recipes))
    pictures = render(model.generator, recipes, progress=_pausing(progress))
    return images(pictures.pixels, recipes=[recipe.to_dict() for recipe in pictures.recipes])


def _pausing(progress: Progress) -> Callable[[int, int], None]:
    """Lets others have a turn between batches."""

    def after_batch(done: int, total: int) -> None:
        if done < total:
            progress(Answer(facts={"done": done, "total": total}))

    return after_batch


def png(shelf: Shelf, asked: OfRecipe, progress: Progress) -> Answer:
    """The file that `wspace generate` writes."""
    from wspace.rendering.pictures import PictureNames
    from wspace.rendering.render import render

    pictures = render(shelf.get(asked.model).generator, [asked.recipe])
    name = PictureNames().next(pictures.recipes[0])
    return Answer(facts={"name": f"{name}.png"}, payload=pictures.png(0))


def w_of(shelf: Shelf, asked: OfRecipe, progress: Progress) -> Answer:
    """The recipe with its own w."""
    from wspace.rendering.identity import signed
    from wspace.rendering.render import check_recipes
    from wspace.steering.latents import with_own_w

    generator = shelf.get(asked.model).generator
    check_recipes(generator, [asked.recipe])
    (recipe,) = signed(generator, [with_own_w(generator, asked.recipe)])
    return Answer(facts={"recipe": recipe.to_dict()})


def code(shelf: Shelf, asked: OfRecipe, progress: Progress) -> Answer:
    """The command and the Python code that make the picture."""
    from wspace.recipe.command import RECIPE_FILE, command_of, python_of
    from wspace.rendering.render import check_recipes

    model = shelf.get(asked.model)
    check_recipes(model.generator, [asked.recipe])
    directions = {name: one.edit for name, one in model.directions.items()}
    classes = Classes.of(model.generator)
    command = command_of(
        asked.recipe, model.named, model.layers, directions=directions, classes=classes
    )
    return Answer(
        facts={
            "command": command.line,
            "python": python_of(asked.recipe, model.named, directions=directions),
            "file": None if command.file is None else {"name": RECIPE_FILE, "text": command.file},
        }
    )


def deviation(shelf: Shelf, asked: Deviation, progress: Progress) -> Answer:
    """Where a picture changes with its noise, as a grey picture."""
    from wspace.rendering.deviation import noise_deviation

    model = shelf.get(asked.model)
    tile, white = noise_deviation(
        model.generator, asked.recipe, asked.count, progress=_pausing(progress)
    )
    return images(tile[None], white=white)


def sheet(shelf: Shelf, asked: Sheet, progress: Progress) -> Answer:
    """A sheet as PNG, which carries all its recipes."""
    from wspace.rendering.sheets import mixing_sheet, noise_deviation_sheet, psi_sheet

    generator = shelf.get(asked.model).generator
    how: dict[str, Any] = {"theme": asked.theme, "progress": _pausing(progress)}
    if asked.kind == "mixing":
        if not (asked.rows and asked.columns):
            raise WspaceError("a mixing sheet needs rows and columns: give recipes for both.")
        _check_layers(asked.layers, generator.num_ws)
        drawn = mixing_sheet(generator, asked.rows, asked.columns, asked.layers, **how)
    elif asked.recipe is None:
        raise WspaceError(f"a sheet of kind {asked.kind} needs a recipe: give one.")
    elif asked.kind == "noise":
        drawn = noise_deviation_sheet(generator, asked.recipe, realisations=REALISATIONS, **how)
    else:
        drawn = psi_sheet(generator, [asked.recipe], PSI_VALUES, **how)
    return Answer(facts={"name": f"{asked.kind}.png"}, payload=drawn.png)


def _check_layers(layers: Sequence[int], num_ws: int) -> None:
    if not layers or max(layers) >= num_ws:
        raise WspaceError(f"layers={list(layers)!r:.60}: this model has 0 to {num_ws - 1}.")
