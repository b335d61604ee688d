"""Tables with a column of pictures, as data sets on hubs are stored, as named bytes.

A picture is a file in a cell: binary, or the field ``bytes`` of a struct ``{bytes, path}``. Where
the file format says at which byte a cell lies, it is read there; else the group of rows that it
lies in is read, and groups that were read stay in memory, up to `KEPT_BYTES`.
"""

from __future__ import annotations

import bisect
import io
import os
import re
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any, ClassVar

from wspace.data.kinds import PICTURE_SUFFIXES
from wspace.data.stores.columns import Columns
from wspace.data.stores.store import Listed, Store, is_named, stamp_of, system_words
from wspace.errors import WspaceError, one_line

__all__ = ["KEPT_BYTES", "MAX_GROUP_BYTES", "Table", "Tables", "check_splits"]

KEPT_BYTES = 256 << 20  # of groups of rows, in each process
MAX_GROUP_BYTES = 1 << 30  # of one group of rows, once it is unpacked
_NO_PICTURE = "rows without a picture"
_ELSEWHERE = "rows that name a file elsewhere"


class Table(ABC):
    """One file of rows, in groups.

    Attributes:
        place: the file.
        columns: those that matter.
        starts: the first row of each group, and how many rows there are.
    """

    place: Path
    columns: Columns
    starts: Sequence[int]

    @property
    def num_groups(self) -> int:
        """How many groups of rows there are."""
        return len(self.starts) - 1

    @abstractmethod
    def rows(self, group: int) -> Iterator[tuple[int | None, str | None]]:
        """The bytes of each picture in a group (None: there is none), and where it once lay.

        Raises:
            OSError: the file has changed, or is damaged; so do the others.
        """

    @abstractmethod
    def cells(self, group: int) -> list[bytes | None]:
        """The content of each picture in a group of rows."""

    @abstractmethod
    def labels(self) -> Iterator[Any]:
        """What the column of classes holds, row by row."""

    def position(self, group: int, row: int) -> tuple[int, int] | None:
        """Byte and length of a picture in the file, by the row in its group; None: not known.

        Raises:
            KeyError: there is no picture.
        """
        return None

    def opened(self) -> IO[bytes]:
        """The file, which is the one that was listed; raises OSError where it is not."""
        file = open(self.place, "rb")  # noqa: SIM115
        if stamp_of(os.fstat(file.fileno())) != self._stamp:
            file.close()
            raise OSError("the file has changed")
        return file

    def _remember(self) -> None:
        """Have `opened` compare the file with what it is now."""
        self._stamp = stamp_of(os.stat(self.place))


class Tables(Store):
    """The pictures in a file of rows, or in all those of a folder; labels where there are any.

    Stored names are ``ROW`` in a file and ``train.parquet/ROW`` in a folder, with as many digits as
    keep the order.

    Args:
        path: of one split of a data set.

    Raises:
        WspaceError: pyarrow is missing; a file that is damaged, or has no column of pictures;
            files with different columns; several splits.
    """

    is_tabular = True
    kind: ClassVar[str]  # what the files are called
    suffix: ClassVar[str]

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._arrow = self._reader()
        self._others: list[str] = []  # files beside those
        names = [""]
        if path.is_dir():
            names, self._others = self._names_in()
        self._tables = {name: self._table(path / name) for name in names}
        self._groups: OrderedDict[tuple[str, int], tuple[int, list[bytes | None]]] = OrderedDict()
        self._lock = threading.Lock()
        told = {(one.columns.image, one.columns.label, one.columns.classes)
                for one in self._tables.values()}  # fmt: skip
        if len(told) > 1:
            raise WspaceError(
                f"{path}: its {self.kind} files have different columns or classes: give a folder "
                "of one data set, or one of the files."
            )
        ((_, self._label, self._class_names),) = told
        self._remark_labels()

    @abstractmethod
    def _table(self, place: Path) -> Table:
        """One file, opened; raises a WspaceError where it is damaged."""

    def _names_in(self) -> tuple[list[str], list[str]]:
        """The files of rows in the folder, and the others; raises as the class."""
        files = files_in(self.path)
        names = [name for name in files if is_named(name, self.suffix)]
        numbered = re.compile(rf"(.+)-[0-9]{{5}}-of-[0-9]{{5}}{re.escape(self.suffix)}")
        check_splits(self.path, (match[1] for name in names if (match := numbered.fullmatch(name))))
        return names, [name for name in files if name not in names]

    def files(self) -> list[Listed]:
        """As `Store.files`: a picture a row, and the other files of a folder."""
        try:
            found = [
                Listed(name, os.stat(self.path / name).st_size, None, name) for name in self._others
            ]
            for name in self._tables:
                found += self._rows_of(name)
        except OSError as error:
            raise WspaceError(
                f"{self.path}: its {self.kind} is damaged ({system_words(error)}): copy it again."
            ) from None
        if elsewhere := self.left_out[_ELSEWHERE]:
            self.remarks.append(
                f"{self.path}: {elsewhere:,} rows name a picture elsewhere and do not hold it; "
                "such names are not followed: give the folder of the pictures, or save the data "
                "set with the pictures in it."
            )
        return found

    def _rows_of(self, name: str) -> Iterator[Listed]:
        row, table = 0, self._tables[name]
        before = f"{Path(name).stem}-" if name else ""
        for group in range(table.num_groups):
            for size, path in table.rows(group):
                suffix = Path(path or "").suffix.lower()
                told = f"{before}{row:010d}{suffix if suffix in PICTURE_SUFFIXES else ''}"
                if size is None:
                    self.left_out[_ELSEWHERE if path else _NO_PICTURE] += 1
                else:
                    yield Listed(_stored(name, row), size, None, told)
                row += 1

    def columns(self, names: Mapping[str, str]) -> dict[str, Any]:
        """As `Store.columns`: labels and classes."""
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

    def open(self, stored: str) -> tuple[int, IO[bytes]]:
        """As `Store.open`, of a picture or a file beside the tables."""
        if stored in self._others:
            beside = open(self.path / stored, "rb")  # noqa: SIM115
            return os.fstat(beside.fileno()).st_size, beside
        name, _, number = stored.rpartition("/")
        table, row = self._tables[name], int(number)
        if row >= table.starts[-1]:
            raise KeyError(stored)
        group = bisect.bisect_right(table.starts, row) - 1
        position = table.position(group, row - table.starts[group])
        if position is not None:
            file = table.opened()
            file.seek(position[0])
            return position[1], file
        content = self._group(name, group)[row - table.starts[group]]
        if content is None:
            raise KeyError(stored)
        return len(content), io.BytesIO(content)

    def _group(self, name: str, group: int) -> list[bytes | None]:
        with self._lock:
            key = (name, group)
            if key not in self._groups:
                cells = self._tables[name].cells(group)
                self._groups[key] = sum(len(cell or b"") for cell in cells), cells
                total = sum(size for size, _ in self._groups.values())
                while total > KEPT_BYTES and len(self._groups) > 1:
                    _, (size, _) = self._groups.popitem(last=False)
                    total -= size
            self._groups.move_to_end(key)
            return self._groups[key][1]

    def file_of(self, stored: str) -> str:
        """As `Store.file_of`."""
        return stored if stored in self._others else stored.rpartition("/")[0]

    def _remark_labels(self) -> None:
        left = next(iter(self._tables.values())).columns.unused_labels
        if left and self._label is None:
            self.remarks.append(
                f"{self.path}: the columns {', '.join(map(one_line, left))} all hold classes: none "
                "of them is used; name one of them label."
            )

    def _reader(self) -> ModuleType:
        try:
            import pyarrow.compute
            import pyarrow.parquet
        except ImportError:
            raise WspaceError(
                f"{self.path} holds {self.kind}, which needs a package: pip install 'wspace[arrow]'"
            ) from None
        module: ModuleType = pyarrow
        return module


def check_splits(folder: Path, found: Iterator[str]) -> None:
    """Raise a WspaceError where files are of several splits of a data set, by these names."""
    splits = sorted(set(found))
    if len(splits) > 1:
        raise WspaceError(
            f"{folder} holds {len(splits)} splits of a data set, "
            f"{', '.join(map(one_line, splits))}: put the files of one into a folder of their own."
        )


def files_in(folder: Path) -> list[str]:
    """The names of a folder's files, sorted."""
    with os.scandir(folder) as inside:
        return sorted(file.name for file in inside if file.is_file())


def _stored(name: str, row: int) -> str:
    return f"{name}/{row:010d}" if name else f"{row:010d}"
