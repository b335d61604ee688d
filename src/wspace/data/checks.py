"""What training demands of pictures: all square and of one power-of-two size."""

from __future__ import annotations

import hashlib
from pathlib import Path

from wspace.data.pictures import PictureHeader, UnreadablePictureError
from wspace.data.source import PictureSource
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
        if not source.is_zip:
            digest.update(source.head(entry.name))
        header = _header(source, entry.name)
        if header.depth_unknown:
            raise WspaceError(
                f"{source.path}: {one_line(entry.name)} holds numbers of 32 bits and does not say "
                "which one is white: build a dataset of 8 bits: "
                f"{_build_line(source, header)} --depth 8 (or 12, 16, 32)"
            )
        grey &= header.grey
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


def _header(source: PictureSource, name: str) -> PictureHeader:
    try:
        return source.header(name)
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
