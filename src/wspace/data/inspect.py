"""What a folder, zip or tars of pictures hold, whether they can be trained on; a contact sheet."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from PIL import Image

from wspace.data.checks import check_headers
from wspace.data.labels import Classes, named_folders, read_classes
from wspace.data.metadata import Metadata, keeps_alpha, read_text
from wspace.data.parallel import ordered_map
from wspace.data.pictures import UnreadablePictureError, decode, read_header
from wspace.data.remote.fetch import fetched
from wspace.data.source import (
    MAX_FILE_BYTES,
    PictureSource,
    UnreadableFileError,
    source_in_worker,
)
from wspace.errors import WspaceError
from wspace.figures.contact import contact_sheet
from wspace.recipe.png import write_figure

__all__ = ["DatasetReport", "default_sheet_path", "inspect_dataset"]

SHEET_COLUMNS, SHEET_ROWS = 12, 8
FOLDERS_OF = {
    "tars": "folder of tars",
    "parquets": "folder of parquet",
    "arrows": "folder of arrow",
}


@dataclass(frozen=True, kw_only=True)
class DatasetReport:
    """What `inspect_dataset` found; `to_dict` is plain data for JSON."""

    path: str
    kind: str  # "zip", "folder", "tar", "parquet", "folder of tars" or "... parquet"
    num_images: int
    num_bytes: int  # of the picture files
    sizes: dict[str, int]  # "64 x 64" to the number of pictures, the most frequent first
    channels: dict[str, int]  # Pillow's modes: "RGB", "L", ...
    formats: dict[str, int]
    alpha: str  # "kept" where `wspace train` keeps transparency, else "laid on white"
    classes: Classes | None  # as training numbers them; None where it would see none
    by_folder: bool  # whether folders make them, and not ``dataset.json``
    remarks: tuple[str, ...]  # lines of files that are there and not used
    style: str | None
    licence: str | None
    attribution: str | None
    duplicates: tuple[tuple[str, ...], ...]  # groups of files that are equal byte for byte
    unreadable: tuple[tuple[str, str], ...]  # (name, reason)
    left_out: dict[str, int]  # files that are no data, by kind
    trainable: bool  # `wspace train` takes it as it is
    made_ready: bool  # or makes pictures of one size of it first
    problem: str | None  # why it is not taken as it is, and what to do

    def to_dict(self) -> dict[str, Any]:
        names = self.classes.names if self.classes else None
        counts = self.classes.counts if self.classes else ()
        rows = [
            {"number": number, "name": names[number] if names else None, "pictures": count}
            for number, count in enumerate(counts)
        ]
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {"classes": rows}


@dataclass(frozen=True)
class _Checked:
    """One picture after a full decode; either a size, mode and format, or a problem."""

    width: int = 0
    height: int = 0
    mode: str = ""
    format: str = ""
    problem: str | None = None


def default_sheet_path(path: Path | str) -> Path:
    """Where the contact sheet goes unless told: the working folder; never into the data."""
    resolved = Path(path).resolve()
    name = resolved.name if resolved.is_dir() else resolved.stem
    inside = resolved.is_dir() and Path.cwd().resolve().is_relative_to(resolved)
    return (resolved.parent if inside else Path.cwd()) / f"{name}-sheet.png"


def inspect_dataset(
    path: Path | str,
    sheet: Path | str | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> DatasetReport:
    """Decode every picture of a folder, zip or tars, on all cores, and say what is there.

    Args:
        path: any folder, zip or tars of pictures, ready for training or not.
        sheet: where to write a contact sheet of up to 96 pictures, as PNG; None for no sheet.
        progress: called with (pictures done, all pictures).
        workers: processes; one a core by default.

    Raises:
        WspaceError: nothing there, no pictures, a hostile zip, a sheet that cannot be written, or
            that would lie in the data.
    """
    path = fetched(path).path
    if sheet is not None and Path(sheet).resolve().is_relative_to(Path(path).resolve()):
        raise WspaceError(f"the sheet {sheet} would lie in the data: give another place.")
    source = PictureSource(path)
    source.require_pictures()
    names = [entry.name for entry in source.entries]
    check = functools.partial(_check_chunk, source.path, source.stamp)
    checked = []
    for result in ordered_map(check, [e.stored for e in source.entries], workers=workers):
        checked.append(result)
        if progress is not None:
            progress(len(checked), len(names))
    readable = [(name, c) for name, c in zip(names, checked, strict=True) if c.problem is None]
    if sheet is not None:
        if not readable:
            raise WspaceError(f"{path}: none of the {len(names)} pictures can be read.")
        write_figure(sheet, _contact_sheet(source, readable))
    metadata, metadata_problem = _metadata(source)
    unreadable = tuple((n, c.problem) for n, c in zip(names, checked, strict=True) if c.problem)
    classes, label_problem = _classes(metadata, names)
    told = classes or label_problem or metadata_problem
    folders = None if told else named_folders(source.path, names, metadata)
    duplicates = _duplicates(source)
    size_problem = _size_problem(source)
    problem = metadata_problem or label_problem or size_problem
    made_ready = size_problem is not None and problem == size_problem
    if problem is None and unreadable:
        problem = f"{len(unreadable)} of the pictures cannot be decoded: remove or replace them."
    return DatasetReport(
        path=str(path),
        kind=FOLDERS_OF.get(source.kind, source.kind),
        num_images=len(names),
        num_bytes=sum(entry.size for entry in source.entries),
        sizes=_histogram(f"{c.width} x {c.height}" for _, c in readable),
        channels=_histogram(c.mode for _, c in readable),
        formats=_histogram(c.format for _, c in readable),
        alpha="kept" if keeps_alpha(metadata) else "laid on white",
        classes=classes or folders,
        by_folder=folders is not None,
        remarks=tuple(source.remarks),
        style=read_text(metadata, "style"),
        licence=read_text(metadata, "licence"),
        attribution=read_text(metadata, "attribution"),
        duplicates=duplicates,
        unreadable=unreadable,
        left_out=source.left_out,
        trainable=problem is None,
        made_ready=made_ready,
        problem=problem,
    )


def _check_chunk(path: Path, stamp: tuple[int, int, int], names: Sequence[str]) -> list[_Checked]:
    return [_check(source_in_worker(path, stamp), name) for name in names]


def _check(source: PictureSource, name: str) -> _Checked:
    try:
        content = source.read(name, MAX_FILE_BYTES)
        header = read_header(content)
        decode(content)
    except UnreadablePictureError as error:
        return _Checked(problem=str(error))
    except UnreadableFileError as error:
        return _Checked(problem=error.reason)
    return _Checked(header.width, header.height, header.mode, header.format)


def _metadata(source: PictureSource) -> tuple[Metadata, str | None]:
    try:
        return source.metadata(), None
    except WspaceError as error:
        return Metadata(str(source.path), "", {}), str(error)


def _classes(metadata: Metadata, names: Sequence[str]) -> tuple[Classes | None, str | None]:
    try:
        return read_classes(metadata, names), None
    except WspaceError as error:
        return None, str(error)


def _size_problem(source: PictureSource) -> str | None:
    try:
        check_headers(source)
    except WspaceError as error:
        return str(error)
    return None


def _duplicates(source: PictureSource) -> tuple[tuple[str, ...], ...]:
    """Groups of files with the same content; only files of equal size are read."""
    by_size = defaultdict(list)
    for entry in source.entries:
        by_size[(entry.size, entry.crc)].append(entry.name)
    groups = defaultdict(list)
    for same_size in by_size.values():
        for name in same_size if len(same_size) > 1 else ():
            with contextlib.suppress(UnreadableFileError):  # reported by the full decode
                digest = hashlib.sha256(source.read(name, MAX_FILE_BYTES)).digest()
                groups[digest].append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def _histogram(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _contact_sheet(source: PictureSource, readable: Sequence[tuple[str, _Checked]]) -> Image.Image:
    """Pictures taken evenly from the sorted data."""
    count = min(SHEET_COLUMNS * SHEET_ROWS, len(readable))
    picked = [readable[position * len(readable) // count] for position in range(count)]
    return contact_sheet(
        (decode(source.read(name, MAX_FILE_BYTES), keep_alpha=True) for name, _ in picked),
        side=max(max(checked.width, checked.height) for _, checked in picked),
        columns=SHEET_COLUMNS,
    )
