"""Tars of small pictures."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from PIL import Image


def png(color: str = "red", size: int = 8) -> bytes:
    """A PNG of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (size, size), color).save(buffer, "png")
    return buffer.getvalue()


def tar_of(
    path: Path, files: Mapping[str, bytes | str], tar_format: int = tarfile.USTAR_FORMAT
) -> Path:
    """Write a tar of files, each by its name."""
    with tarfile.open(path, "w", format=tar_format) as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path
