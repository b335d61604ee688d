"""Bytes of an untrusted picture file to an 8-bit RGB picture."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from wspace.errors import WspaceError, reason

__all__ = [
    "FORMATS", "MAX_PICTURE_PIXELS", "PictureHeader", "UnreadablePictureError", "decode_rgb",
    "read_header",
]  # fmt: skip

# Only these decoders ever see the bytes: others (EPS, for one) start programs.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
MAX_PICTURE_PIXELS = 89_478_485  # where Pillow begins to warn of decompression bombs

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}


class UnreadablePictureError(WspaceError):
    """A picture file that cannot be decoded; the message is the reason alone, without the file."""


@dataclass(frozen=True)
class PictureHeader:
    """What a picture file says of itself before it is decoded; sizes are those on disk."""

    width: int
    height: int
    mode: str  # Pillow's name of the pixel layout
    format: str


def read_header(content: bytes) -> PictureHeader:
    """Read size and pixel layout from the first bytes of a picture file, without decoding it.

    Raises:
        UnreadablePictureError: no known picture format, or more pixels than are ever decoded.
    """
    if content[:8] == _PNG_SIGNATURE and content[12:16] == b"IHDR" and len(content) >= 33:
        width, height, depth, color = struct.unpack(">IIBB", content[16:26])
        if width and height and color in _PNG_MODES:
            mode = "I;16" if depth == 16 and color == 0 else _PNG_MODES[color]
            _check_pixels(width, height)
            return PictureHeader(width, height, mode, "PNG")
    with _open(content) as picture:
        return PictureHeader(picture.width, picture.height, picture.mode, str(picture.format))


def decode_rgb(content: bytes, background: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """Decode a picture file to 8-bit RGB: first frame, EXIF rotation applied, alpha on a colour.

    16 bits become 8 by ``round(value / 257)``; grey, palette and CMYK become RGB.

    Args:
        content: the whole file.
        background: red, green, blue in 0..255, shown where the picture is transparent.

    Raises:
        UnreadablePictureError: damaged, truncated, too large, or in an unknown format.
    """
    with _open(content) as picture:
        # Pillow's decoders report damaged input in a dozen exception types: all mean the same here.
        try:
            picture.load()
            return _on_background(_to_8_bit(_upright(picture)), background)
        except UnreadablePictureError:
            raise
        except Exception as error:
            raise UnreadablePictureError(reason(error)) from None


def _open(content: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        raise UnreadablePictureError("not a picture in a known format") from None
    except Image.DecompressionBombError:
        raise UnreadablePictureError(_too_many_pixels()) from None
    except Exception as error:
        raise UnreadablePictureError(reason(error)) from None
    _check_pixels(picture.width, picture.height)
    return picture


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PICTURE_PIXELS:
        raise UnreadablePictureError(f"{width} x {height}: {_too_many_pixels()}")


def _too_many_pixels() -> str:
    return f"more than {MAX_PICTURE_PIXELS:,} pixels: save it smaller"


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged EXIF says nothing about the pixels, which are fine
        return picture


def _to_8_bit(picture: Image.Image) -> Image.Image:
    """Scale pictures of more than 8 bits a channel to 8; others come back as they are."""
    if not (picture.mode.startswith("I") or picture.mode == "F"):
        return picture
    values = np.asarray(picture).astype(np.float32)  # (H, W); 16 bits fit exactly
    low, high = float(values.min()), float(values.max())
    if picture.mode != "F" and low >= 0 and high <= 65535:
        values /= 257
    elif picture.mode == "F" and low >= 0 and high <= 1:
        values *= 255
    elif not (low >= 0 and high <= 255):  # also where NaN compares false
        raise UnreadablePictureError(
            f"{picture.mode} values from {low:g} to {high:g} have no known 8-bit meaning"
        )
    return Image.fromarray(np.rint(values).astype(np.uint8))


def _on_background(picture: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    if not (picture.mode in ("LA", "PA", "La", "RGBA", "RGBa") or "transparency" in picture.info):
        return picture.convert("RGB")
    # Pillow converts PA and La to RGBA only by way of these.
    through = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA"}.get(picture.mode, picture.mode)
    foreground = picture.convert(through).convert("RGBA")
    canvas = Image.new("RGBA", picture.size, (*background, 255))
    canvas.alpha_composite(foreground)
    return canvas.convert("RGB")
