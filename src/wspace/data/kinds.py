"""What kind of file something is, by its first bytes or its name, and what of them is left out."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import PurePosixPath

from PIL import features

from wspace.errors import one_line

__all__ = [
    "ARCHIVE_SUFFIXES", "OWN_PICTURES", "PICTURE_SUFFIXES", "describe_left_out", "file_kind",
    "is_skipped_folder", "picture_kind", "what_reads",
]  # fmt: skip

# Files that are taken for pictures by their names alone: what can't be read among them is named.
# All others are pictures if their first bytes say so.
PICTURE_SUFFIXES = frozenset(
    {
        ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff",
        ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".hif", ".avif",
    }
)  # fmt: skip
ARCHIVE_SUFFIXES = frozenset({".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"})
OWN_PICTURES = "pictures made by wspace"

# Systems and programs keep thumbnails, deleted files and the like in these. Names are compared in
# lower case; whatever begins with a dot is skipped, too.
_SKIPPED_FOLDERS = frozenset(
    {
        "__macosx", "@eadir", "#recycle", "@recycle", "$recycle.bin", "recycler", "lost+found",
        "system volume information", "thumbnails", "thumbs",
    }
)  # fmt: skip

_STARTS = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
}
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})

_LONGEST_SUFFIX = 10  # characters; a longer one is part of a name
_KINDS_LISTED = 12


def picture_kind(head: bytes) -> str | None:
    """The kind of picture that a file holds; None where it holds none that is known here.

    Args:
        head: its first bytes, 64 or more.

    >>> picture_kind(b"\\xff\\xd8\\xff\\xe0")
    'JPEG'
    """
    for start, kind in _STARTS.items():
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in (b" ", b"\t", b"\n", b"\r"):
        return "PPM"
    if head[4:8] == b"ftyp":
        box = head[8 : min(int.from_bytes(head[:4], "big"), 64)]
        brands = {box[at : at + 4] for at in range(0, len(box), 4) if at != 4}  # 4: a version
        if brands & _AVIF_BRANDS:
            return "AVIF"
        if brands & _HEIC_BRANDS:
            return "HEIC"
    return None


def what_reads(kind: str) -> str | None:
    """The command that makes a kind of picture readable; None where it is already."""
    if kind == "HEIC" and importlib.util.find_spec("pillow_heif") is None:
        return "pip install 'wspace[heic]'"
    if kind == "AVIF" and not features.check("avif"):
        return "pip install --upgrade pillow"
    return None


def is_skipped_folder(name: str) -> bool:
    """Whether a folder of this name is a system's or a program's own, or hidden."""
    return name.startswith(".") or name.lower() in _SKIPPED_FOLDERS


def file_kind(name: str) -> str:
    """How a file that is no picture is called where it is counted: by its suffix."""
    path = PurePosixPath(name)
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        return "hidden files"
    if not suffix:
        return "files without a suffix"
    return one_line(suffix) if len(suffix) <= _LONGEST_SUFFIX else "other files"


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """Such as ``.txt: 12, folders @eaDir: 3, HEIC: 2 (pip install 'wspace[heic]' reads them)``."""
    parts = []
    for kind, count in sorted(left_out.items(), key=lambda item: (-item[1], item[0])):
        command = what_reads(kind)
        parts.append(f"{kind}: {count}" + (f" ({command} reads them)" if command else ""))
    # what a command would read comes first, so that it is seen
    parts.sort(key=lambda part: not part.endswith("reads them)"))
    if len(parts) > _KINDS_LISTED:
        parts[_KINDS_LISTED:] = [f"and {len(parts) - _KINDS_LISTED} more kinds"]
    return ", ".join(parts)
