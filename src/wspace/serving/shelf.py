"""The models that a server shows: which there are, and the few of them that are open.

A page of the studio names a model by its key, which says nothing of where it lies. Keys stay the
same when the server is started again with the same models.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wspace.errors import WspaceError, shown
from wspace.formats.finding import bundled_models, find_model
from wspace.formats.hub import PREFIX
from wspace.recipe.syntax import Layers

if TYPE_CHECKING:
    from wspace.formats.directions import Direction
    from wspace.networks.generator import Generator

__all__ = ["Entry", "OpenModel", "Shelf"]

MOST_OPEN = 3  # models; the one that was used longest ago is closed for another
MOST_PIXELS = 2**24  # of an answer, all pictures together
RUN_FILES = ("model.safetensors", "model-newest.safetensors")  # of a run folder; the best, if two

Kind = Literal["bundled", "file", "run"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model on the shelf.

    Attributes:
        key: what the page calls it.
        title: what people call it.
        kind: "bundled", "file" or "run".
        named: as commands name it: a bundled name, a name on a hub, or the path as it was given.
        place: its file; of a run, the folder.
    """

    key: str
    title: str
    kind: Kind
    named: str
    place: Path

    @property
    def run(self) -> Path:
        """The run folder.

        Raises:
            WspaceError: it is no run.
        """
        if self.kind != "run":
            raise WspaceError(f"{self.title} is no run folder: choose one that is trained.")
        return self.place


@dataclass(frozen=True, kw_only=True)
class OpenModel:
    """A model that is loaded.

    Attributes:
        entry: of it.
        path: of the file that it was loaded from.
        named: as commands name that file.
        generator: the network.
        sha256: of its weights.
        directions: its named ones.
        facts: what its file says of itself, pairs of a label and a text.
        quick_precision: the one that this machine draws faster in, "fp32" or "bf16".
    """

    entry: Entry
    path: Path
    named: str
    generator: Generator
    sha256: str
    directions: dict[str, Direction]
    facts: list[tuple[str, str]]
    quick_precision: str

    @property
    def layers(self) -> Layers:
        """Its layers of ws."""
        return Layers.of(self.generator)

    def check_pixels(self, count: int) -> None:
        """Whether so many pictures can be sent at once.

        Raises:
            WspaceError: they cannot.
        """
        size = self.generator.size
        if count * size.area > MOST_PIXELS:
            raise WspaceError(
                f"{count} pictures of {size} are too many at once: ask for "
                f"{max(1, MOST_PIXELS // size.area)} at most."
            )

    def described(self) -> dict[str, Any]:
        """All that a page needs to know of it, as JSON."""
        generator, groups = self.generator, self.layers.groups
        return {
            "key": self.entry.key,
            "title": self.entry.title,
            "kind": self.entry.kind,
            "open": True,
            "error": None,
            "sha256": self.sha256,
            "width": generator.size.width,
            "height": generator.size.height,
            "channels": generator.image_channels,
            "num_ws": generator.num_ws,
            "w_dim": generator.w_dim,
            "groups": {name: list(layers) for name, layers in groups.items()},
            "num_classes": generator.num_classes,
            "classes": None if generator.class_names is None else list(generator.class_names),
            "noise_layers": list(generator.noise_layers),
            "directions": [
                {"name": name, "edit": _plain(one), "method": _method(one), "about": one.about}
                for name, one in self.directions.items()
            ],
            "facts": [list(fact) for fact in self.facts],
            "quick_precision": self.quick_precision,
        }


class Shelf:
    """The models by their keys. But for `listed`, it is asked by one thread at a time."""

    def __init__(
        self,
        given: Sequence[str],
        device: str = "auto",
        *,
        with_bundled: bool = True,
        most_open: int | None = None,
    ) -> None:
        """Put models on the shelf: those given, then the bundled ones.

        Args:
            given: bundled names, model files, run folders; a run may be without a model yet.
            device: where they are opened.
            with_bundled: whether the bundled ones are there, too.
            most_open: models at a time; None: `MOST_OPEN`.

        Raises:
            WspaceError: there is no such model.
        """
        self._device = device
        self._most_open = MOST_OPEN if most_open is None else most_open
        bundled = [_entry(name) for name in bundled_models()] if with_bundled else []
        entries = [*map(_entry, given), *bundled]
        self._entries = {entry.key: entry for entry in entries}
        self._open: OrderedDict[str, OpenModel] = OrderedDict()

    @property
    def entries(self) -> list[Entry]:
        """The models, in order."""
        return list(self._entries.values())

    def listed(self) -> list[dict[str, Any]]:
        """What there is, in order, as JSON; opens nothing and needs no torch."""
        return [
            {
                "key": entry.key,
                "title": entry.title,
                "kind": entry.kind,
                "open": entry.key in self._open,
                "error": _missing(entry),
            }
            for entry in self._entries.values()
        ]

    def entry(self, key: str) -> Entry:
        """The model of that key.

        Raises:
            WspaceError: there is none.
        """
        if key not in self._entries:
            raise WspaceError(f"model={shown(key)} is none that is here: choose one of those.")
        return self._entries[key]

    def get(self, key: str) -> OpenModel:
        """The model of that key, opened where it is not.

        Raises:
            WspaceError: there is none, or it cannot be loaded.
        """
        if key not in self._open:
            entry = self.entry(key)
            if len(self._open) >= self._most_open:
                self._open.popitem(last=False)
            path = self.newest(entry) if entry.kind == "run" else entry.place
            self._open[key] = self._load(entry, path)
        self._open.move_to_end(key)
        return self._open[key]

    def newest(self, entry: Entry) -> Path:
        """The model of a run that was written last.

        Raises:
            WspaceError: there is none yet, or it is no run.
        """
        return _newest(entry.run)[0]

    def again(self, key: str) -> OpenModel:
        """The model of a run from its newest snapshot.

        Raises:
            WspaceError: it is no run, or the snapshot cannot be loaded; what is open stays.
        """
        newest = self.newest(self.entry(key))
        model = self._load(self.entry(key), newest)  # before the one that is open goes
        self._open[key] = model
        return self.get(key)

    def rename_direction(self, key: str, name: str, new_name: str) -> OpenModel:
        """Give a direction another name, in its file; raises as `directions.rename_direction`."""
        from wspace.formats.directions import rename_direction

        model = self.get(key)
        directions = rename_direction(model.path, model.generator, name, new_name)
        self._open[key] = dataclasses.replace(model, directions=directions)
        return self._open[key]

    def _load(self, entry: Entry, path: Path) -> OpenModel:
        from wspace.formats.directions import directions_path, read_directions
        from wspace.formats.facts import model_facts
        from wspace.formats.model_file import load, read_metadata
        from wspace.machine import choose_device, choose_precision
        from wspace.rendering.identity import identity_of

        # A run's model goes by the folder's name, as in `wspace generate`.
        of_run = entry.kind == "run" and path.name == RUN_FILES[0]
        on_hub = entry.named.startswith(PREFIX)
        loaded = load(
            entry.named if on_hub else path.parent if of_run else path,
            device=choose_device(self._device),
        )
        # Tensors that stay mapped to the file would take the process down with it, if another
        # program wrote into it.
        generator = copy.deepcopy(loaded)
        facts = model_facts(read_metadata(path)["metadata"])
        directions: dict[str, Direction] = {}
        try:
            directions = read_directions(directions_path(path), generator)
        except WspaceError as error:  # such as those of a model that a run has replaced
            facts.append(("directions", str(error)))
        return OpenModel(
            entry=entry,
            path=path,
            named=entry.named if of_run or entry.kind != "run" else str(path),
            generator=generator,
            sha256=identity_of(generator).sha256,
            directions=directions,
            facts=facts,
            quick_precision=choose_precision(generator.w_avg.device.type),
        )


def _entry(given: str) -> Entry:
    """The entry of a model as a command names it; raises as `find_model`."""
    if given in bundled_models():
        place = find_model(given)  # tells of something else that lies here under that name
        return Entry(key=f"bundled-{given}", title=given, kind="bundled", named=given, place=place)
    folder = Path(given)
    kind: Kind = "run" if (folder / "config.json").is_file() else "file"
    place = folder if kind == "run" else find_model(given)
    whole = os.path.realpath(place)
    digest = hashlib.sha256(os.fsencode(whole)).hexdigest()[:12]
    title = Path(whole).name.removesuffix(".safetensors")
    if given.startswith(PREFIX):
        title = given.removeprefix(PREFIX)
    elif folder.is_dir():  # without a run's configuration, such as a copy of its model
        title = Path(os.path.realpath(folder)).name
    return Entry(key=f"{kind}-{digest}", title=title, kind=kind, named=given, place=place)


def _newest(run: Path) -> list[Path]:
    """The models of a run folder, the one that was written last first.

    Raises:
        WspaceError: there are none yet.
    """
    times = {}
    for name in RUN_FILES:
        try:
            times[run / name] = (run / name).stat().st_mtime_ns
        except OSError:
            continue
    if not times:
        raise WspaceError(f"{run.name} has no model yet: a run writes one from time to time.")
    return sorted(times, key=lambda path: times[path], reverse=True)


def _missing(entry: Entry) -> str | None:
    """Why a model cannot be opened now; None where it can."""
    try:
        if entry.kind == "run":
            _newest(entry.run)
    except WspaceError as error:
        return str(error)
    return None if entry.kind == "run" or entry.place.is_file() else "its file is gone"


def _plain(direction: Direction) -> dict[str, Any]:
    from wspace.plain import to_plain

    return to_plain(direction.edit, leave_out_none=True)


def _method(direction: Direction) -> str:
    """How it was found: the first word of what is said of it."""
    return direction.about.partition(" ")[0].rstrip(",:")
