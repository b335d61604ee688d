"""Rendered pictures with their recipes: saved as PNGs, or put on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wspace.figures.sheet import Sheet, picture_sheet
from wspace.files import atomic_write_text
from wspace.recipe.document import PictureDocument, RenderedBy
from wspace.recipe.png import write_png
from wspace.recipe.recipe import Recipe

__all__ = ["Pictures"]


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Rendered pictures, each with its recipe.

    Attributes:
        pixels: (N, H, W, C), uint8.
        recipes: N of them, with the model filled in.
        rendered_by: what the last bit depends on.
    """

    pixels: npt.NDArray[np.uint8]
    recipes: tuple[Recipe, ...]
    rendered_by: RenderedBy

    def __len__(self) -> int:
        return len(self.recipes)

    def save(
        self, folder: Path | str, *, names: Sequence[str] | None = None, sidecar: bool = False
    ) -> list[Path]:
        """Write PNGs that carry their recipes.

        Args:
            folder: made if need be.
            names: of the files, without ending; None names them after their seeds.
            sidecar: writes NAME.json beside each, with what the PNG carries.

        Returns:
            The PNGs' paths.

        Raises:
            WspaceError: a file cannot be written.
        """
        names = names or _names(self.recipes)
        paths = [Path(folder) / f"{name}.png" for name in names]
        for path, pixels, recipe in zip(paths, self.pixels, self.recipes, strict=True):
            document = PictureDocument(recipe=recipe, rendered_by=self.rendered_by)
            write_png(path, pixels, document)
            if sidecar:
                atomic_write_text(path.with_suffix(".json"), document.to_json() + "\n")
        return paths

    def grid(self, **layout: Any) -> Sheet:
        """All pictures on one sheet; see `figures.sheet.picture_sheet` for the arguments."""
        return picture_sheet(self.pixels, self.recipes, self.rendered_by, **layout)


def _names(recipes: Sequence[Recipe]) -> list[str]:
    """File names after the seeds where each recipe has one, made distinct by a number."""
    names: list[str] = []
    used: dict[str, int] = {}
    for i, recipe in enumerate(recipes):
        source = recipe.sources[0]
        if len(recipe.sources) == 1 and source.seed is not None:
            name = f"seed{source.seed:04d}"
            if source.class_index is not None:
                name += f"-class{source.class_index}"
        else:
            name = f"picture{i:04d}"
        used[name] = used.get(name, 0) + 1
        names.append(name if used[name] == 1 else f"{name}-{used[name]}")
    return names
