"""Answers about a run that is trained: how it goes, its sheets, its newest model."""

from __future__ import annotations

import contextlib
import math

from wspace.errors import WspaceError, shown
from wspace.serving.shelf import Shelf
from wspace.studio.arguments import OfModel, RunSheet
from wspace.studio.frames import Answer
from wspace.studio.pictures import Progress

__all__ = ["run", "run_sheet"]

MOST_SHEET_BYTES = 64 * 2**20


def run(shelf: Shelf, asked: OfModel, progress: Progress) -> Answer:
    """How far it is, its curves, the names of its sheets."""
    from wspace.formats.model_file import read_metadata
    from wspace.training.run.history import read_history

    entry = shelf.entry(asked.model)
    history = read_history(entry.run)
    newest = None
    with contextlib.suppress(WspaceError):
        kimg = read_metadata(shelf.newest(entry))["metadata"].get("kimg")
        newest = kimg if isinstance(kimg, int | float) and math.isfinite(kimg) else None
    curves = [
        {"chart": chart.title, "name": curve.name, "points": curve.averaged().points}
        for chart in history.charts
        for curve in chart.curves
    ]
    facts = {"kimg": history.kimg, "newest": newest, "curves": curves}
    return Answer(facts=facts | {"sheets": _sheets(shelf, asked.model)})


def run_sheet(shelf: Shelf, asked: RunSheet, progress: Progress) -> Answer:
    """One of its sheets, a PNG."""
    if asked.name not in _sheets(shelf, asked.model):
        raise WspaceError(f"name={shown(asked.name)} is no sheet of the run: choose one of them.")
    path = shelf.entry(asked.model).run / asked.name
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_SHEET_BYTES + 1)
    except OSError as error:
        raise WspaceError(f"cannot read {asked.name}: {error.strerror}: look again.") from None
    if len(content) > MOST_SHEET_BYTES:
        raise WspaceError(f"{asked.name} is larger than {MOST_SHEET_BYTES} bytes: it is no sheet.")
    return Answer(facts={"name": asked.name}, payload=content)


def _sheets(shelf: Shelf, key: str) -> list[str]:
    """The PNGs of a run folder by name, the newest samples first; links are none of them."""
    folder = shelf.entry(key).run
    found = [path for path in folder.glob("*.png") if path.is_file() and not path.is_symlink()]
    names = sorted(path.name for path in found)
    samples = [name for name in names if name.startswith("samples-")]
    return samples[::-1] + [name for name in names if name not in samples]
