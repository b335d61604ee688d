"""A drag from its first step to its last, with a film of it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wspace.dragging.drag import DragConfig, DragState, drag
from wspace.dragging.moves import Mask, Move
from wspace.figures.frame import Frame, Theme
from wspace.figures.moves import mark_moves
from wspace.figures.video import open_film
from wspace.files import atomic_path
from wspace.networks.generator import Generator
from wspace.recipe.document import SheetLayout
from wspace.recipe.recipe import Recipe
from wspace.rendering.pictures import Pictures
from wspace.rendering.render import Progress, render

__all__ = ["Dragged", "drag_picture"]

FILM_FPS = 20


@dataclass(frozen=True, kw_only=True)
class Dragged:
    """How a drag ended.

    Attributes:
        first: the state that it began with.
        last: the state that it ended with.
        pictures: the one picture of the last state, rendered.
        interrupted: whether Ctrl-C ended it.
    """

    first: DragState
    last: DragState
    pictures: Pictures
    interrupted: bool

    @property
    def ended(self) -> str:
        """How near it came, in words."""
        left = "arrived" if self.last.arrived else f"{self.last.distance:.1f} pixels left"
        return f"{left}, {self.last.step} steps"

    def save_sheet(self, path: Path, *, theme: Theme = "light") -> Path:
        """Write the picture before, with its points, and after, as NAME.png.

        Raises:
            WspaceError: the file cannot be written.
        """
        ends = [(end, end) for _, end in self.last.moves]
        layout = SheetLayout(
            columns=3,
            title="Dragging",
            note=self.ended,
            column_labels=("before", "from red to blue", "after"),
            theme=theme,
        )
        pairs = ((self.first, ()), (self.first, self.first.moves), (self.last, ends))
        tiles = [mark_moves(state.pixels, moves) for state, moves in pairs]
        with atomic_path(path) as temporary:
            Frame(layout, tiles).draw().save(temporary)
        return path


def drag_picture(
    generator: Generator,
    recipe: Recipe,
    moves: Sequence[Move],
    *,
    mask: Mask | None = None,
    config: DragConfig,
    film: Path | None = None,
    progress: Progress | None = None,
) -> Dragged:
    """Drag points of a picture until they arrive, the steps are over, or Ctrl-C is pressed.

    Args:
        generator: the model.
        recipe: see `drag`.
        moves: see `drag`.
        mask: see `drag`.
        config: see `drag`.
        film: NAME.mp4, NAME.webp or NAME.gif, a frame a step, with the points marked.
        progress: called with steps done and steps in all.

    Raises:
        WspaceError: as `drag` and `open_film`. Ctrl-C before the first state is raised on.
    """
    states = drag(generator, recipe, moves, mask=mask, config=config)
    first = last = next(states)
    interrupted = False
    with contextlib.ExitStack() as stack:
        write = None
        if film is not None:
            write = stack.enter_context(open_film(film, fps=FILM_FPS, loop=False, scale=1))
            write(mark_moves(first.pixels, first.moves))
        try:
            for last in states:
                if write is not None:
                    write(mark_moves(last.pixels, last.moves))
                if progress is not None:
                    progress(last.step, config.steps)
        except KeyboardInterrupt:
            interrupted = True
    return Dragged(
        first=first,
        last=last,
        pictures=render(generator, [last.recipe]),
        interrupted=interrupted,
    )
