"""Embedded colour profiles: pixels of any colour space to sRGB, which networks learn in."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms

__all__ = ["in_srgb"]

_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """A picture of mode L, RGB or CMYK as it looks, in sRGB: grey stays L, others become RGB.

    A profile that is damaged, or of another kind of pixels, says nothing and is left alone.

    Args:
        picture: 8 bits a channel.
        profile: the ICC profile that its file embeds; None without one.
    """
    grey = picture.mode == "L"
    transform, mode = (None, "") if profile is None else _to_srgb(profile)
    if transform is not None and (mode == picture.mode or (grey and mode == "RGB")):
        picture = transform.apply(picture if mode == picture.mode else picture.convert(mode))
    return picture.convert("L" if grey else "RGB")


@functools.lru_cache(maxsize=16)  # most folders have a handful of profiles
def _to_srgb(profile: bytes) -> tuple[Any, str]:
    """How pixels of a profile become sRGB, and their mode; no transform where nothing is to do."""
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _SPACES[opened.profile.xcolor_space]
        transform = ImageCms.buildTransform(
            opened,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, KeyError, TypeError, ValueError):
        return None, ""
    if mode == "RGB" and _changes_nothing(transform):  # sRGB under one of its many names
        return None, mode
    return transform, mode


def _changes_nothing(transform: Any) -> bool:
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    moved = np.asarray(transform.apply(Image.fromarray(colors)))
    return int(np.abs(moved.astype(int) - colors).max()) <= 1
