"""Bytes of an untrusted picture file to 8-bit pixels: grey or colour, as the file has them."""

from __future__ import annotations

import contextlib
import io
import struct
from dataclasses import dataclass
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from wspace.data.colors import in_srgb
from wspace.data.kinds import picture_kind, what_reads
from wspace.errors import WspaceError, reason
from wspace.sizes import Size

__all__ = [
    "DEEP_MODES", "FORMATS", "MAX_PICTURE_PIXELS", "PictureHeader", "UnreadablePictureError",
    "decode", "largest_value", "read_header", "smallest_white", "with_tidy_alpha",
]  # fmt: skip

# Only these decoders ever see the bytes: others (EPS, for one) start programs.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF")
MAX_PICTURE_PIXELS = 89_478_485  # where Pillow begins to warn of decompression bombs
WHITE = (255, 255, 255)
_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)  # of EXIF

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
# Of Pillow; grey ones with alpha stay grey on a white ground.
_16_BIT_MODES = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
DEEP_MODES = _16_BIT_MODES | {"I", "F"}  # more than 8 bits
_GREY_MODES = DEEP_MODES | {"1", "L", "LA", "La"}
_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


class UnreadablePictureError(WspaceError):
    """A picture file that cannot be decoded; the message is the reason alone, without the file."""


@dataclass(frozen=True)
class PictureHeader:
    """What a picture file says of itself before it is decoded; sizes are those of it upright."""

    width: int
    height: int
    mode: str  # Pillow's name of the pixel layout
    format: str

    @property
    def size(self) -> Size:
        """Height and width."""
        return Size(self.height, self.width)

    @property
    def has_alpha(self) -> bool:
        """Whether pixels say how opaque they are; others may name one value as transparent."""
        return self.mode in _ALPHA_MODES

    @property
    def grey(self) -> bool:
        """Whether the pixels have no colour."""
        return self.mode in _GREY_MODES

    @property
    def depth_unknown(self) -> bool:
        """Whether the file does not say which value is white: 32-bit and fractional numbers."""
        return self.mode in ("I", "F") and not self.of_16_bits

    @property
    def of_16_bits(self) -> bool:
        """Whether white is 65535."""
        # Pillow has 16-bit PPM, and earlier 16-bit PNG, as 32-bit numbers.
        return self.mode in _16_BIT_MODES or (self.mode == "I" and self.format in ("PNG", "PPM"))


def read_header(content: bytes | IO[bytes]) -> PictureHeader:
    """Read size and pixel layout from the first bytes of a picture file, without decoding it.

    Args:
        content: those bytes, or the open file.

    Raises:
        UnreadablePictureError: no known picture format, or more pixels than are ever decoded.
    """
    head = content if isinstance(content, bytes) else content.read(64)
    plain = b"eXIf" not in head  # which may say that it lies on its side
    if plain and head[:8] == _PNG_SIGNATURE and head[12:16] == b"IHDR" and len(head) >= 33:
        width, height, depth, color = struct.unpack(">IIBB", head[16:26])
        if width and height and color in _PNG_MODES:
            mode = "I;16" if depth == 16 and color == 0 else _PNG_MODES[color]
            _check_pixels(width, height)
            return PictureHeader(width, height, mode, "PNG")
    with _open(content, head) as picture:
        return _header(picture)


def decode(
    content: bytes,
    background: tuple[int, int, int] = WHITE,
    *,
    white: float | None = None,
    keep_alpha: bool = False,
    least_side: int | None = None,
) -> Image.Image:
    """Decode a picture file to 8-bit pixels and nothing beside: its first frame, upright, in sRGB.

    EXIF rotation and embedded colour profiles are applied, and transparent places show a colour.
    Numbers of more than 8 bits are scaled so that ``white`` becomes 255, and rounded.

    Args:
        content: the whole file.
        background: red, green, blue in 0..255, shown where the picture is transparent.
        white: the largest value that pixels of more than 8 bits can have; None takes what the file
            says and, where it says nothing, the smallest depth that holds its own values.
        keep_alpha: keeps transparency instead, see `with_tidy_alpha`.
        least_side: a JPEG may come out smaller by 2, 4 or 8, as long as no side falls below this:
            photographs are decoded several times as fast. None keeps every pixel.

    Returns:
        Of mode L where the file is grey, else RGB; RGBA where it is transparent and stays so.

    Raises:
        UnreadablePictureError: damaged, truncated, too large, or in an unknown format.
    """
    with _open(content) as picture:
        # Pillow's decoders report damaged input in a dozen exception types: all mean the same here.
        try:
            if least_side is not None:
                picture.draft(None, (least_side, least_side))
            picture.load()
            color, alpha = _color_and_alpha(_with_whole_key(picture, content), white)
            color = in_srgb(color, picture.info.get("icc_profile"))
            if alpha is None or alpha.getextrema() == (255, 255):
                flat = color
            elif keep_alpha:
                flat = with_tidy_alpha(Image.merge("RGBA", (*color.convert("RGB").split(), alpha)))
            else:
                flat = _on_background(color, alpha, background)
            flat.info = {}  # else Pillow writes a profile that was applied into other files
            return flat
        except UnreadablePictureError:
            raise
        except Exception as error:
            raise UnreadablePictureError(reason(error)) from None


def with_tidy_alpha(picture: Image.Image) -> Image.Image:
    """An RGBA picture without colours that nobody sees; RGB where nothing of it is transparent."""
    pixels = np.array(picture)  # (H, W, 4)
    if (pixels[:, :, 3] == 255).all():
        return picture.convert("RGB")
    pixels[pixels[:, :, 3] == 0] = 0
    return Image.fromarray(pixels)


def largest_value(content: bytes) -> float:
    """The largest number among the pixels of a picture with more than 8 bits; 255 for others.

    Raises:
        UnreadablePictureError: as `decode`.
    """
    with _open(content) as picture:
        if picture.mode not in DEEP_MODES:
            return 255.0
        try:
            return float(np.asarray(picture).max())
        except Exception as error:
            raise UnreadablePictureError(reason(error)) from None


def smallest_white(mode: str, largest: float) -> float:
    """The smallest usual value of white that is not below the largest one that is there.

    Args:
        mode: "F" for fractional numbers, which reach from 0 to 1 or to 255; "I" for whole ones.
        largest: value.
    """
    whites = (1.0, 255.0) if mode == "F" else (255.0, 4095.0, 65535.0, 4294967295.0)
    return next((white for white in whites if largest <= white), whites[-1])


def _open(content: bytes | IO[bytes], head: bytes | None = None) -> Image.Image:
    kind = picture_kind(content[:64] if isinstance(content, bytes) else head or b"")
    if kind is not None and (command := what_reads(kind)):
        raise UnreadablePictureError(f"{kind}, which {command} reads")
    try:
        if kind == "HEIC":
            picture = _open_heic(content)
        else:
            file = io.BytesIO(content) if isinstance(content, bytes) else content
            picture = Image.open(file, formats=FORMATS)
    except UnidentifiedImageError:
        raise UnreadablePictureError("not a picture in a known format") from None
    except Image.DecompressionBombError:
        raise UnreadablePictureError(_too_many_pixels()) from None
    except Exception as error:
        raise UnreadablePictureError(reason(error)) from None
    _check_pixels(picture.width, picture.height)
    return picture


def _open_heic(content: bytes | IO[bytes]) -> Image.Image:
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
    file = io.BytesIO(content) if isinstance(content, bytes) else content
    return Image.open(file, formats=("HEIF",))


def _header(picture: Image.Image) -> PictureHeader:
    width, height = picture.size
    with contextlib.suppress(Exception):  # damaged EXIF says nothing about the pixels
        turned = picture.getexif().get(_ORIENTATION, 1) in _ON_ITS_SIDE
        if turned and picture.format != "TIFF":  # whose size is that of the upright picture
            width, height = height, width
    return PictureHeader(width, height, picture.mode, str(picture.format))


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PICTURE_PIXELS:
        raise UnreadablePictureError(f"{width} x {height}: {_too_many_pixels()}")


def _too_many_pixels() -> str:
    return f"more than {MAX_PICTURE_PIXELS:,} pixels: save it smaller"


def _with_whole_key(picture: Image.Image, content: bytes) -> Image.Image:
    """The picture upright; a PNG's transparent value is scaled as Pillow has scaled its pixels."""
    key = picture.info.get("transparency")
    if picture.format == "PNG" and len(content) > 24:
        depth = content[24]
        if picture.mode == "L" and isinstance(key, int) and depth < 8:
            picture.info["transparency"] = key * 255 // (2**depth - 1)
        elif picture.mode == "RGB" and isinstance(key, tuple) and depth == 16:
            picture.info["transparency"] = tuple(value >> 8 for value in key)
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged EXIF says nothing about the pixels, which are fine
        return picture


def _color_and_alpha(
    picture: Image.Image, white: float | None
) -> tuple[Image.Image, Image.Image | None]:
    """Pixels of 8 bits, of mode L, RGB or CMYK, and how opaque each is, of mode L; None: all."""
    if picture.mode in DEEP_MODES:
        key = picture.info.get("transparency")
        alpha = None
        if isinstance(key, int):
            alpha = Image.fromarray(np.where(np.asarray(picture) == key, 0, 255).astype(np.uint8))
        return _to_8_bit(picture, white), alpha
    if not picture.has_transparency_data:
        plain = {"1": "L", "L": "L", "CMYK": "CMYK"}.get(picture.mode, "RGB")
        return picture.convert(plain), None
    # Pillow converts PA and La to RGBA only by way of these.
    through = {"PA": "RGBA", "La": "LA", "RGBa": "RGBA"}.get(picture.mode, picture.mode)
    whole = picture.convert(through).convert("RGBA")
    grey = picture.mode in _GREY_MODES
    return whole.convert("RGB").convert("L" if grey else "RGB"), whole.getchannel("A")


def _to_8_bit(picture: Image.Image, white: float | None) -> Image.Image:
    values = np.asarray(picture).astype(np.float64)  # (H, W); 32 bits fit exactly
    low, high = float(values.min()), float(values.max())
    if white is None:
        white = 65535.0 if _header(picture).of_16_bits else smallest_white(picture.mode, high)
    if not (low >= 0 and high <= white):  # also where NaN compares false
        raise UnreadablePictureError(
            f"{picture.mode} values from {low:g} to {high:g} have no known 8-bit meaning where "
            f"{white:g} is white"
        )
    return Image.fromarray(np.rint(values * 255 / white).astype(np.uint8))


def _on_background(
    color: Image.Image, alpha: Image.Image, background: tuple[int, int, int]
) -> Image.Image:
    """Grey stays grey on a grey ground."""
    canvas = Image.new("RGBA", color.size, (*background, 255))
    canvas.alpha_composite(Image.merge("RGBA", (*color.convert("RGB").split(), alpha)))
    grey = color.mode == "L" and len(set(background)) == 1
    return canvas.convert("RGB").convert("L" if grey else "RGB")
