"""Parquet files with a column of pictures, as data sets on hubs are stored, as named bytes.

A picture is a file in a cell: binary, or the field ``bytes`` of a struct ``{bytes, path}``. Reading
one means to read the group of rows that it lies in; groups that were read stay in memory, up to
`KEPT_BYTES`. pyarrow does the reading (the extra ``parquet``).

Source: https://huggingface.co/docs/datasets/about_dataset_features, "Image" and "ClassLabel".
"""

from __future__ import annotations

import bisect
import io
import itertools
import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import IO, Any

from wspace.data.kinds import PICTURE_SUFFIXES
from wspace.data.labels import MAX_CLASSES
from wspace.errors import WspaceError, one_line, reason

__all__ = ["KEPT_BYTES", "PARQUET_SUFFIX", "Parquets", "is_parquet"]

PARQUET_SUFFIX = ".parquet"
KEPT_BYTES = 256 << 20  # of groups of rows, in each process
MAX_GROUP_BYTES = 1 << 30  # of one group of rows, once it is unpacked
_MAGIC = b"PAR1"
_IMAGE_NAMES = ("image", "img", "picture", "png", "jpg", "jpeg")
_LABEL_NAMES = ("label", "labels")
_SPLIT = re.compile(r"(.+)-[0-9]{5}-of-[0-9]{5}\.parquet")


class Parquets:
    """The pictures in a Parquet file, or in all those of a folder; labels where there are any.

    Stored names are ``ROW`` in a file and ``train.parquet/ROW`` in a folder, with as many digits as
    keep the order. Reading is safe from several threads.

    Attributes:
        path: the file or folder.

    Args:
        path: of one split of a data set.

    Raises:
        WspaceError: pyarrow is missing; a file that is no Parquet file, or has no column of
            pictures; files with different columns; several splits.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._arrow = _parquet_reader(path)
        self._others: list[str] = []  # files beside those
        names = [""]
        if path.is_dir():
            names, self._others = _files_in(path)
        self._tables = {name: _Table(path / name, self._arrow) for name in names}
        self._groups: OrderedDict[tuple[str, int], tuple[int, list[bytes | None]]] = OrderedDict()
        self._lock = threading.Lock()
        told = {(table.image, table.label, table.classes) for table in self._tables.values()}
        if len(told) > 1:
            raise WspaceError(
                f"{path}: its Parquet files have different columns or classes: give a folder "
                "of one data set, or one of the files."
            )
        ((_, self._label, self._class_names),) = told

    def pictures(self) -> Iterator[tuple[str, str, int | None]]:
        """Stored name, name for people, and bytes (None: an empty cell) of the cell in each row."""
        for name, table in self._tables.items():
            row = 0
            before = f"{Path(name).stem}-" if name else ""
            for group in range(table.num_groups):
                for content, path in table.cells(group):
                    stored = _stored(name, row)
                    suffix = Path(path or "").suffix.lower()
                    told = f"{before}{row:010d}{suffix if suffix in PICTURE_SUFFIXES else ''}"
                    yield stored, told, None if content is None else len(content)
                    row += 1

    def others(self) -> list[tuple[str, int]]:
        """The other files of the folder, and their bytes."""
        return [(name, os.stat(self.path / name).st_size) for name in self._others]

    def metadata(self, names: Mapping[str, str]) -> dict[str, Any]:
        """What the columns say, as ``dataset.json`` would: labels and classes; empty without.

        Args:
            names: what pictures are called, by stored names.
        """
        if self._label is None:
            return {}
        pairs: list[list[Any]] = []
        for name, table in self._tables.items():
            for row, label in enumerate(table.labels()):
                stored = _stored(name, row)
                if stored in names and label is not None:
                    pairs.append([names[stored], label])
        content: dict[str, Any] = {"labels": pairs}
        if self._class_names:
            content["classes"] = list(self._class_names)
        return content

    @property
    def remark(self) -> str | None:
        """A line for people, where columns hold classes and none of them is used."""
        left = next(iter(self._tables.values())).unused_labels
        if not left or self._label is not None:
            return None
        return (
            f"{self.path}: the columns {', '.join(map(one_line, left))} all hold classes: none of "
            "them is used; name one of them label."
        )

    def open(self, stored: str) -> tuple[int, IO[bytes]]:
        """How many bytes a picture, or a file beside the Parquet files, has; and these.

        Raises:
            KeyError: there is no such picture.
            OSError: the file has changed, or is damaged.
        """
        if stored in self._others:
            file = open(self.path / stored, "rb")  # noqa: SIM115
            return os.fstat(file.fileno()).st_size, file
        name, _, row = stored.rpartition("/")
        table = self._tables[name]
        if int(row) >= table.starts[-1]:
            raise KeyError(stored)
        group = bisect.bisect_right(table.starts, int(row)) - 1
        cells = self._group(name, group)
        content = cells[int(row) - table.starts[group]]
        if content is None:
            raise KeyError(stored)
        return len(content), io.BytesIO(content)

    def _group(self, name: str, group: int) -> list[bytes | None]:
        with self._lock:
            key = (name, group)
            if key not in self._groups:
                cells = [content for content, _ in self._tables[name].cells(group)]
                self._groups[key] = sum(len(cell or b"") for cell in cells), cells
                total = sum(size for size, _ in self._groups.values())
                while total > KEPT_BYTES and len(self._groups) > 1:
                    _, (size, _) = self._groups.popitem(last=False)
                    total -= size
            self._groups.move_to_end(key)
            return self._groups[key][1]

    def file_of(self, stored: str) -> str:
        """The file in the folder that a picture lies in; "" where `path` is that file."""
        return stored.rpartition("/")[0]


class _Table:
    """One Parquet file: which columns matter, and their cells."""

    def __init__(self, place: Path, arrow: ModuleType) -> None:
        self.place = place
        self._arrow = arrow
        try:
            self._file = arrow.parquet.ParquetFile(place)
            schema = self._file.schema_arrow
        except (OSError, ValueError, arrow.ArrowException, RecursionError) as error:
            raise WspaceError(
                f"{place} is no readable Parquet file ({reason(error)}): copy it again."
            ) from None
        self._stamp = _stamp(place)
        features = _features(schema.metadata or {})
        self.image = _image_column(schema, features, place)
        self.label, self.unused_labels = _label_column(schema, features)
        self.classes = _class_names(features.get(self.label or ""))
        self.num_groups = self._file.num_row_groups
        rows = [self._file.metadata.row_group(k).num_rows for k in range(self.num_groups)]
        self.starts = [0, *itertools.accumulate(rows)]
        for group in range(self.num_groups):
            size = self._file.metadata.row_group(group).total_byte_size
            if size > MAX_GROUP_BYTES:
                raise WspaceError(
                    f"{place} has a group of rows of {size:,} bytes, more than "
                    f"{MAX_GROUP_BYTES:,}: write it again with smaller groups."
                )

    def cells(self, group: int) -> list[tuple[bytes | None, str | None]]:
        """The content of each picture in a group of rows, and where it once lay."""
        cells = self._column(group, self.image)
        if not cells or all(cell is None or isinstance(cell, bytes) for cell in cells):
            return [(cell, None) for cell in cells]
        return [(None, None) if c is None else (c["bytes"], _text(c.get("path"))) for c in cells]

    def labels(self) -> Iterator[int | None]:
        for group in range(self.num_groups):
            yield from self._column(group, self.label)

    def _column(self, group: int, name: str | None) -> list[Any]:
        if _stamp(self.place) != self._stamp:
            raise OSError("the Parquet file has changed")
        try:
            table = self._file.read_row_group(group, columns=[name], use_threads=False)
            cells = list(table.column(0).to_pylist())
        except (ValueError, self._arrow.ArrowException) as error:  # ValueError: text that is none
            raise OSError(reason(error)) from None
        if len(cells) != self.starts[group + 1] - self.starts[group]:
            raise OSError("it does not have the rows that it tells of")
        return cells


def is_parquet(path: Path) -> bool:
    """Whether a file is to be read as Parquet: its first bytes say so, or its name does."""
    if not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(len(_MAGIC))
    except OSError:
        return False
    return head == _MAGIC or path.suffix.lower() == PARQUET_SUFFIX


def _parquet_reader(path: Path) -> ModuleType:
    try:
        import pyarrow.parquet
    except ImportError:
        raise WspaceError(
            f"{path} holds Parquet, which needs a package: pip install 'wspace[parquet]'"
        ) from None
    module: ModuleType = pyarrow
    return module


def _files_in(folder: Path) -> tuple[list[str], list[str]]:
    """The Parquet files of a folder, and the others."""
    with os.scandir(folder) as inside:
        files = sorted(file.name for file in inside if file.is_file())
    names = [
        name for name in files
        if name.lower().endswith(PARQUET_SUFFIX) and not name.startswith(".")
    ]  # fmt: skip
    splits = sorted({match[1] for name in names if (match := _SPLIT.fullmatch(name))})
    if len(splits) > 1:
        raise WspaceError(
            f"{folder} holds {len(splits)} splits of a data set, "
            f"{', '.join(map(one_line, splits))}: put the files of one into a folder of their own."
        )
    return names, [name for name in files if name not in names]


def _stored(name: str, row: int) -> str:
    return f"{name}/{row:010d}" if name else f"{row:010d}"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _stamp(place: Path) -> tuple[int, int, int]:
    status = os.stat(place)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _features(metadata: Mapping[bytes, bytes]) -> dict[str, Any]:
    """What the library ``datasets`` wrote of the columns, by name; empty where it wrote nothing."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
    except (KeyError, ValueError, TypeError, RecursionError):
        return {}
    if not isinstance(features, dict):
        return {}
    return {name: said for name, said in features.items() if isinstance(said, dict)}


def _image_column(schema: Any, features: Mapping[str, Any], place: Path) -> str:
    found = [field.name for field in schema if _may_hold_pictures(field.type)]
    told = [name for name in found if features.get(name, {}).get("_type") == "Image"]
    for names in (told, found):
        named = [name for name in _IMAGE_NAMES if name in names]
        if named or len(names) == 1:
            return named[0] if named else names[0]
    columns = ", ".join(one_line(name) for name in schema.names[:20]) or "none"
    raise WspaceError(
        f"{place}: no column of it is surely that of pictures (columns: {columns}): name one of "
        "binary, or of structs with bytes, image."
    )


def _may_hold_pictures(kind: Any) -> bool:
    binary = ("binary", "large_binary")
    if str(kind) in binary:
        return True
    fields = [kind.field(k) for k in range(kind.num_fields)] if _is_struct(kind) else []
    return any(field.name == "bytes" and str(field.type) in binary for field in fields)


def _is_struct(kind: Any) -> bool:
    return str(kind).startswith("struct<")


def _label_column(schema: Any, features: Mapping[str, Any]) -> tuple[str | None, list[str]]:
    """The column of classes, or None and those of which none was chosen."""
    whole = [f.name for f in schema if re.fullmatch(r"u?int(8|16|32|64)", str(f.type))]
    told = [name for name in whole if features.get(name, {}).get("_type") == "ClassLabel"]
    named = [name for name in _LABEL_NAMES if name in whole]
    if named or len(told) == 1:
        return (named or told)[0], []
    return None, told


def _class_names(said: Mapping[str, Any] | None) -> tuple[str, ...] | None:
    names = (said or {}).get("names")
    if not isinstance(names, list) or len(names) > MAX_CLASSES:
        return None
    return tuple(name if isinstance(name, str) else "" for name in names)
