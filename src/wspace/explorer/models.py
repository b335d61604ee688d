"""Models as the page takes them: graphs, and what it needs to know of them."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image

from wspace.errors import WspaceError, command_line
from wspace.exporting.check import MOST_DIFFERENCE, Agreement, Sessions, tried
from wspace.exporting.facts import facts_of
from wspace.exporting.graph import DEFAULT_OPSET, WeightType
from wspace.exporting.graphs import graphs_of
from wspace.exporting.onnx_files import file_content
from wspace.networks.generator import Generator
from wspace.recipe.command import RECIPE_FILE
from wspace.recipe.recipe import Recipe, Source
from wspace.rendering.render import render
from wspace.serving.shelf import OpenModel, Shelf

__all__ = ["PARTS", "PageModel", "page_models"]

PARTS = ("mapping", "synthesis", "defaults")
CALLS = (
    "render",
    "png",
    "neighbours",
    "walk",
    "code",
)  # those of the studio that it answers
LACKS = (
    "This page draws in your browser, with no server. Photographs, dragging points, sheets, films "
    "and training need wspace itself: pip install 'wspace[studio]', then wspace studio."
)
PREVIEW = Recipe(sources=(Source(seed=1),), psi=0.7)
MAX_PREVIEW_SIDE = 256
_PYTHON = """from pathlib import Path

import wspace

generator = wspace.load({name!r})
recipe = wspace.Recipe.from_json(Path({file!r}).read_text())
pictures = wspace.render(generator, [recipe])
print(*pictures.save("out"))
"""


@dataclass(frozen=True, kw_only=True)
class PageModel:
    """A model for the page.

    Attributes:
        name: what its files are called, without what tells them apart.
        weights: how large ones are stored.
        graphs: the files' bytes, by `PARTS`.
        described: what the page is told of it, but for its files.
        agreement: of pictures with wspace's.
    """

    name: str
    weights: WeightType
    graphs: dict[str, bytes]
    described: dict[str, Any]
    agreement: Agreement


def page_models(
    named: list[str], weights: WeightType, *, told: Callable[[str], None] = lambda line: None
) -> list[PageModel]:
    """Models for the page, in order.

    Args:
        named: bundled names, files, run folders, names on a hub.
        weights: how large ones are stored. Where int16 draws something else than wspace, which it
            may with networks of unusual weights, that model takes float32.
        told: is told in a line what takes long.

    Raises:
        WspaceError: there is no such model, it is given twice, or its graphs draw something else.
    """
    made: list[PageModel] = []
    for name in named:
        shelf = Shelf([name], "cpu")
        key = next(iter(shelf.listed()))["key"]
        told(f"{name}: writing its graphs, and comparing what they draw")
        model = _page_model(shelf.get(key), weights)
        twin = next((one for one in made if _sha256(one) == _sha256(model)), None)
        if twin is not None:
            raise WspaceError(f"{name} is {twin.name} once more: give each model once.")
        made.append(model)
    return made


def _sha256(model: PageModel) -> str:
    return str(model.described["model"]["sha256"])


def _page_model(opened: OpenModel, weights: WeightType) -> PageModel:
    generator = opened.generator
    graphs, found = _graphs(generator, weights)
    if weights == "int16" and found.largest >= MOST_DIFFERENCE:
        weights = "float32"
        graphs, found = _graphs(generator, weights)
    if weights == "float32" and found.largest >= MOST_DIFFERENCE:
        raise WspaceError(
            f"the graphs of {opened.entry.title} draw something else than wspace, by up to "
            f"{found.largest:.1f}/255: nothing was written; report it with its configuration."
        )
    return PageModel(
        name=re.sub(r"[^A-Za-z0-9._-]+", "-", opened.entry.title).strip(".-") or "model",
        weights=weights,
        graphs=graphs,
        described=_described(opened) | {"weights": weights},
        agreement=found,
    )


def _graphs(generator: Generator, weights: WeightType) -> tuple[dict[str, bytes], Agreement]:
    built = graphs_of(generator, weights)
    contents = {part: file_content(built[part], part, DEFAULT_OPSET, {}) for part in PARTS}
    return contents, tried(generator, Sessions(contents), parts=True, whole=False)


def _described(opened: OpenModel) -> dict[str, Any]:
    """What the page is told, as JSON."""
    generator, name = opened.generator, opened.generator.name
    facts = facts_of(generator, {}, {})
    previewed = PREVIEW
    if generator.num_classes:
        previewed = PREVIEW.replace(sources=(Source(seed=1, class_index=0),))
    noise = ("deviation",) if generator.const_noise else ()
    kind = "bundled" if opened.entry.kind == "bundled" else "file"
    model = opened.described() | {
        "key": opened.sha256[:16],  # and not from where it lies
        "kind": kind,
        "quick_precision": "fp32",
        "can": [*CALLS, *noise],
        "lacks": LACKS,
    }
    return {
        "model": model,
        "named": name,
        "command": command_line("wspace", "generate", name, "--recipe", RECIPE_FILE),
        "python": _PYTHON.format(name=name, file=RECIPE_FILE),
        "steering": {field: facts[field] for field in ("z_dim", "w_avg", "noise", "styles")},
        "previewed": previewed.to_dict(),
        "preview": _preview(generator, previewed),
    }


def _preview(generator: Generator, recipe: Recipe) -> str:
    """A small picture, as an address that holds it."""
    picture = Image.fromarray(render(generator, [recipe]).rgba[0])
    picture.thumbnail((MAX_PREVIEW_SIDE, MAX_PREVIEW_SIDE))
    file = io.BytesIO()
    picture.save(file, format="WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
