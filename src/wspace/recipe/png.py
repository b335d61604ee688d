"""PNG files that carry their recipe in a text chunk named ``wspace``.

Reading trusts nothing: sizes are checked before memory is taken, and nothing is executed.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from wspace.errors import WspaceError
from wspace.files import atomic_write_bytes
from wspace.recipe.document import (
    FIGURE_JSON,
    MAX_TEXT_BYTES,
    PictureDocument,
    SheetDocument,
    document_from_json,
)

__all__ = [
    "MAX_PIXELS", "MAX_TEXT_BYTES", "is_own_picture", "is_png", "png_bytes", "read_document",
    "read_pixels", "write_figure", "write_png",
]  # fmt: skip

KEYWORD = b"wspace"
_PILLOW_UNPACKS = 2**20  # Pillow refuses a PNG whose packed text is larger
_PACK_FROM = 1024  # shorter text stays readable in any viewer
MAX_PIXELS = 2**27
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT_KINDS = (b"tEXt", b"zTXt", b"iTXt")


def is_png(head: bytes) -> bool:
    """Whether a file is a PNG, by its first 8 bytes."""
    return head.startswith(_SIGNATURE)


def write_png(
    path: Path | str, pixels: npt.NDArray[np.uint8], document: PictureDocument | SheetDocument
) -> None:
    """Write a PNG that says how it was made, whole or not at all; see `png_bytes`.

    Raises:
        WspaceError: the file cannot be written, or a sheet has more recipes than a PNG should
            hold.
    """
    atomic_write_bytes(path, png_bytes(pixels, document, what=path))


def png_bytes(
    pixels: npt.NDArray[np.uint8],
    document: PictureDocument | SheetDocument,
    *,
    what: Path | str = "the picture",
) -> bytes:
    """A PNG that says how it was made.

    Args:
        pixels: (H, W, C), C 1, 3 or 4.
        document: goes into the text chunk.
        what: it is called in messages.

    Raises:
        WspaceError: a sheet has more recipes than a PNG should hold.
    """
    text = document.to_json()
    if len(text) > MAX_TEXT_BYTES:
        raise WspaceError(
            f"the recipes of {what} take {len(text)} bytes, more than {MAX_TEXT_BYTES}: "
            "put fewer pictures on the sheet."
        )
    return _encoded(Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels), text)


def write_figure(path: Path | str, picture: Image.Image) -> None:
    """Write a sheet that no recipe makes as a PNG, marked as wspace's own; raises as `atomic_path`.

    Such sheets show real pictures, so that they may lie near data, and are not to become data.
    """
    atomic_write_bytes(path, _encoded(picture, FIGURE_JSON))


def _encoded(picture: Image.Image, text: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text(KEYWORD.decode(), text, zip=_PACK_FROM < len(text) < _PILLOW_UNPACKS)
    file = io.BytesIO()
    picture.save(file, format="PNG", pnginfo=info)
    return file.getvalue()


def is_own_picture(head: bytes) -> bool:
    """Whether a PNG says that wspace made it.

    Args:
        head: its first bytes; the text stands before the pixels.
    """
    place = len(_SIGNATURE)
    while place + 8 <= len(head):
        length, kind = struct.unpack(">I4s", head[place : place + 8])
        if kind in _TEXT_KINDS and head[place + 8 :].startswith(KEYWORD + b"\0"):
            return True
        place += length + 12
    return False


def read_document(path: Path | str) -> PictureDocument | SheetDocument:
    """Read what a PNG says of itself.

    Raises:
        WspaceError: no PNG, no recipe in it, or a recipe that is damaged, too large or newer.
    """
    try:
        with open(path, "rb") as file:
            text = _find_text(file, path)
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror}: check the path.") from None
    if text is None:
        raise WspaceError(
            f"{path} carries no recipe: it was not made by wspace, or another program saved it "
            "again without its text."
        )
    try:
        return document_from_json(text)
    except WspaceError as error:
        raise WspaceError(f"{path}: {error}") from None


def read_pixels(path: Path | str) -> npt.NDArray[np.uint8]:
    """Read the pixels of a PNG that `write_png` wrote.

    Returns:
        (H, W, C), C 1, 3 or 4.

    Raises:
        WspaceError: the file is damaged or too large.
    """
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise WspaceError(
                    f"{path} has {picture.width} x {picture.height} pixels: that is no picture "
                    "that wspace wrote."
                )
            if picture.mode not in ("L", "RGB", "RGBA"):
                raise WspaceError(
                    f"{path} is {picture.mode}, not grey, RGB or RGBA: another program changed it."
                )
            pixels = np.asarray(picture)
    except (OSError, ValueError, SyntaxError) as error:
        if isinstance(error, WspaceError):
            raise
        raise WspaceError(f"{path} is no whole PNG ({error}): fetch it again.") from None
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _find_text(file: BinaryIO, path: Path | str) -> bytes | None:
    """The content of the first text chunk named wspace, unpacked; None without one."""
    if file.read(8) != _SIGNATURE:
        raise WspaceError(f"{path} is no PNG: give a picture that wspace wrote.")
    while True:
        head = file.read(8)
        if len(head) < 8:
            return None
        length, kind = struct.unpack(">I4s", head)
        if kind == b"IEND":
            return None
        if kind not in _TEXT_KINDS:
            file.seek(length + 4, 1)
            continue
        start = file.read(min(length, len(KEYWORD) + 1))
        if start != KEYWORD + b"\0":
            file.seek(length - len(start) + 4, 1)
            continue
        if length > MAX_TEXT_BYTES:
            raise WspaceError(
                f"{path}: its wspace text has {length} bytes, more than {MAX_TEXT_BYTES}: "
                "no picture that wspace wrote."
            )
        rest = file.read(length - len(start))
        check = file.read(4)
        whole = len(check) == 4 and struct.unpack(">I", check)[0] == zlib.crc32(kind + start + rest)
        if not whole:
            raise WspaceError(f"{path}: its wspace text is damaged: fetch the picture again.")
        return _unpack(kind, rest, path)


def _unpack(kind: bytes, rest: bytes, path: Path | str) -> bytes:
    """The text of a chunk, from what follows its keyword."""
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        packed, method, content = True, rest[:1], rest[1:]
    else:  # iTXt: flag, method, language, translated keyword, text
        packed, method = rest[:1] == b"\1", rest[1:2]
        content = rest[2:].split(b"\0", 2)[-1]
    if not packed:
        return content
    try:
        if method != b"\0":
            raise zlib.error("unknown method")
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(content, MAX_TEXT_BYTES)
    except zlib.error:
        raise WspaceError(f"{path}: its wspace text does not unpack: it is damaged.") from None
    if unpacker.unconsumed_tail:
        raise WspaceError(
            f"{path}: its wspace text unpacks to more than {MAX_TEXT_BYTES} bytes: "
            "no picture that wspace wrote."
        )
    return text
