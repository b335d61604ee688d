"""WebP files that carry their recipe, in the user comment of their Exif data.

Reading trusts nothing: sizes are checked before memory is taken, and nothing is executed. Sources:
RFC 9649 (WebP's container), CIPA DC-008 (Exif).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from wspace.errors import WspaceError
from wspace.recipe.document import (
    MAX_TEXT_BYTES,
    PictureDocument,
    SheetDocument,
    document_from_json,
)

__all__ = ["MAX_SIDE", "is_webp", "read_webp_document", "read_webp_pixels", "webp_bytes"]

MAX_SIDE = 16383  # pixels that the format has room for
MAX_PIXELS = 2**26
_KEYWORD = b"ASCII\0\0\0wspace "  # the code of Exif's comments, and ours
_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286  # tags
_LONG, _UNDEFINED = 4, 7  # types
_HEAD = 12  # bytes
_MOST_CHUNKS = 100


def webp_bytes(
    pixels: npt.NDArray[np.uint8], document: PictureDocument, *, quality: int | None = None
) -> bytes:
    """A WebP that says how it was made.

    Args:
        pixels: (H, W, C), C 1, 3 or 4; grey becomes colour, which WebP has alone.
        document: goes into the Exif data.
        quality: 1 to 100, lossy; None: lossless.

    Raises:
        WspaceError: the picture is larger than a WebP can be.
    """
    if max(pixels.shape[:2]) > MAX_SIDE:
        raise WspaceError(f"a WebP has {MAX_SIDE} pixels a side at most: take PNG.")
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    how = {"lossless": True, "exact": True} if quality is None else {"quality": quality}
    file = io.BytesIO()
    picture.save(file, format="WEBP", exif=_exif_of(document.to_json().encode()), **how)
    return file.getvalue()


def is_webp(head: bytes) -> bool:
    """Whether a file is a WebP, by its first 12 bytes."""
    return head[:4] == b"RIFF" and head[8:_HEAD] == b"WEBP"


def read_webp_document(path: Path | str) -> PictureDocument | SheetDocument:
    """Read what a WebP says of itself.

    Raises:
        WspaceError: no WebP, no recipe in it, or a recipe that is damaged, too large or newer.
    """
    text = None
    try:
        with open(path, "rb") as file:
            for kind, length in _chunks(file, path):
                if kind == b"EXIF":
                    if length > MAX_TEXT_BYTES:
                        raise WspaceError(
                            f"{path}: its Exif data has {length} bytes, more than "
                            f"{MAX_TEXT_BYTES}: no picture that wspace wrote."
                        )
                    text = _comment(file.read(length))
                    break
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror}: check the path.") from None
    if text is None:
        raise WspaceError(
            f"{path} carries no recipe: it was not made by wspace, or another program saved it "
            "again without its Exif data."
        )
    try:
        return document_from_json(text)
    except WspaceError as error:
        raise WspaceError(f"{path}: {error}") from None


def read_webp_pixels(path: Path | str, *, alpha: bool = False) -> npt.NDArray[np.uint8]:
    """Read the pixels of a lossless WebP that `webp_bytes` made.

    Args:
        path: of the file.
        alpha: puts alpha back, which WebP leaves out where it hides nothing.

    Returns:
        (H, W, C), C 3, or 4 with alpha.

    Raises:
        WspaceError: the file is damaged, too large, or lossy.
    """
    try:
        with open(path, "rb") as file:
            for kind, length in _chunks(file, path):
                _check_chunk(kind, file.read(min(length, 10)), path)
        with Image.open(path, formats=["WEBP"]) as picture:
            return np.asarray(picture.convert("RGBA" if alpha or picture.mode == "RGBA" else "RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        if isinstance(error, WspaceError):
            raise
        raise WspaceError(f"{path} is no whole WebP ({error}): fetch it again.") from None


def _check_chunk(kind: bytes, head: bytes, path: Path | str) -> None:
    """Refuse pixels that are not those that were drawn, and more of them than a picture has."""
    if kind == b"VP8 ":
        raise WspaceError(
            f"{path} is a lossy WebP: its pixels are not quite those that were drawn. Give a PNG "
            "or a lossless WebP."
        )
    if kind in (b"ANIM", b"ANMF"):
        raise WspaceError(f"{path} is a film: give one picture.")
    width = height = 0
    if kind == b"VP8X" and len(head) == 10:
        width, height = (int.from_bytes(head[k : k + 3], "little") + 1 for k in (4, 7))
    elif kind == b"VP8L" and len(head) >= 5:
        bits = int.from_bytes(head[1:5], "little")
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if width * height > MAX_PIXELS:
        raise WspaceError(
            f"{path} has {width} x {height} pixels: that is no picture that wspace wrote."
        )


def _chunks(file: BinaryIO, path: Path | str) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk, with the file at its content."""
    if not is_webp(file.read(_HEAD)):
        raise WspaceError(f"{path} is no WebP: give a picture that wspace wrote.")
    place = _HEAD
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8:
            return
        kind, length = struct.unpack("<4sI", head)
        yield kind, length
        place += 8 + length + length % 2


def _exif_of(text: bytes) -> bytes:
    """Exif data with that comment and nothing else."""
    comment = _KEYWORD + text
    first, second = 8, 26  # where the directories lie
    return b"".join(
        [
            struct.pack("<4sI", b"II*\0", first),
            struct.pack("<HHHIII", 1, _EXIF_IFD, _LONG, 1, second, 0),
            struct.pack("<HHHIII", 1, _USER_COMMENT, _UNDEFINED, len(comment), second + 18, 0),
            comment,
        ]
    )


def _comment(exif: bytes) -> bytes | None:
    """The text that `_exif_of` put into Exif data, also after others wrote it anew."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        _, second = _entry(exif, order, first, _EXIF_IFD)
        count, place = _entry(exif, order, second, _USER_COMMENT)
    except (struct.error, LookupError):
        return None
    content = exif[place : place + count]
    return content.removeprefix(_KEYWORD) if content.startswith(_KEYWORD) else None


def _entry(exif: bytes, order: str, directory: int, wanted: int) -> tuple[int, int]:
    """Count and value of a tag; a `LookupError` where the directory has none."""
    (entries,) = struct.unpack_from(f"{order}H", exif, directory)
    for number in range(entries):
        tag, _, count, value = struct.unpack_from(f"{order}HHII", exif, directory + 2 + 12 * number)
        if tag == wanted:
            return count, value
    raise LookupError
