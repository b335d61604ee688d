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
from wspace.files import atomic_path, read_limited
from wspace.formats.difference import with_changes
from wspace.formats.directions import directions_path, read_directions, write_directions
from wspace.formats.model_file import base_of, save_tuned
from wspace.inversion.invert import InversionConfig, Inverted, invert, psnr
from wspace.inversion.tuning import TuningConfig, smallest_changes, tune
from wspace.networks.encoder import Encoder
from wspace.networks.generator import Generator
from wspace.recipe.document import SheetLayout
from wspace.recipe.recipe import Recipe
from wspace.rendering.pictures import Pictures
from wspace.rendering.render import Progress, render

__all__ = [
    "InvertedPictures",
    "Target",
    "Tuned",
    "invert_pictures",
    "read_target",
    "read_targets",
]

FILM_FRAMES = 120  # of the whole optimisation, spread evenly
FILM_FPS = 20
TUNED = ".tuned.safetensors"  # after the first picture's name: the file of a model tuned for it
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

    @property
    def batch(self) -> Tensor:
        """(1, H, W, C), as `invert` takes it."""
        return torch.from_numpy(self.pixels[None])


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A model that was tuned for pictures.

    Attributes:
        base: the whole model that it came from.
        changes: what is stored of it, see `difference.packed`.
        generator: both together, under the name of the file that is to be.
        pictures: what it draws of the recipes.
        psnr: of these, in dB.
    """

    base: Generator
    changes: dict[str, Tensor]
    generator: Generator
    pictures: Pictures
    psnr: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class InvertedPictures:
    """Inverted pictures, and what they came from.

    Attributes:
        targets: N of them.
        found: N of them.
        pictures: what the recipes draw.
        starts: what the optimiser began with.
        by_encoder: whether that came from an encoder.
        tuned: None where nothing was tuned.
    """

    targets: tuple[Target, ...]
    found: tuple[Inverted, ...]
    pictures: Pictures
    starts: Pictures
    by_encoder: bool
    tuned: Tuned | None

    @property
    def psnr(self) -> tuple[float, ...]:
        """Of the last pictures, tuned where that was done; in dB."""
        return tuple(one.psnr for one in self.found) if self.tuned is None else self.tuned.psnr

    @property
    def last(self) -> Pictures:
        """What the recipes draw, with the tuned model where there is one."""
        return self.pictures if self.tuned is None else self.tuned.pictures

    def save(
        self,
        folder: Path,
        *,
        model: Path | str | None = None,
        sheet: Path | None = None,
        theme: Theme = "light",
    ) -> list[Path]:
        """Write a PNG with its recipe for each picture, and a sheet of all if asked for.

        A tuned model goes into the folder, too, with the directions that its base has.

        Args:
            folder: of the files.
            model: that was tuned, as `load` takes it; needed exactly where one was.
            sheet: FILE.png.
            theme: of the sheet.

        Returns:
            The PNGs' paths.

        Raises:
            WspaceError: a file cannot be written.
        """
        if self.tuned is not None:
            assert model is not None
            self._write_model(self.tuned, folder / self.tuned.generator.name, model)
        paths = self.last.save(folder, names=_distinct([one.name for one in self.targets]))
        if sheet is not None:
            self._write_sheet(sheet, theme)
        return paths

    def _write_model(self, tuned: Tuned, path: Path, model: Path | str) -> None:
        names = [target.name for target in self.targets]
        save_tuned(tuned.changes, path, base=model, metadata={"tuned_for": names})
        own = directions_path(path)
        known = read_directions(directions_path(base_of(model)), tuned.base)
        if known or own.exists():
            write_directions(own, tuned.generator, known)

    def _write_sheet(self, path: Path, theme: Theme) -> None:
        columns: list[tuple[str, Sequence[npt.NDArray[np.uint8]], list[str]]] = [
            ("given", [one.pixels for one in self.targets], [one.name for one in self.targets]),
            (
                "encoder" if self.by_encoder else "nearest of random ones",
                list(self.starts.pixels),
                [f"{one.start_psnr:.1f} dB" for one in self.found],
            ),
            ("optimised", list(self.pictures.pixels), [f"{one.psnr:.1f} dB" for one in self.found]),
        ]
        if self.tuned is not None:
            captions = [f"{psnr:.1f} dB" for psnr in self.tuned.psnr]
            columns.append(("tuned", list(self.tuned.pictures.pixels), captions))
        layout = SheetLayout(
            columns=len(columns),
            title="Inversion",
            note="under each how near it is: peak signal to noise ratio",
            column_labels=tuple(label for label, _, _ in columns),
            captions=tuple(
                captions[row][:60] for row in range(len(self.targets)) for _, _, captions in columns
            ),
            header_column=True,
            scale=readable_scale(min(self.targets[0].pixels.shape[:2])),
            theme=theme,
        )
        tiles = [pixels[row] for row in range(len(self.targets)) for _, pixels, _ in columns]
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
    targets = []
    for path in paths:
        content = read_limited(path, MAX_FILE_BYTES)
        try:
            target = read_target(content, path.stem, generator, fit=fit, background=background)
        except UnreadablePictureError as error:
            raise WspaceError(f"{path} is no picture that can be read: {error}.") from None
        targets.append(target)
    return tuple(targets)


def read_target(
    content: bytes, name: str, generator: Generator, *, fit: Fit = "crop", background: str = "white"
) -> Target:
    """The picture that a file holds, fitted to a model; see `read_targets` for the arguments.

    Raises:
        UnreadablePictureError: it is none; the message is the reason alone.
    """
    channels = generator.image_channels
    config = BuildConfig(
        size=generator.size,
        fit=fit,
        background=background,
        alpha="keep" if channels == 4 else "lay",
    )
    picture = decode(content, config.background_rgb, keep_alpha=channels == 4)
    fitted = fit_picture(picture, config).convert(_MODES[channels])
    return Target(name=name, pixels=np.array(fitted).reshape(*generator.size, channels))


def invert_pictures(
    generator: Generator,
    targets: Sequence[Target],
    config: InversionConfig,
    *,
    class_index: int | None = None,
    encoder: Encoder | None = None,
    tuning: TuningConfig | None = None,
    base: Generator | None = None,
    film: Path | None = None,
    progress: Progress | None = None,
) -> InvertedPictures:
    """Invert pictures together, and tune the model for them if asked to.

    Args:
        generator: the model.
        targets: at least one.
        config: see `invert`.
        class_index: see `invert`.
        encoder: see `invert`.
        tuning: how to tune the model; None: not at all.
        base: the whole model, where ``generator`` was tuned from it; else the same.
        film: NAME.mp4, NAME.webp or NAME.gif of how they came about.
        progress: called with steps done and steps in all.

    Raises:
        WspaceError: nothing to invert; otherwise as `invert`, `tune` and `open_film`.
    """
    if not targets:
        raise WspaceError("there is nothing to invert: give at least one picture.")
    before = config.all_steps
    total = before + (0 if tuning is None else tuning.steps)
    every = max(1, total // FILM_FRAMES) if film is not None else None
    given = torch.from_numpy(np.stack([target.pixels for target in targets]))
    with contextlib.ExitStack() as stack:
        write = None
        if film is not None:
            write = stack.enter_context(open_film(film, fps=FILM_FPS, loop=False))

        def watch(step: int, pixels: Tensor | None) -> None:
            if progress is not None:
                progress(step, total)
            if write is not None and pixels is not None:
                write(tile_frames(list(pixels.numpy()), len(targets)))

        found = invert(
            generator,
            given,
            config,
            class_index=class_index,
            encoder=encoder,
            watch=watch,
            show_every=every,
        )
        recipes = [one.recipe for one in found]

        def tuned_further(step: int, model: Generator) -> None:
            shown = every is not None and step % every == 0
            pixels = torch.from_numpy(render(model, recipes).pixels) if shown else None
            watch(before + step, pixels)

        tuned = None
        if tuning is not None:
            model = tune(generator, given, recipes, tuning, after=tuned_further)
            tuned = _tuned(base or generator, model, given, recipes, f"{targets[0].name}{TUNED}")
            if write is not None:
                write(tile_frames(list(tuned.pictures.pixels), len(targets)))
    return InvertedPictures(
        targets=tuple(targets),
        found=found,
        pictures=render(generator, recipes),
        starts=render(generator, [one.start for one in found]),
        by_encoder=encoder is not None and class_index is None,
        tuned=tuned,
    )


def _tuned(
    base: Generator, tuned: Generator, given: Tensor, recipes: Sequence[Recipe], name: str
) -> Tuned:
    changes = smallest_changes(base, tuned, given, recipes)
    generator = with_changes(base, changes)
    generator.name = name
    pictures = render(generator, recipes)
    quality = [
        psnr(torch.from_numpy(one), other)
        for one, other in zip(pictures.pixels, given, strict=True)
    ]
    return Tuned(
        base=base, changes=changes, generator=generator, pictures=pictures, psnr=tuple(quality)
    )


def _distinct(names: Sequence[str]) -> list[str]:
    """Names for files, each once."""
    taken: dict[str, int] = {}
    made = []
    for name in names:
        number = taken[name] = taken.get(name, 0) + 1
        made.append(name if number == 1 else f"{name}-{number}")
    return made
