"""Any folder, zip or tars of pictures, ready to be trained on: as it is, or built once and kept.

What is built lies in ``built/`` of `files.cache_root`, in a folder named after all that it depends
on: the content of the pictures, their names, and the settings. It may be deleted at any time; all
of it together takes at most `KEPT_BYTES`, and what was used longest ago goes first.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from wspace.data.build import BuildConfig, BuildReport, build_dataset
from wspace.data.checks import MAX_RESOLUTION, MIN_RESOLUTION, is_resolution
from wspace.data.content import content_digest
from wspace.data.dataset import Dataset
from wspace.data.kinds import describe_left_out
from wspace.data.labels import named_folders
from wspace.data.patience import Say, now_and_then, silent
from wspace.data.pictures import PictureHeader, UnreadablePictureError
from wspace.data.source import Entry, PictureSource, UnreadableFileError
from wspace.errors import WspaceError, command_line, one_line
from wspace.files import atomic_write_text, cache_root
from wspace.sizes import Size

__all__ = ["KEPT_BYTES", "Survey", "built_dataset", "kept_dataset", "place_of"]

KEPT_BYTES = 10 << 30
BUILD = 1  # raised when the same pictures and settings give other bytes
HARDLY = 0.75  # of a side is there: what is missing is made up by enlarging
NAMED = 3  # files that could not be read


class Survey:
    """What the pictures of a source are, by their headers.

    Args:
        source: with pictures.
        say: told how far it is, where looking takes long.

    Raises:
        WspaceError: none of them can be read.
    """

    def __init__(self, source: PictureSource, say: Say = silent) -> None:
        self.source = source
        self._say = say
        self.headers: list[PictureHeader] = []
        self.num_unreadable = 0
        self._there: list[Entry] = []  # those whose bytes can be read
        why = ""
        show = now_and_then(
            say, lambda done, total: f"looking at {source.path}: {done:,} of {total:,} pictures ..."
        )
        for number, entry in enumerate(source.entries):
            show(number, len(source.entries))
            try:
                self.headers.append(source.header(entry.name))
            except UnreadableFileError as error:
                self.num_unreadable += 1
                why = why or f"{one_line(entry.name)}: {error.reason}"
                continue
            except UnreadablePictureError as error:
                self.num_unreadable += 1
                why = why or f"{one_line(entry.name)}: {error}"
            self._there.append(entry)
        if not self.headers:
            raise WspaceError(
                f"{source.path}: none of the {self.num_unreadable} pictures can be read; {why}."
            )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 (hex) over all that the pictures and their descriptions hold."""
        source = self.source
        names = [(entry.name, entry.size, entry.crc) for entry in source.entries]
        content = "" if source.has_checksums else content_digest(source, self._there, self._say)
        metadata = source.metadata()
        told = json.dumps([names, content, metadata.folder, dict(metadata.content)], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()

    @cached_property
    def class_folders(self) -> tuple[str, ...]:
        """The folders that are classes, see `named_folders`; empty where they are not."""
        names = [entry.name for entry in self.source.entries]
        classes = named_folders(self.source.path, names, self.source.metadata())
        return (classes.names or ()) if classes else ()

    @property
    def size(self) -> Size | None:
        """Height and width, where all pictures can be trained on as they are; else None."""
        sizes = {header.size for header in self.headers}
        unknown = self.num_unreadable or any(header.depth_unknown for header in self.headers)
        if unknown or len(sizes) > 1 or not is_resolution(self.headers[0].size.resolution):
            return None
        return self.headers[0].size

    @property
    def largest_size(self) -> int:
        """The largest square of a power of two that three quarters of the pictures nearly have."""
        sides = sorted(min(header.width, header.height) for header in self.headers)
        side = min(max(sides[len(sides) // 4] / HARDLY, MIN_RESOLUTION), MAX_RESOLUTION)
        return 1 << (int(side).bit_length() - 1)

    @property
    def num_with_alpha(self) -> int:
        """Pictures whose pixels say how opaque they are."""
        return sum(header.has_alpha for header in self.headers)

    def describe(self) -> str:
        """Such as ``photos: 312 pictures of 40 x 30 to 4032 x 3024 pixels, colour``."""
        by_area = sorted({header.size for header in self.headers}, key=lambda size: size.area)
        sizes = dict.fromkeys(map(str, (by_area[0], by_area[-1])))
        grey = all(header.grey for header in self.headers)
        return (
            f"{self.source.path}: {len(self.headers):,} pictures of "
            f"{' to '.join(sizes)} pixels, {'grey' if grey else 'colour'}"
        )


def built_dataset(
    survey: Survey, config: BuildConfig, *, by_folder: bool, say: Say = silent
) -> Path:
    """A dataset of all pictures of a source that can be read: kept from before, or built now.

    Args:
        survey: of the source.
        config: size and fit.
        by_folder: the folder of each picture is its class.
        say: told what is done, and what was.

    Returns:
        The zip.

    Raises:
        WspaceError: as `build_dataset`; there is no place to keep it.
    """
    source = survey.source
    place = place_of(survey, config, by_folder)
    kept = _read(place)
    if kept is None:
        report = build_dataset(
            source.path,
            place,
            config,
            labels_from_folders=by_folder,
            progress=now_and_then(
                say,
                lambda done, total: f"making pictures of one size: {done:,} of {total:,} ...",
            ),
        )
        with Dataset.open(place) as made:
            fingerprint = made.fingerprint
        kept = _Kept(
            fingerprint, str(source.path.resolve()), tuple(_lines(report, config, survey.size))
        )
        atomic_write_text(place.with_suffix(".json"), json.dumps(asdict(kept)))
        _remove_oldest(place)
    else:
        _use(place)
    for line in kept.lines:
        say(line)
    say(f"kept in {place}")
    return place


def kept_dataset(fingerprint: str) -> Path | None:
    """The kept dataset with this fingerprint; None where there is none any more.

    Args:
        fingerprint: as `Dataset.fingerprint`, or beginning with it.
    """
    root = _root()
    for description in sorted(root.glob("*/*.json")) if root is not None else ():
        place = description.with_suffix(".zip")
        kept = _read(place)
        if kept is not None and kept.fingerprint and fingerprint.startswith(kept.fingerprint):
            _use(place)
            return place
    return None


@dataclass(frozen=True)
class _Kept:
    """What lies beside a kept dataset."""

    fingerprint: str
    source: str
    lines: tuple[str, ...]  # what was done


def _root() -> Path | None:
    root = cache_root()
    return None if root is None else root / "built"


def place_of(survey: Survey, config: BuildConfig, by_folder: bool) -> Path:
    """Where the dataset of these pictures and settings lies, or will.

    Raises:
        WspaceError: there is no place for such things here.
    """
    source, root = survey.source, _root()
    stem = source.name
    if root is None:
        out = Path(f"{stem}-{config.shape.short}.zip")
        command = command_line(
            "wspace", "data", "build", source.path, out, "--size", config.shape.short
        )
        raise WspaceError(
            f"{source.path} has to be made ready, and there is no place to keep what is made: set "
            f"WSPACE_CACHE to a folder, or choose a place: {command}"
        )
    told = [BUILD, survey.fingerprint, asdict(config), by_folder]
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
    return root / key / f"{one_line(stem)}-{config.shape.short}.zip"


def _read(place: Path) -> _Kept | None:
    """What is beside a kept dataset; None where either is missing or damaged."""
    try:
        told = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
        kept = _Kept(str(told["fingerprint"]), str(told["source"]), tuple(map(str, told["lines"])))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return kept if place.is_file() else None


def _use(place: Path) -> None:
    with contextlib.suppress(OSError):
        os.utime(place.with_suffix(".json"))


def _remove_oldest(newest: Path) -> None:
    """Keep `KEPT_BYTES` at most, the newest in any case."""
    found = []
    for folder in newest.parent.parent.iterdir():
        with contextlib.suppress(OSError):
            status = [file.stat() for file in folder.iterdir()]
            used = max((one.st_mtime for one in status), default=0.0)
            found.append((used, sum(one.st_size for one in status), folder))
    room = KEPT_BYTES - sum(size for _, size, folder in found if folder == newest.parent)
    for _, size, folder in sorted(found, reverse=True):
        room -= 0 if folder == newest.parent else size
        if room < 0 and folder != newest.parent:
            shutil.rmtree(folder, ignore_errors=True)


def _how(config: BuildConfig) -> str:
    return {
        "crop": "the middle of each",
        "pad": f"padded with {'nothing' if config.alpha == 'keep' else config.background}",
        "squash": "squashed",
    }[config.fit]


def _lines(report: BuildReport, config: BuildConfig, before: Size | None) -> list[str]:
    """What was done to pictures of one size, or of several, in a few lines."""
    colors = {1: "grey", 3: "colour", 4: "colour with alpha"}[report.image_channels]
    enlarged = f", {report.num_enlarged:,} of them enlarged" if report.num_enlarged else ""
    how = "" if before == config.shape else f", {_how(config)}"
    lines = [f"made {report.num_images:,} pictures of {config.shape}, {colors}{how}{enlarged}"]
    if config.alpha == "keep" and report.image_channels != 4:
        lines.append("none of them is transparent: there is no alpha to keep")
    if report.left_out:
        lines.append(f"left out: {describe_left_out(report.left_out)}")
    if report.unreadable:
        named = [f"{one_line(name)} ({why})" for name, why in report.unreadable[:NAMED]]
        more = len(report.unreadable) - NAMED
        lines.append(
            f"left out, as they could not be read: {', '.join(named)}"
            + (f" and {more:,} more" if more > 0 else "")
        )
    lines += report.remarks
    lines += [f"{note}: --set depth=8, 12, 16 or 32" for note in report.depth_notes]
    return lines
