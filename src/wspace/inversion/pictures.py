"""Picture files to inverted pictures: fitted to the model, saved with recipes, sheet and film."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wspace.data.build import BuildConfig, Fit, fit_picture
from wspace.data.pictures import UnreadablePictureError, decode
from wspace.data.source import MAX_FILE_BYTES
from wspace.errors import WspaceError
from wspace.figures.frame import Frame, Theme, readable_scale
from wspace.figures.video import open_film, tile_frames
from wspace.files import atomic_path
from wspace.inversion.invert import InversionConfig, Inverted, invert
from wspace.networks.generator import Generator
from wspace.recipe.document import SheetLayout
from wspace.rendering.pictures import Pictures
from wspace.rendering.render import Progress, render

__all__ = ["InvertedPictures", "Target", "invert_pictures", "read_targets"]

FILM_FRAMES = 120  # of the whole optimisation, spread evenly
FILM_FPS = 20
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # of Pillow, by channels


@dataclass(frozen=True, kw_only=True)
class Target:
    """A picture to invert.

    Attributes:
        name: of its file, without ending.
        pixels: (H, W, C), uint8, fitted to the model.
    """

    name: str
    pixels: npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class InvertedPictures:
    """Inverted pictures, and what they came from.

    Attributes:
        targets: N of them.
        found: N of them.
        pictures: what the recipes draw.
        starts: what the optimiser began with.
    """

    targets: tuple[Target, ...]
    found: tuple[Inverted, ...]
    pictures: Pictures
    starts: Pictures

    def save(
        self, folder: Path, *, sheet: Path | None = None, theme: Theme = "light"
    ) -> list[Path]:
        """Write a PNG with its recipe for each picture, and a sheet of all if asked for.

        Returns:
            The PNGs' paths.

        Raises:
            WspaceError: a file cannot be written.
        """
        paths = self.pictures.save(folder, names=_distinct([one.name for one in self.targets]))
        if sheet is not None:
            self._write_sheet(sheet, theme)
        return paths

    def _write_sheet(self, path: Path, theme: Theme) -> None:
        tiles, captions = [], []
        for target, one, start, end in zip(
            self.targets, self.found, self.starts.pixels, self.pictures.pixels, strict=True
        ):
            tiles += [target.pixels, start, end]
            captions += [target.name, f"{one.start_psnr:.1f} dB", f"{one.psnr:.1f} dB"]
        layout = SheetLayout(
            columns=3,
            title="Inversion",
            note="under each how near it is: peak signal to noise ratio",
            column_labels=("given", "nearest of random ones", "optimised"),
            captions=tuple(caption[:60] for caption in captions),
            header_column=True,
            scale=readable_scale(min(self.targets[0].pixels.shape[:2])),
            theme=theme,
        )
        with atomic_path(path) as temporary:
            Frame(layout, tiles).draw().save(temporary)


def read_targets(
    paths: Sequence[Path], generator: Generator, *, fit: Fit = "crop", background: str = "white"
) -> tuple[Target, ...]:
    """Read picture files, fitted to a model as `data build` fits data.

    Args:
        paths: of pictures in any format that datasets may have.
        generator: says size and channels.
        fit: "crop", "pad" or "squash".
        background: a colour's name or #rrggbb, for transparent and padded places.

    Raises:
        WspaceError: a file that is none, or cannot be read.
    """
    channels = generator.image_channels
    config = BuildConfig(
        size=generator.size,
        fit=fit,
        background=background,
        alpha="keep" if channels == 4 else "lay",
    )
    targets = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise WspaceError(f"cannot read {path}: {error.strerror}: check the path.") from None
        if len(content) > MAX_FILE_BYTES:
            raise WspaceError(f"{path} is larger than {MAX_FILE_BYTES} bytes: make it smaller.")
        try:
            picture = decode(content, config.background_rgb, keep_alpha=channels == 4)
        except UnreadablePictureError as error:
            raise WspaceError(f"{path} is no picture that can be read: {error}.") from None
        fitted = fit_picture(picture, config).convert(_MODES[channels])
        pixels = np.array(fitted).reshape(*generator.size, channels)
        targets.append(Target(name=path.stem, pixels=pixels))
    return tuple(targets)


def invert_pictures(
    generator: Generator,
    targets: Sequence[Target],
    config: InversionConfig,
    *,
    class_index: int | None = None,
    film: Path | None = None,
    progress: Progress | None = None,
) -> InvertedPictures:
    """Invert pictures together.

    Args:
        generator: the model.
        targets: at least one.
        config: see `invert`.
        class_index: see `invert`.
        film: NAME.mp4, NAME.webp or NAME.gif of how they came about.
        progress: called with steps done and steps in all.

    Raises:
        WspaceError: nothing to invert; otherwise as `invert` and `open_film`.
    """
    if not targets:
        raise WspaceError("there is nothing to invert: give at least one picture.")
    every = max(1, config.steps // FILM_FRAMES)
    given = torch.from_numpy(np.stack([target.pixels for target in targets]))
    with contextlib.ExitStack() as stack:
        write = None
        if film is not None:
            write = stack.enter_context(open_film(film, fps=FILM_FPS, loop=False))

        def watch(step: int, pixels: Tensor | None) -> None:
            if progress is not None:
                progress(step, config.steps)
            if write is not None and pixels is not None:
                write(tile_frames(list(pixels.numpy()), len(targets)))

        found = invert(
            generator,
            given,
            config,
            class_index=class_index,
            watch=watch,
            show_every=every if film is not None else None,
        )
    return InvertedPictures(
        targets=tuple(targets),
        found=found,
        pictures=render(generator, [one.recipe for one in found]),
        starts=render(generator, [one.start for one in found]),
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """Names for files, each once."""
    taken: dict[str, int] = {}
    made = []
    for name in names:
        number = taken[name] = taken.get(name, 0) + 1
        made.append(name if number == 1 else f"{name}-{number}")
    return made
