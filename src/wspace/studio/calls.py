"""What a page can ask for: each call by its name, with its arguments and what answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from wspace.errors import WspaceError, shown
from wspace.plain import from_plain
from wspace.serving.shelf import OpenModel, Shelf
from wspace.studio import longer, pictures, runs
from wspace.studio.arguments import (
    Deviation,
    Drag,
    Film,
    Invert,
    Neighbours,
    Nothing,
    OfModel,
    OfRecipe,
    Rename,
    Render,
    RunSheet,
    Sheet,
    Walk,
)
from wspace.studio.frames import Answer, Call
from wspace.studio.pictures import Progress

__all__ = ["CALLS", "Calls"]


@dataclass(frozen=True)
class _Kind:
    """How a call is answered.

    Attributes:
        arguments: a dataclass.
        answer: is given the shelf, the arguments, what tells of progress and, if there may be one,
            the payload.
        long: whether it takes long, so that others are to be served in between.
        takes_payload: whether bytes may come with it.
    """

    arguments: type
    answer: Callable[..., Answer]
    long: bool = False
    takes_payload: bool = False


def _models(shelf: Shelf, asked: Nothing, progress: Progress) -> Answer:
    facts = {"version": version("wspace"), "models": shelf.listed()}
    return Answer(facts=facts | {"films": longer.film_formats()})


def _open(shelf: Shelf, asked: OfModel, progress: Progress) -> Answer:
    return _described(shelf.get(asked.model))


def _reload(shelf: Shelf, asked: OfModel, progress: Progress) -> Answer:
    return _described(shelf.again(asked.model))


def _rename(shelf: Shelf, asked: Rename, progress: Progress) -> Answer:
    return _described(shelf.rename_direction(asked.model, asked.name, asked.to))


def _described(model: OpenModel) -> Answer:
    can = [name for name in CALLS if _fits(name, model)]
    return Answer(facts={"model": model.described() | {"can": can}})


CALLS: Mapping[str, _Kind] = {
    "models": _Kind(Nothing, _models),
    "open": _Kind(OfModel, _open),
    "render": _Kind(Render, pictures.render),
    "png": _Kind(OfRecipe, pictures.png),
    "neighbours": _Kind(Neighbours, pictures.neighbours, long=True),
    "w_of": _Kind(OfRecipe, pictures.w_of),
    "code": _Kind(OfRecipe, pictures.code),
    "sheet": _Kind(Sheet, pictures.sheet, long=True),
    "deviation": _Kind(Deviation, pictures.deviation, long=True),
    "walk": _Kind(Walk, longer.walk, long=True),
    "film": _Kind(Film, longer.film, long=True),
    "invert": _Kind(Invert, longer.invert, long=True, takes_payload=True),
    "drag": _Kind(Drag, longer.drag, long=True, takes_payload=True),
    "run": _Kind(OfModel, runs.run),
    "run_sheet": _Kind(RunSheet, runs.run_sheet),
    "reload": _Kind(OfModel, _reload),
    "rename_direction": _Kind(Rename, _rename),
}


def _fits(name: str, model: OpenModel) -> bool:
    """Whether a call makes sense for a model."""
    if name == "deviation":
        return bool(model.generator.const_noise)
    if name in ("run", "run_sheet", "reload"):
        return model.entry.kind == "run"
    return True


class Calls:
    """Answers calls with the models of a shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def check(self, call: Call) -> bool:
        """Whether a call takes long, so that others are to be served in between.

        Raises:
            WspaceError: there is no such call, or it takes no bytes.
        """
        if call.name not in CALLS:
            raise WspaceError(f"call={shown(call.name)} is none that this version answers.")
        if call.payload and not CALLS[call.name].takes_payload:
            raise WspaceError(f"{call.name} takes no bytes: send it as text.")
        if call.name == "render":
            recipes = call.arguments.get("recipes")
            return isinstance(recipes, Sequence) and len(recipes) > 1
        return CALLS[call.name].long

    def do(self, call: Call, progress: Progress) -> Answer:
        """Answer a call; raises what is to be told as `WspaceError`."""
        kind = CALLS[call.name]
        asked: Any = from_plain(kind.arguments, dict(call.arguments), what=call.name)
        if kind.takes_payload:
            return kind.answer(self._shelf, asked, progress, call.payload)
        return kind.answer(self._shelf, asked, progress)
