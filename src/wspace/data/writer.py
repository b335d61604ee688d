"""Writing a dataset zip in the official layout: the same input gives the same bytes."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from wspace.data.metadata import METADATA_NAME
from wspace.errors import WspaceError
from wspace.files import atomic_path

__all__ = ["DatasetWriter", "image_name", "metadata_bytes", "png_bytes", "write_dataset"]

_TIMESTAMP = (1980, 1, 1, 0, 0, 0)  # the earliest a zip can hold


def image_name(index: int) -> str:
    """Name of picture ``index``, as the official tools name it."""
    return f"{index // 1000:05d}/img{index:08d}.png"


def png_bytes(picture: Image.Image) -> bytes:
    """A picture as PNG, without time or other metadata."""
    buffer = io.BytesIO()
    picture.save(buffer, "png")
    return buffer.getvalue()


def metadata_bytes(metadata: Mapping[str, Any]) -> bytes:
    """The content of ``dataset.json``."""
    try:
        return json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # what others wrote may hold halves of characters
        return json.dumps(metadata, separators=(",", ":")).encode()


class DatasetWriter:
    """Adds pictures, then the metadata, to a zip; made by `write_dataset`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.num_images = 0

    def add(self, png: bytes) -> str:
        """Add a picture; returns its name in the zip."""
        name = image_name(self.num_images)
        self._write(name, png, zipfile.ZIP_STORED)  # PNGs are compressed already
        self.num_images += 1
        return name

    def finish(self, metadata: Mapping[str, Any]) -> None:
        """Write ``dataset.json``; ``metadata`` has the official key ``labels`` and others."""
        self._write(METADATA_NAME, metadata_bytes(metadata), zipfile.ZIP_DEFLATED)

    def _write(self, name: str, content: bytes, compression: int) -> None:
        info = zipfile.ZipInfo(name, _TIMESTAMP)
        info.compress_type = compression
        info.create_system = 3  # the same on every system
        info.external_attr = 0o644 << 16
        self._archive.writestr(info, content)


@contextlib.contextmanager
def write_dataset(path: Path | str) -> Iterator[DatasetWriter]:
    """Yield a `DatasetWriter`; the zip appears at ``path`` whole, or not at all.

    Raises:
        WspaceError: the path does not end in .zip, or the system refused (a full disk).
    """
    path = Path(path)
    if path.suffix.lower() != ".zip":
        raise WspaceError(f"{path} does not end in .zip: datasets are written as zips.")
    with atomic_path(path) as temporary:
        archive = zipfile.ZipFile(temporary, "w")
        try:
            yield DatasetWriter(archive)
            archive.close()
        except BaseException:
            # What the zip would still write is lost anyway, and on a full disk it would fail.
            with contextlib.suppress(OSError):
                archive.close()
            raise
