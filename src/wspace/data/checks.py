"""What training demands of pictures: all of one size that networks can make."""

from __future__ import annotations

import hashlib
from pathlib import Path

from wspace.data.patience import Say, now_and_then, silent
from wspace.data.pictures import PictureHeader, UnreadablePictureError
from wspace.data.source import PictureSource
from wspace.errors import WspaceError, command_line, one_line
from wspace.sizes import LARGEST_SIDE, Resolution, Size, nearest_size, size_of

__all__ = [
    "MAX_RESOLUTION",
    "MIN_RESOLUTION",
    "byte_limit",
    "check_headers",
    "check_size",
    "is_resolution",
]

MIN_RESOLUTION, MAX_RESOLUTION = 8, LARGEST_SIDE
_SMALL_BLOCKS = "3 x 3 to 16 x 9"


def byte_limit(size: Size) -> int:
    """The most bytes that a picture of this size needs: 16-bit RGBA twice over, and metadata."""
    return 16 * size.area + (4 << 20)


def check_headers(source: PictureSource, say: Say = silent) -> tuple[Size, int, str]:
    """Check that all pictures are of one size that networks can make.

    Args:
        source: with pictures.
        say: told how far it is, where looking takes long.

    Returns:
        The size, the channels that hold all pictures (1 where all are grey, else 3), and a
        digest (hex) of the files' first bytes, but of zips.
    """
    digest = hashlib.sha256()
    first: PictureHeader | None = None
    grey = True
    show = now_and_then(
        say, lambda done, total: f"looking at {source.path}: {done:,} of {total:,} pictures ..."
    )
    for number, entry in enumerate(source.entries):
        show(number, len(source.entries))
        if not source.has_checksums:
            digest.update(source.head(entry.name))
        header = _header(source, entry.name)
        if header.depth_unknown:
            raise WspaceError(
                f"{source.path}: {one_line(entry.name)} holds numbers of 32 bits and does not say "
                "which one is white: build a dataset of 8 bits: "
                f"{_build_line(source, header)} --depth 8 (or 12, 16, 32)"
            )
        grey &= header.grey
        if first is None:
            first = header
        if header.size != first.size:
            raise WspaceError(
                f"{source.path}: {one_line(entry.name)} is {header.size}, but "
                f"{one_line(source.entries[0].name)} is {first.size}: training "
                f"needs one size; make it so: {_build_line(source, first)}"
            )
        if not is_resolution(header.size):
            like = nearest_size(header.size, MIN_RESOLUTION)
            keeps = "" if like.height == like.width else f" (--size {like.short} keeps their shape)"
            raise WspaceError(
                f"{source.path}: {one_line(entry.name)} is {header.size}: training needs "
                f"pictures of {MIN_RESOLUTION}, 16, 32, 64, ... {MAX_RESOLUTION} pixels a side, or "
                f"of {_SMALL_BLOCKS} that often doubled; make them so: "
                f"{_build_line(source, first)}{keeps}"
            )
    assert first is not None  # require_pictures has seen at least one
    return first.size, 1 if grey else 3, digest.hexdigest()


def _header(source: PictureSource, name: str) -> PictureHeader:
    try:
        return source.header(name)
    except UnreadablePictureError as error:
        raise WspaceError(
            f"{source.path}: {one_line(name)} is no readable picture ({error}): remove it, or "
            "build a dataset without it by `wspace data build`."
        ) from None


def is_resolution(size: Resolution) -> bool:
    """Whether pictures of a side, or of a height and width, can be trained on."""
    return min(size_of(size)) >= MIN_RESOLUTION and size_of(size).fits_networks()


def check_size(size: Resolution) -> None:
    """Raise a WspaceError unless `is_resolution`."""
    if not is_resolution(size):
        given = size_of(size)
        like = nearest_size(Size(*(max(side, 1) for side in given)), MIN_RESOLUTION)
        raise WspaceError(
            f"size {given.short} is no power of two from {MIN_RESOLUTION} to {MAX_RESOLUTION}, nor "
            f"a block of {_SMALL_BLOCKS} several times doubled: give {like.short}, for instance."
        )


def _build_line(source: PictureSource, header: PictureHeader) -> str:
    side = min(max(min(header.width, header.height), MIN_RESOLUTION), 1024)
    size = 1 << (side.bit_length() - 1)  # the largest power of two that needs no enlarging
    out = Path(f"{source.name}-{size}.zip")
    return command_line("wspace", "data", "build", source.path, out, "--size", size)
