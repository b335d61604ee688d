"""Which kind of place a path is, and that place opened."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from wspace.data.stores.arrows import ARROW_SUFFIX, Arrows, is_arrow
from wspace.data.stores.folders import Folder
from wspace.data.stores.parquets import PARQUET_SUFFIX, Parquets, is_parquet
from wspace.data.stores.store import Store, holds_only
from wspace.data.stores.tars import TAR_SUFFIX, Tars, is_tar
from wspace.data.stores.zips import Zip

__all__ = ["StoreKind", "holds_many", "kind_of_store", "open_store"]

StoreKind = Literal["folder", "zip", "tar", "tars", "parquet", "parquets", "arrow", "arrows"]

_STORES: dict[StoreKind, type[Store]] = {
    "folder": Folder,
    "zip": Zip,
    "tar": Tars,
    "tars": Tars,
    "parquet": Parquets,
    "parquets": Parquets,
    "arrow": Arrows,
    "arrows": Arrows,
}


def kind_of_store(path: Path) -> StoreKind:
    """What a folder or file is to be read as; a file that is nothing else is taken for a zip."""
    if path.is_dir():
        if holds_only(path, TAR_SUFFIX):
            return "tars"
        if holds_only(path, PARQUET_SUFFIX):
            return "parquets"
        return "arrows" if holds_only(path, ARROW_SUFFIX) else "folder"
    if is_tar(path):
        return "tar"
    if is_parquet(path):
        return "parquet"
    return "arrow" if is_arrow(path) else "zip"


def open_store(path: Path, kind: StoreKind) -> Store:
    """The place of this kind, opened; raises as the kind does."""
    return _STORES[kind](path)


def holds_many(path: Path) -> bool:
    """Whether a file holds pictures in a way of its own: a tar or a table."""
    return path.is_file() and (is_tar(path) or is_parquet(path) or is_arrow(path))
