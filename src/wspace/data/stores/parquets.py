"""Parquet files with a column of pictures.

pyarrow does the reading (the extra ``arrow``). Reading a picture means to read the group of rows
that it lies in.

Source: https://parquet.apache.org/docs/file-format/.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from wspace.data.stores.columns import choose_columns
from wspace.data.stores.tables import MAX_GROUP_BYTES, Table, Tables
from wspace.errors import WspaceError, reason

__all__ = ["PARQUET_SUFFIX", "Parquets", "is_parquet"]

PARQUET_SUFFIX = ".parquet"
_MAGIC = b"PAR1"


class Parquets(Tables):
    """A Parquet file, or a folder of those of one split; see `Tables`."""

    kind, suffix = "Parquet", PARQUET_SUFFIX

    def _table(self, place: Path) -> Table:
        return _ParquetTable(place, self._arrow)


class _ParquetTable(Table):
    def __init__(self, place: Path, arrow: ModuleType) -> None:
        self.place = place
        self._arrow = arrow
        try:
            self._file = arrow.parquet.ParquetFile(place)
            schema = self._file.schema_arrow
            self._remember()
        except (OSError, ValueError, arrow.ArrowException, RecursionError) as error:
            raise WspaceError(
                f"{place} is no readable Parquet file ({reason(error)}): copy it again."
            ) from None
        self.columns = choose_columns(schema, place)
        groups = [self._file.metadata.row_group(k) for k in range(self._file.num_row_groups)]
        self.starts = [0, *itertools.accumulate(group.num_rows for group in groups)]
        for group in groups:
            size = group.total_byte_size
            if size > MAX_GROUP_BYTES:
                raise WspaceError(
                    f"{place} has a group of rows of {size:,} bytes, more than "
                    f"{MAX_GROUP_BYTES:,}: write it again with smaller groups."
                )

    def rows(self, group: int) -> Iterator[tuple[int | None, str | None]]:
        """As `Table.rows`."""
        for content, path in self._pictures(group):
            yield None if content is None else len(content), path

    def cells(self, group: int) -> list[bytes | None]:
        """As `Table.cells`."""
        return [content for content, _ in self._pictures(group)]

    def labels(self) -> Iterator[Any]:
        """As `Table.labels`."""
        for group in range(self.num_groups):
            yield from self._column(group, self.columns.label)

    def _pictures(self, group: int) -> list[tuple[bytes | None, str | None]]:
        cells = self._column(group, self.columns.image)
        if not cells or all(cell is None or isinstance(cell, bytes) for cell in cells):
            return [(cell, None) for cell in cells]
        return [(None, None) if c is None else (c["bytes"], _text(c.get("path"))) for c in cells]

    def _column(self, group: int, name: str | None) -> list[Any]:
        self.opened().close()  # whether it is still the same
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


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
