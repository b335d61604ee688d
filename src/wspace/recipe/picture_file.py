"""Picture files that carry their recipe, PNG or WebP, whichever a file is by its first bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from wspace.errors import WspaceError
from wspace.recipe.document import PictureDocument, SheetDocument, read_recipe
from wspace.recipe.png import is_png, read_document, read_pixels
from wspace.recipe.recipe import Recipe
from wspace.recipe.webp import is_webp, read_webp_document, read_webp_pixels

__all__ = ["document_of_file", "pixels_of_file", "recipe_of_file"]


def document_of_file(path: Path | str) -> PictureDocument | SheetDocument:
    """What a picture says of itself; raises as `read_document` and `read_webp_document`."""
    return read_webp_document(path) if is_webp(_head(path)) else read_document(path)


def pixels_of_file(path: Path | str, *, alpha: bool = False) -> npt.NDArray[np.uint8]:
    """Its pixels, (H, W, C); see `read_webp_pixels` for ``alpha``, and both for what they raise."""
    return read_webp_pixels(path, alpha=alpha) if is_webp(_head(path)) else read_pixels(path)


def recipe_of_file(path: Path | str) -> Recipe:
    """The recipe of one picture: from the picture itself, or from a JSON file.

    Raises:
        WspaceError: the file cannot be read, or holds something else.
    """
    head = _head(path)
    if not (is_png(head) or is_webp(head)):
        return read_recipe(path)
    document = document_of_file(path)
    if not isinstance(document, PictureDocument):
        raise WspaceError(f"{path} is a sheet: give the recipe of one picture.")
    return document.recipe


def _head(path: Path | str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(12)
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror}: check the path.") from None
