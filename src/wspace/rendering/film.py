"""Walks rendered into a film, or into a folder of pictures that carry their recipes."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wspace.errors import WspaceError
from wspace.figures.sheet import Sheet
from wspace.figures.video import FrameWriter, film_kind, open_film, tile_frames
from wspace.networks.generator import Generator
from wspace.recipe.document import Cell, PictureDocument, RenderedBy, SheetLayout
from wspace.recipe.png import write_png
from wspace.recipe.recipe import Recipe
from wspace.rendering.identity import rendered_by, signed
from wspace.rendering.render import Progress, default_batch_size, even_batch_size, stream
from wspace.rendering.synthesis_cache import RenderPath

__all__ = ["write_walks"]

Pixels = npt.NDArray[np.uint8]  # (H, W, C), C 1, 3 or 4
_Writer = Callable[[int, list[Pixels]], None]  # takes a frame's number and its pictures, one a walk


def write_walks(
    generator: Generator,
    walks: Sequence[Sequence[Recipe]],
    out: Path | str,
    *,
    fps: int = 30,
    loop: bool = False,
    columns: int | None = None,
    scale: int | None = None,
    batch_size: int | None = None,
    path: RenderPath = "folded",
    progress: Progress | None = None,
) -> int:
    """Render walks side by side.

    Args:
        generator: the model.
        walks: the recipes of each walk's frames, all of one length; see
            `interpolation.walk_recipes`.
        out: NAME.mp4, NAME.webp, NAME.gif, or a folder of PNGs; see `video.open_film`.
        fps: frames a second, 1 to 100.
        loop: whether webp and gif start again at the end.
        columns: walks a row; None makes a square.
        scale: see `video.open_film`; not for folders.
        batch_size: see `render`.
        path: see `render`.
        progress: called with frames done and frames in all.

    Returns:
        Frames written: fewer than all after Ctrl-C, which leaves a film that plays. Ctrl-C before
        the first frame is raised on.

    Raises:
        WspaceError: no walks, walks of several lengths, or a place that cannot be written;
            otherwise as `render`.
    """
    lengths = {len(walk) for walk in walks}
    if len(lengths) != 1 or 0 in lengths:
        raise WspaceError(f"walks have {sorted(lengths)} frames: give walks of one length.")
    columns = columns or math.ceil(math.sqrt(len(walks)))
    together = [recipe for frame in zip(*walks, strict=True) for recipe in frame]
    most = default_batch_size(generator) if batch_size is None else batch_size
    size = even_batch_size(len(together), most)
    frames = _frames(generator, together, len(walks), size, path)
    done = 0
    with contextlib.ExitStack() as stack:
        write: _Writer
        if film_kind(out) == "folder":
            by = rendered_by(generator, batch_size=size, path=path)
            write = _folder_writer(generator, walks, Path(out), columns, by)
        else:
            film = stack.enter_context(open_film(out, fps=fps, loop=loop, scale=scale))
            write = _film_writer(film, columns)
        try:
            for number, pictures in enumerate(frames):
                write(number, pictures)
                done += 1
                if progress is not None:
                    progress(done, len(walks[0]))
        except KeyboardInterrupt:
            if done == 0:
                raise
    return done


def _frames(
    generator: Generator,
    together: Sequence[Recipe],
    walks: int,
    batch_size: int,
    path: RenderPath,
) -> Iterator[list[Pixels]]:
    """The pictures of each frame, one a walk."""
    waiting: list[Pixels] = []
    for batch in stream(generator, together, batch_size=batch_size, path=path):
        waiting.extend(batch)
        while len(waiting) >= walks:
            yield waiting[:walks]
            waiting = waiting[walks:]


def _film_writer(film: FrameWriter, columns: int) -> _Writer:
    """Each frame one picture of the film, the walks side by side."""

    def write(_number: int, pictures: list[Pixels]) -> None:
        film(tile_frames(pictures, columns))

    return write


def _folder_writer(
    generator: Generator,
    walks: Sequence[Sequence[Recipe]],
    folder: Path,
    columns: int,
    by: RenderedBy,
) -> _Writer:
    """Each frame a PNG; several walks make each a sheet."""

    def write(number: int, pictures: list[Pixels]) -> None:
        recipes = signed(generator, (walk[number] for walk in walks))
        path = folder / f"frame{number:05d}.png"
        if len(recipes) == 1:
            document = PictureDocument(recipe=recipes[0], rendered_by=by)
            write_png(path, pictures[0], document)
        else:
            Sheet(
                layout=SheetLayout(columns=columns),
                cells=tuple(Cell(recipes=(recipe,)) for recipe in recipes),
                tiles=tuple(pictures),
                rendered_by=by,
            ).save(path)

    return write
