"""Rendered pictures with their recipes: saved as PNGs, or put on one sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from wspace.figures.sheet import Sheet, picture_sheet
from wspace.figures.transparency import with_alpha
from wspace.files import atomic_write_text
from wspace.recipe.document import PictureDocument, RenderedBy
from wspace.recipe.png import png_bytes, write_png
from wspace.recipe.recipe import Recipe
from wspace.recipe.webp import webp_bytes

__all__ = ["PictureNames", "Pictures"]


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
        own = PictureNames()
        names = names or [own.next(recipe) for recipe in self.recipes]
        return list(self.write(folder, names, sidecar))

    def write(self, folder: Path | str, names: Sequence[str], sidecar: bool) -> Iterator[Path]:
        """As `save`, giving each path when its file is there."""
        for name, pixels, recipe in zip(names, self.pixels, self.recipes, strict=True):
            path = Path(folder) / f"{name}.png"
            document = PictureDocument(recipe=recipe, rendered_by=self.rendered_by)
            write_png(path, pixels, document)
            if sidecar:
                atomic_write_text(path.with_suffix(".json"), document.to_json() + "\n")
            yield path

    def png(self, index: int) -> bytes:
        """One of the pictures as the PNG that `save` writes."""
        return png_bytes(self.pixels[index], self.document(index))

    def file(
        self, index: int, kind: Literal["png", "webp"], *, quality: int | None = None
    ) -> bytes:
        """One of the pictures as a file of that kind.

        Args:
            index: which.
            kind: of the file; either carries the recipe.
            quality: of a lossy WebP, 1 to 100; None: lossless.
        """
        if kind == "png":
            return self.png(index)
        return webp_bytes(self.pixels[index], self.document(index), quality=quality)

    def document(self, index: int) -> PictureDocument:
        """What the file of one of the pictures says of it."""
        return PictureDocument(recipe=self.recipes[index], rendered_by=self.rendered_by)

    @property
    def rgba(self) -> npt.NDArray[np.uint8]:
        """(N, H, W, 4): red, green, blue and straight alpha, as screens and browsers take them."""
        return with_alpha(self.pixels)

    @classmethod
    def joined(cls, parts: Sequence[Pictures]) -> Self:
        """The pictures of several batches that were rendered alike, at least one."""
        return cls(
            pixels=np.concatenate([part.pixels for part in parts]),
            recipes=tuple(recipe for part in parts for recipe in part.recipes),
            rendered_by=parts[0].rendered_by,
        )

    def grid(self, **layout: Any) -> Sheet:
        """All pictures on one sheet; see `figures.sheet.picture_sheet` for the arguments."""
        return picture_sheet(self.pixels, self.recipes, self.rendered_by, **layout)


class PictureNames:
    """File names after the seeds where each recipe has one, made distinct by a number."""

    def __init__(self) -> None:
        self._count = 0
        self._used: dict[str, int] = {}

    def next(self, recipe: Recipe) -> str:
        """The name of the next picture."""
        source = recipe.sources[0]
        if len(recipe.sources) == 1 and source.seed is not None:
            name = f"seed{source.seed:04d}"
            if source.class_index is not None:
                name += f"-class{source.class_index}"
        else:
            name = f"picture{self._count:04d}"
        self._count += 1
        self._used[name] = self._used.get(name, 0) + 1
        return name if self._used[name] == 1 else f"{name}-{self._used[name]}"
