"""Making a picture again from what it says of itself, and comparing the two."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from wspace.errors import WspaceError
from wspace.figures.sheet import Sheet
from wspace.figures.transparency import on_checks, premultiplied
from wspace.formats.model_file import bundled_models, load
from wspace.networks.generator import Generator
from wspace.recipe.document import PictureDocument, RenderedBy, SheetDocument
from wspace.recipe.picture_file import pixels_of_file
from wspace.recipe.recipe import ModelIdentity, Recipe
from wspace.rendering.identity import identity_of
from wspace.rendering.pictures import Pictures
from wspace.rendering.render import Progress, render
from wspace.rendering.render_path import choose_path
from wspace.rendering.sheets import render_sheet
from wspace.rendering.synthesis_cache import RenderPath

__all__ = ["Comparison", "choose_recorded_device", "compare", "find_recipe_model", "remake"]

_MAX_BATCH_PIXELS = 2**24

Document = PictureDocument | SheetDocument
Pixels = npt.NDArray[np.uint8]  # (H, W, C), C 1, 3 or 4


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How far two renderings of the same recipes lie apart, as they are seen.

    Of pictures with alpha, alpha itself is compared, and colours multiplied by it.

    Attributes:
        largest: difference of any value, 0 to 255.
        mean: difference over all values.
        share_within_8: values that differ by at most 8, as a share.
        promised: whether this is what wspace promises; `why` says what that is.
        why: such as "same rendered_by: bit-identical".
    """

    largest: int
    mean: float
    share_within_8: float
    promised: bool
    why: str


def find_recipe_model(
    document: Document, *, model: str | None, device: str, beside: Path | None = None
) -> Generator:
    """Load the model that a picture was made with.

    Args:
        document: of the picture.
        model: where to look; None looks among the bundled names, then in the working folder and
            beside the picture for the name that the picture gives.
        device: where its tensors go.
        beside: the picture's file.

    Raises:
        WspaceError: it is not found, or what is found has other weights; both are named.
    """
    wanted = _model_of(document)
    if model is not None:
        places: list[Path | str] = [model]
    else:
        name = wanted.name
        near: tuple[Path, ...] = ()
        if name:
            near = (Path(name), Path(f"{name}.safetensors"), Path("runs") / name)
        bundled = bundled_models()
        places = [bundled[name]] if name in bundled else []
        if beside is not None and name:
            near = (*near, beside.parent / name)
        places += [path for path in near if path.exists()]
    found: ModelIdentity | None = None
    for place in places:
        generator = load(place, device=device)
        found = identity_of(generator)
        if found.sha256 == wanted.sha256:
            return generator
    described = f"model {wanted.name or 'without a name'} (sha256 {wanted.sha256[:12]}...)"
    if found is None:
        raise WspaceError(
            f"the picture was made with {described}, which is neither bundled nor in this folder: "
            "say where it is with --model."
        )
    raise WspaceError(
        f"the picture was made with {described}, but {found.name} has sha256 "
        f"{found.sha256[:12]}...: say where the right one is with --model."
    )


def choose_recorded_device(recorded: RenderedBy) -> str:
    """The device that a picture was rendered on, if there is one here; else the CPU."""
    kind = recorded.device.split(" ")[0]
    return "cuda" if kind == "cuda" and torch.cuda.is_available() else "cpu"


def remake(
    document: Document, generator: Generator, *, progress: Progress | None = None
) -> Pictures | Sheet:
    """Render a picture or sheet again, with its own batch size and, where possible, threads.

    Args:
        document: what the picture says of itself.
        generator: the model it names.
        progress: see `render`.

    Returns:
        What it was made as; its ``rendered_by`` says what could not be as before.

    Raises:
        WspaceError: as `render`.

    Warns:
        RuntimeWarning: as `choose_path`.
    """
    recorded = document.rendered_by
    # A hostile file might ask for a batch that fills the memory.
    size = min(recorded.batch_size, max(1, _MAX_BATCH_PIXELS // generator.size.area))
    wanted: RenderPath = "compiled" if recorded.path == "compiled" else "folded"
    with _threads(recorded.threads):
        first = _recipes_of(document)[:1]
        path = choose_path(generator, first, batch_size=size, exact_batch=True, wanted=wanted)
        if isinstance(document, PictureDocument):
            return render(
                generator,
                [document.recipe],
                batch_size=size,
                exact_batch=True,
                path=path,
                progress=progress,
            )
        return render_sheet(
            generator,
            document.layout,
            document.cells,
            batch_size=size,
            exact_batch=True,
            path=path,
            progress=progress,
        )


def compare(document: Document, path: Path | str, made: Pictures | Sheet) -> Comparison:
    """Compare the picture in a file with the one made again.

    Deviation maps count only where everything was rendered as before, since they amplify what is
    allowed to differ.

    Args:
        document: what the file says of itself.
        path: the file.
        made: what `remake` made of it.

    Raises:
        WspaceError: the file's pixels are damaged, or of another size.
    """
    same = made.rendered_by == document.rendered_by
    original = pixels_of_file(path, alpha=isinstance(made, Pictures) and made.pixels.shape[3] == 4)
    pairs: list[tuple[Pixels, Pixels]] = []
    kept: list[Recipe] = []
    allowed = 1
    if isinstance(made, Pictures):
        pairs.append((original, made.pixels[0]))
        kept.extend(made.recipes)
    elif isinstance(document, SheetDocument):
        scale = document.layout.scale
        for cell, tile, (x, y) in zip(made.cells, made.tiles, document.positions, strict=True):
            if tile is None or (cell.show == "deviation" and not same):
                continue
            if tile.shape[2] == 4:
                allowed = 2  # a step of alpha and one of the colour, on what lies behind
            height, width = tile.shape[:2]
            shown = original[y : y + height * scale : scale, x : x + width * scale : scale]
            pairs.append((shown, on_checks(tile, document.layout.theme)))
            kept.extend(cell.recipes)
    return _judge(pairs, kept, same=same, allowed=allowed, path=path)


def _judge(
    pairs: Sequence[tuple[Pixels, Pixels]],
    recipes: Sequence[Recipe],
    *,
    same: bool,
    allowed: int,
    path: Path | str,
) -> Comparison:
    """``allowed``: the largest difference in fp32 where something was rendered otherwise."""
    differences = []
    for original, made in pairs:
        if original.shape[:2] != made.shape[:2]:
            raise WspaceError(
                f"{path} shows a picture of {original.shape[1]} x {original.shape[0]}, its recipe "
                f"makes {made.shape[1]} x {made.shape[0]}: another program changed it."
            )
        if (original.shape[2] == 4) != (made.shape[2] == 4):
            has = "no alpha" if made.shape[2] == 4 else "alpha"
            raise WspaceError(
                f"{path} has {has}, unlike what its recipe makes: another program changed it."
            )
        differences.append(np.abs(premultiplied(original) - premultiplied(made)).ravel())
    values = np.concatenate(differences)
    largest, mean = math.ceil(values.max() - 1e-9), float(values.mean())
    share = float((values <= 8).mean())
    if same:
        promised = all(bool((original == again).all()) for original, again in pairs)
        why = "same rendered_by: bit-identical"
    elif all(recipe.precision == "fp32" for recipe in recipes):
        promised, why = largest <= allowed, f"fp32, another rendered_by: at most {allowed} / 255"
    else:
        promised = mean < 1 and share >= 0.999
        why = "bf16, another rendered_by: on average under 1 / 255, 99.9 % within 8 / 255"
    return Comparison(largest=largest, mean=mean, share_within_8=share, promised=promised, why=why)


def _model_of(document: Document) -> ModelIdentity:
    """The one model that all recipes of a document name."""
    models = {recipe.model for recipe in _recipes_of(document)}
    if len(models) != 1 or (model := models.pop()) is None:
        raise WspaceError("the picture's recipes do not name one model: the file is damaged.")
    return model


def _recipes_of(document: Document) -> list[Recipe]:
    if isinstance(document, PictureDocument):
        return [document.recipe]
    return [recipe for cell in document.cells for recipe in cell.recipes]


@contextlib.contextmanager
def _threads(recorded: int) -> Iterator[None]:
    """Use as many threads as before, where the machine has the cores."""
    before = torch.get_num_threads()
    if recorded <= (os.cpu_count() or 1):
        torch.set_num_threads(recorded)
    try:
        yield
    finally:
        torch.set_num_threads(before)
