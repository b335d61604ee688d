"""Arrow files with a column of pictures, as the library ``datasets`` keeps data sets on the disk.

Both formats are read: streams, which that library writes, and files, which are streams with a mark
before and an index behind. Cells that are not compressed are read where they lie, without pyarrow
(the extra ``arrow``), and never by mapping the file into memory: one that is cut while it is mapped
would end the process.

Nothing of a message is trusted before memory is taken: its lengths are read and bounded here, and
what pyarrow makes of it is validated before any cell is looked at.

Source: https://arrow.apache.org/docs/format/Columnar.html, "Serialization and Interprocess
Communication (IPC)"; format/Message.fbs and format/Schema.fbs of Apache Arrow.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import IO, Any

import numpy as np

from wspace.data.stores.columns import choose_columns
from wspace.data.stores.flatbuffer import Damaged, Flat
from wspace.data.stores.store import is_named
from wspace.data.stores.tables import MAX_GROUP_BYTES, Table, Tables, check_splits, files_in
from wspace.errors import WspaceError, one_line, reason
from wspace.files import read_limited

__all__ = ["ARROW_SUFFIX", "Arrows", "is_arrow"]

ARROW_SUFFIX = ".arrow"
MAX_METADATA_BYTES = 16 << 20  # of a message, or of a description beside the files
MAX_DICTIONARY_BYTES = 64 << 20  # of all of a file
_MAGIC = b"ARROW1"
_CONTINUES = b"\xff\xff\xff\xff"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3  # types of messages
_CACHED = "cache-"  # how the library calls what it computed from a data set


class Arrows(Tables):
    """An Arrow file, or a folder of those of one split; see `Tables`.

    A folder may be what ``Dataset.save_to_disk`` of the library ``datasets`` wrote, or its cache.
    """

    kind, suffix = "Arrow", ARROW_SUFFIX

    def _table(self, place: Path) -> Table:
        return _ArrowTable(place, self._arrow)

    def _names_in(self) -> tuple[list[str], list[str]]:
        files = files_in(self.path)
        names = [
            name for name in files
            if is_named(name, ARROW_SUFFIX) and not name.startswith(_CACHED)
        ]  # fmt: skip
        names = self._saved(names)
        told = _description(self.path, "dataset_info.json").get("splits")
        known = "|".join(map(re.escape, told)) if isinstance(told, dict) and told else "(?!)"
        split = re.compile(rf"(?:.+-)?({known})(?:-[0-9]{{5}}-of-[0-9]{{5}})?\.arrow")
        numbered = re.compile(r"(.+)-[0-9]{5}-of-[0-9]{5}\.arrow")
        matches = [split.fullmatch(name) or numbered.fullmatch(name) for name in names]
        check_splits(self.path, (match[1] for match in matches if match))
        return names, [name for name in files if name not in names]

    def _saved(self, names: list[str]) -> list[str]:
        """The files that make up a saved data set; all of them where nothing says so."""
        state = _description(self.path, "state.json")
        if state.get("_indices_data_files") or state.get("_indices_files"):
            raise WspaceError(
                f"{self.path} holds a selection of rows beside the rows: save it again with "
                "flatten_indices()."
            )
        listed = state.get("_data_files")
        if not isinstance(listed, list):
            return names
        wanted = [one.get("filename") for one in listed if isinstance(one, dict)]
        lost = [name for name in wanted if name not in names]
        if lost:
            raise WspaceError(
                f"{self.path}: {one_line(str(lost[0]))} is missing ({len(lost)} of {len(wanted)} "
                "files are): copy the folder again."
            )
        return [name for name in names if name in wanted] or names


@dataclass(frozen=True)
class _Message:
    """Where a message lies in a file, and what it says of itself."""

    offset: int
    size: int  # bytes, with its metadata
    kind: int
    num_rows: int


class _ArrowTable(Table):
    def __init__(self, place: Path, arrow: ModuleType) -> None:
        self.place = place
        self._arrow = arrow
        try:
            self._remember()
            with self.opened() as file:
                messages = list(_messages(file))
                kinds = [message.kind for message in messages]
                if kinds[:1] != [_SCHEMA] or not set(kinds[1:]) <= {_DICTIONARY, _BATCH}:
                    raise Damaged("it does not begin with a schema, and go on with rows")
                before = [one for one in messages if one.kind != _BATCH]
                if sum(one.size for one in before) > MAX_DICTIONARY_BYTES + MAX_METADATA_BYTES:
                    raise Damaged(f"dictionaries of more than {MAX_DICTIONARY_BYTES:,} bytes")
                self._before = b"".join(_content(file, one) for one in before)
                schema = arrow.ipc.read_schema(arrow.py_buffer(_content(file, messages[0])))
        except (OSError, ValueError, arrow.ArrowException, RecursionError) as error:
            raise WspaceError(
                f"{place} is no readable Arrow file ({reason(error)}): copy it again."
            ) from None
        told = _description(place.parent, "dataset_info.json").get("features")
        self.columns = choose_columns(schema, place, told)
        self._fields = list(schema.names)
        self._batches = [one for one in messages if one.kind == _BATCH]
        self.starts = [0, *itertools.accumulate(one.num_rows for one in self._batches)]
        # of each picture in a group: where it begins, and its bytes, -1: it has none
        self._positions: dict[int, tuple[Any, Any]] = {}

    def rows(self, group: int) -> Iterator[tuple[int | None, str | None]]:
        """As `Table.rows`."""
        content, paths = self._images(group)
        lengths = self._arrow.compute.binary_length(content).to_pylist()
        yield from zip(lengths, paths or itertools.repeat(None), strict=False)

    def cells(self, group: int) -> list[bytes | None]:
        """As `Table.cells`."""
        return list(self._images(group)[0].to_pylist())

    def labels(self) -> Iterator[Any]:
        """As `Table.labels`."""
        for group in range(self.num_groups):
            yield from self._column(group, self.columns.label)[0].to_pylist()

    def position(self, group: int, row: int) -> tuple[int, int] | None:
        """As `Table.position`; not known where cells are compressed."""
        if group not in self._positions:
            self._images(group)
        begins, lengths = self._positions[group]
        if begins is None:
            return None
        if lengths[row] < 0:
            raise KeyError(row)
        return int(begins[row]), int(lengths[row])

    def _images(self, group: int) -> tuple[Any, list[str | None] | None]:
        """Pictures as an array of binary, and where they once lay; notes where they lie now."""
        column, joined = self._column(group, self.columns.image)
        paths = None
        try:
            if self._arrow.types.is_struct(column.type):
                inside = dict(
                    zip((field.name for field in column.type), column.flatten(), strict=True)
                )
                told = inside.get("path")
                paths = told.to_pylist() if told is not None and _is_text(told) else None
                column = inside["bytes"]
            if str(column.type) not in ("binary", "large_binary"):
                raise OSError("two columns of one name")
        # ValueError: text that is none
        except (KeyError, ValueError, self._arrow.ArrowException) as error:
            raise OSError(reason(error)) from None
        self._positions[group] = self._find(column, self._batches[group], joined)
        return column, paths

    def _find(self, column: Any, batch: _Message, joined: Any) -> tuple[Any, Any]:
        """Where the cells of an array lie in the file; None where they lie elsewhere."""
        _, offsets, data = column.buffers()[:3]
        count, width = len(column), np.int64 if "large" in str(column.type) else np.int32
        if not count or offsets is None or data is None:
            return np.zeros(count, np.int64), np.full(count, -1)
        base = data.address - joined.address
        if not 0 <= base <= base + data.size <= joined.size:
            return None, None
        ends = np.frombuffer(offsets, width, column.offset + count + 1)[column.offset :]
        lengths = np.diff(ends.astype(np.int64))
        lengths[~np.asarray(column.is_valid())] = -1
        begins = batch.offset + base - len(self._before) + ends[:-1].astype(np.int64)
        return begins, lengths

    def _column(self, group: int, name: str | None) -> tuple[Any, Any]:
        """A column of a group of rows, checked, and the bytes that it lies in."""
        batch = self._batches[group]
        with self.opened() as file:
            message = _content(file, batch)
        ipc = self._arrow.ipc
        try:
            _check_unpacked(message)
            joined = self._arrow.py_buffer(self._before + message)
            options = ipc.IpcReadOptions(
                included_fields=[self._fields.index(str(name))], use_threads=False
            )
            column = ipc.open_stream(joined, options=options).read_next_batch().column(0)
            column.validate(full=True)
        except (ValueError, StopIteration, MemoryError, self._arrow.ArrowException) as error:
            raise OSError(reason(error)) from None
        if len(column) != batch.num_rows:
            raise OSError("it does not have the rows that it tells of")
        return column, joined


def is_arrow(path: Path) -> bool:
    """Whether a file is to be read as Arrow: its first bytes say so, or its name does."""
    if not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(8)
    except OSError:
        return False
    return head.startswith((_MAGIC, _CONTINUES)) or path.suffix.lower() == ARROW_SUFFIX


def _messages(file: IO[bytes]) -> Iterator[_Message]:
    """The messages in a stream, or in a file, by what is written before each; bodies are skipped.

    Raises:
        Damaged: it is cut off, or is none.
    """
    end = os.fstat(file.fileno()).st_size
    at = 8 if file.read(len(_MAGIC)) == _MAGIC else 0
    while True:
        file.seek(at)
        prefix = file.read(8)
        if len(prefix) < 8:
            raise Damaged(f"cut off at byte {at:,}")
        if not prefix.startswith(_CONTINUES):
            raise Damaged(f"no message of Arrow 0.15 or later at byte {at:,}")
        (length,) = struct.unpack_from("<i", prefix, 4)
        if length == 0:  # the end of the stream
            return
        if not 0 < length <= MAX_METADATA_BYTES:
            raise Damaged(f"{length:,} bytes of metadata at byte {at:,}")
        message = Flat.root(file.read(length))
        kind, body = message.number(1, "<B"), message.number(3, "<q")
        size = 8 + length + body
        if body < 0 or at + size > end:
            raise Damaged(f"cut off: {body:,} bytes should follow byte {at + 8 + length:,}")
        if size > MAX_GROUP_BYTES:
            raise Damaged(f"a group of rows of {size:,} bytes, more than {MAX_GROUP_BYTES:,}")
        num_rows = message.table(2).number(0, "<q") if kind == _BATCH else 0
        if not 0 <= num_rows <= MAX_GROUP_BYTES:
            raise Damaged(f"{num_rows:,} rows at byte {at:,}")
        yield _Message(at, size, kind, num_rows)
        at += size


def _content(file: IO[bytes], message: _Message) -> bytes:
    file.seek(message.offset)
    content = file.read(message.size)
    if len(content) != message.size:
        raise OSError("it is cut off")
    return content


def _check_unpacked(message: bytes) -> None:
    """Raise Damaged where buffers that are compressed would take too much memory unpacked."""
    (length,) = struct.unpack_from("<i", message, 4)
    rows = Flat.root(message[8 : 8 + length]).table(2)
    if not rows.has(3):
        return
    total, body = 0, 8 + length
    for offset, size in rows.pairs(2):
        if size >= 8:
            if not 0 <= body + offset <= len(message) - 8:
                raise Damaged("a buffer that lies outside")
            (unpacked,) = struct.unpack_from("<q", message, body + offset)
            total += max(unpacked, size)
    if total > MAX_GROUP_BYTES:
        raise Damaged(f"a group of rows of {total:,} bytes, more than {MAX_GROUP_BYTES:,}")


def _description(folder: Path, name: str) -> dict[str, Any]:
    """What a JSON file beside the rows says; empty where there is none, or none that is one."""
    try:
        said = json.loads(read_limited(folder / name, MAX_METADATA_BYTES))
    except (WspaceError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _is_text(column: Any) -> bool:
    return str(column.type) in ("string", "large_string")
