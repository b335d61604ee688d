"""What training demands of pictures: all square and of one power-of-two size."""

from __future__ import annotations

import hashlib
from pathlib import Path

from wspace.data.pictures import PictureHeader, UnreadablePictureError, read_header
from wspace.data.source import HEAD_BYTES, PictureSource
from wspace.errors import WspaceError, command_line, one_line

__all__ = [
    "MAX_RESOLUTION",
    "MIN_RESOLUTION",
    "byte_limit",
    "check_headers",
    "check_size",
    "is_resolution",
]

MIN_RESOLUTION, MAX_RESOLUTION = 8, 4096
# Of Pillow; those with alpha stay grey on a white ground.
_GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F")


def byte_limit(resolution: int) -> int:
    """The most bytes that a picture of this size needs: 16-bit RGBA twice over, and metadata."""
    return 16 * resolution**2 + (4 << 20)


def check_headers(source: PictureSource) -> tuple[int, int, str]:
    """Check that all pictures are square and of one power-of-two size.

    Returns:
        The resolution, the channels that hold all pictures (1 where all are grey, else 3), and a
        digest (hex) of the files' first bytes for folders.
    """
    digest = hashlib.sha256()
    first: PictureHeader | None = None
    grey = True
    for entry in source.entries:
        head = source.head(entry.name)
        if not source.is_zip:
            digest.update(head)
        header = _header(source, entry.name, head)
        grey &= header.mode in _GREY_MODES
        size = (header.width, header.height)
        if first is None:
            first = header
        if size != (first.width, first.height):
            raise WspaceError(
                f"{source.path}: {one_line(entry.name)} is {size[0]} x {size[1]}, but "
                f"{one_line(source.entries[0].name)} is {first.width} x {first.height}: training "
                f"needs one size; make it so: {_build_line(source, first)}"
            )
        if size[0] != size[1] or not is_resolution(size[0]):
            raise WspaceError(
                f"{source.path}: {one_line(entry.name)} is {size[0]} x {size[1]}: training needs "
                f"square pictures of {MIN_RESOLUTION}, 16, 32, 64, ... {MAX_RESOLUTION} pixels; "
                f"make them so: {_build_line(source, first)}"
            )
    assert first is not None  # require_pictures has seen at least one
    return first.width, 1 if grey else 3, digest.hexdigest()


def _header(source: PictureSource, name: str, head: bytes) -> PictureHeader:
    try:
        try:
            return read_header(head)
        except UnreadablePictureError:
            if len(head) < HEAD_BYTES:
                raise
            # Some formats keep their size at the end, or behind large metadata.
            return read_header(source.read(name, byte_limit(MAX_RESOLUTION)))
    except UnreadablePictureError as error:
        raise WspaceError(
            f"{source.path}: {one_line(name)} is no readable picture ({error}): remove it, or "
            "build a dataset without it by `wspace data build`."
        ) from None


def is_resolution(size: int) -> bool:
    """Whether ``size`` is a power of two that networks take."""
    return MIN_RESOLUTION <= size <= MAX_RESOLUTION and size & (size - 1) == 0


def check_size(size: int) -> None:
    """Raise a WspaceError unless `is_resolution`."""
    if not is_resolution(size):
        raise WspaceError(
            f"size {size} is no power of two from {MIN_RESOLUTION} to {MAX_RESOLUTION}: give 64, "
            "for instance."
        )


def _build_line(source: PictureSource, header: PictureHeader) -> str:
    side = min(max(min(header.width, header.height), MIN_RESOLUTION), 1024)
    size = 1 << (side.bit_length() - 1)  # the largest power of two that needs no enlarging
    stem = source.path.resolve().stem if source.is_zip else source.path.resolve().name
    out = Path(f"{stem}-{size}.zip")
    return command_line("wspace", "data", "build", source.path, out, "--size", size)
