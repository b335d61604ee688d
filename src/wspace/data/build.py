"""Any folder of pictures to a dataset, a zip or shards: PNGs of one size that networks make.

They are grey, RGB or, where transparency is kept, RGBA.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from PIL import Image, ImageColor, ImageOps

from wspace.data.carried import carry
from wspace.data.checks import check_size
from wspace.data.labels import Classes
from wspace.data.metadata import keeps_alpha
from wspace.data.parallel import ordered_map
from wspace.data.pictures import (
    DEEP_MODES,
    UnreadablePictureError,
    decode,
    largest_value,
    read_header,
    smallest_white,
    with_tidy_alpha,
)
from wspace.data.shards import ShardWriter, write_shards
from wspace.data.source import (
    MAX_FILE_BYTES,
    PictureSource,
    UnreadableFileError,
    source_in_worker,
)
from wspace.data.writer import DatasetWriter, png_bytes, write_dataset
from wspace.errors import WspaceError, one_line
from wspace.sizes import Resolution, Size, size_of

__all__ = [
    "DEPTHS", "Alpha", "BuildConfig", "BuildReport", "Fit", "build_dataset", "fit_picture",
]  # fmt: skip

Fit = Literal["crop", "pad", "squash"]
Alpha = Literal["lay", "keep"]
DEPTHS = (8, 12, 16, 32)  # bits a channel


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """How pictures of any shape become pictures of one size.

    Raises:
        WspaceError: a size that no network can make, a depth that no picture has, or
            a colour nobody knows.
    """

    size: Resolution  # the side of squares in pixels, or height and width
    fit: Fit = "crop"  # crop the middle, pad, or squash
    background: str = "white"  # a colour's name or #rrggbb, for transparent and padded places
    # lay transparent places on that, or keep alpha, of padded places, too; None: as the source says
    alpha: Alpha | None = None
    depth: int | None = None  # bits of pixels that are stored in more than 8, where it is known

    def __post_init__(self) -> None:
        check_size(self.size)
        object.__setattr__(self, "size", self.shape.resolution)
        if self.fit not in get_args(Fit):
            raise WspaceError(f"fit {self.fit!r} is unknown: give crop, pad or squash.")
        if self.alpha not in (None, *get_args(Alpha)):
            raise WspaceError(f"alpha {self.alpha!r} is unknown: give lay or keep.")
        if self.depth is not None and self.depth not in DEPTHS:
            raise WspaceError(f"depth {self.depth} is unknown: give 8, 12, 16 or 32 bits.")
        _ = self.background_rgb

    @property
    def shape(self) -> Size:
        """Height and width in pixels."""
        return size_of(self.size)

    @property
    def background_rgb(self) -> tuple[int, int, int]:
        try:
            red, green, blue = ImageColor.getrgb(self.background)[:3]
        except ValueError:
            raise WspaceError(
                f"background {self.background!r} is no colour: give a name such as white, or "
                "#rrggbb."
            ) from None
        return red, green, blue


@dataclass(frozen=True)
class BuildReport:
    """What became of the pictures of a folder."""

    num_images: int  # written
    num_shards: int  # that hold them; 0 for a zip
    num_enlarged: int  # of these, pictures that were smaller than the size asked for
    unreadable: tuple[tuple[str, str], ...]  # (name, reason) of pictures that were left out
    left_out: dict[str, int]  # files that are no data, by kind
    image_channels: int  # 1 where all are grey, 4 where alpha is kept and there is any, else 3
    depth_notes: tuple[str, ...]  # what was made of pixels whose depth no file says
    classes: Classes | None  # of what was written; None without labels that are classes
    remarks: tuple[str, ...]  # lines of what else was left out, or kept as it is


@dataclass(frozen=True)
class _Decoding:
    """How all pictures of a build are decoded."""

    mode: str  # L or RGB
    whites: Mapping[str, float]  # the largest value of pixels of these modes, where it is known


@dataclass(frozen=True)
class _Converted:
    png: bytes = b""
    enlarged: bool = False
    largest: float | None = None  # of its numbers, if they have 16 bits
    transparent: bool = False
    problem: str | None = None


def build_dataset(
    source: Path | str,
    out: Path | str,
    config: BuildConfig,
    *,
    strict: bool = False,
    labels_from_folders: bool = False,
    shard_bytes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> BuildReport:
    """Write all pictures of a folder, zip or tars, nested or not, into a dataset, on all cores.

    What ``dataset.json`` of a source says is kept: labels, names of classes, attributes, licence,
    attribution. Labels that are no classes are kept as they are, and a remark says so; what
    contradicts itself is left out with a remark.

    Args:
        source: folder, zip, tar or folder of tars; of png, jpg, webp, bmp, gif (first frame),
            tiff, ppm, avif and (with the extra ``heic``) heic files, whatever they are called.
        out: the zip to make, or the folder of shards.
        config: size and fit.
        strict: stop at the first picture that can't be read; otherwise it is left out and reported.
        labels_from_folders: the folder of each picture is its class, see `folder_classes`.
        shard_bytes: write shards of at most so many bytes, see `write_shards`; None for a zip.
        progress: called with (pictures done, all pictures).
        workers: processes; one a core by default.

    Raises:
        WspaceError: no pictures, none that can be read, one that can't with ``strict``, pictures
            without a folder with ``labels_from_folders``, a place that cannot be written.
    """
    pictures = PictureSource(source)
    source = pictures.path
    pictures.require_pictures()
    if Path(out).resolve() == pictures.path.resolve():
        raise WspaceError(f"{out} is the source itself: give the new dataset another name.")
    names = [entry.name for entry in pictures.entries]
    metadata = pictures.metadata()
    folders_of = pictures.path if labels_from_folders else None
    carried = carry(metadata, names, folders_of=folders_of)
    if config.alpha is None:
        config = replace(config, alpha="keep" if keeps_alpha(metadata) else "lay")
    decoding, notes = _how_to_decode(pictures, config, workers)
    convert = functools.partial(_convert_chunk, pictures.path, pictures.stamp, config, decoding)
    pictures.close()

    unreadable: list[tuple[str, str]] = []
    written: dict[str, str] = {}  # the name in the new zip of each picture
    num_enlarged = num_transparent = 0
    of_16_bits: list[float] = []  # their largest values
    with _writing(out, shard_bytes) as writer:
        converted = ordered_map(convert, [e.stored for e in pictures.entries], workers=workers)
        for done, (name, result) in enumerate(zip(names, converted, strict=True), start=1):
            if result.problem is None:
                written[name] = writer.add(result.png)
                num_enlarged += result.enlarged
                num_transparent += result.transparent
                if result.largest is not None:
                    of_16_bits.append(result.largest)
            elif strict:
                raise WspaceError(
                    f"{one_line(name)} cannot be read ({result.problem}): remove it, or leave "
                    "--strict out."
                )
            else:
                unreadable.append((name, result.problem))
            if progress is not None:
                progress(done, len(names))
        if not writer.num_images:
            name, reason = unreadable[0]
            raise WspaceError(
                f"{source}: none of the {len(names)} pictures can be read; "
                f"{one_line(name)}: {reason}."
            )
        said, classes = carried.into(written)
        writer.finish(said | ({"alpha": "keep"} if num_transparent else {}))
    if config.depth is None and of_16_bits and max(of_16_bits) < 4096:
        notes.append(
            f"{len(of_16_bits)} pictures of 16 bits hold no number above {max(of_16_bits):.0f} of "
            "65535 and are nearly black: if they have 12 bits, state the depth"
        )
    return BuildReport(
        num_images=writer.num_images,
        num_shards=writer.num_shards if isinstance(writer, ShardWriter) else 0,
        num_enlarged=num_enlarged,
        unreadable=tuple(unreadable),
        left_out=pictures.left_out,
        image_channels=4 if num_transparent else 1 if decoding.mode == "L" else 3,
        depth_notes=tuple(notes),
        classes=classes,
        remarks=(*pictures.remarks, *carried.remarks),
    )


def _writing(
    out: Path | str, shard_bytes: int | None
) -> AbstractContextManager[DatasetWriter | ShardWriter]:
    return write_dataset(out) if shard_bytes is None else write_shards(out, shard_bytes)


def fit_picture(picture: Image.Image, config: BuildConfig) -> Image.Image:
    """A picture of any shape in the config's size, resampled with Lanczos.

    Args:
        picture: of mode L, RGB or RGBA; colours weigh by how opaque they are.
        config: says how; where it keeps alpha, what is padded is transparent.

    Returns:
        Of the same mode; RGBA where it became transparent, and not where nothing of it is any more.
    """
    fitted = _fitted(picture, config)
    return with_tidy_alpha(fitted) if fitted.mode == "RGBA" else fitted


def _fitted(picture: Image.Image, config: BuildConfig) -> Image.Image:
    size = (config.shape.width, config.shape.height)
    lanczos = Image.Resampling.LANCZOS  # of RGBA, Pillow resizes premultiplied colours
    if config.fit == "squash":
        return picture.resize(size, lanczos)
    if config.fit == "crop":
        return ImageOps.fit(picture, size, lanczos)
    scale = min(new / own for new, own in zip(size, picture.size, strict=True))
    width, height = (max(1, round(side * scale)) for side in picture.size)
    if config.alpha == "keep" and (width, height) != size:
        picture = picture.convert("RGBA")
        canvas = Image.new("RGBA", size)
    else:
        canvas = Image.new("RGB", size, config.background_rgb).convert(picture.mode)
    left_top = ((size[0] - width) // 2, (size[1] - height) // 2)
    canvas.paste(picture.resize((width, height), lanczos), left_top)
    return canvas


def _how_to_decode(
    source: PictureSource, config: BuildConfig, workers: int | None
) -> tuple[_Decoding, list[str]]:
    """What is the same for all pictures of a build, and what has to be said of it."""
    # else it colours what is transparent or padded
    grey = config.alpha == "keep" or len(set(config.background_rgb)) == 1
    unknown: dict[str, list[str]] = {}  # pictures whose depth their files don't say, by mode
    for entry in source.entries:
        try:
            header = source.header(entry.name)
        except (UnreadableFileError, UnreadablePictureError):
            continue  # named when it is converted
        grey = grey and header.grey
        if header.depth_unknown:
            unknown.setdefault(header.mode, []).append(entry.stored)
    mode = "L" if grey else "RGB"
    if config.depth is not None:
        white = 2.0**config.depth - 1
        return _Decoding(mode, dict.fromkeys(DEEP_MODES, white)), []
    whites, notes = {}, []
    for kind, names in unknown.items():
        measure = functools.partial(_largest_chunk, source.path, source.stamp)
        largest = max(ordered_map(measure, names, workers=workers))
        white = whites[kind] = smallest_white(kind, largest)
        notes.append(
            f"{len(names)} pictures hold numbers of 32 bits, of which no file says which one is "
            f"white: the largest is {largest:g}, so it is {white:g}: if that is wrong, state the "
            "depth"
        )
    return _Decoding(mode, whites), notes


def _largest_chunk(path: Path, stamp: tuple[int, int, int], names: Sequence[str]) -> list[float]:
    source = source_in_worker(path, stamp)
    largest = []
    for name in names:
        try:
            largest.append(largest_value(source.read(name, MAX_FILE_BYTES)))
        except (UnreadableFileError, UnreadablePictureError):
            largest.append(0.0)  # named when it is converted
    return largest


def _convert_chunk(
    path: Path,
    stamp: tuple[int, int, int],
    config: BuildConfig,
    decoding: _Decoding,
    names: Sequence[str],
) -> list[_Converted]:
    return [_convert(source_in_worker(path, stamp), config, decoding, name) for name in names]


def _convert(
    source: PictureSource, config: BuildConfig, decoding: _Decoding, name: str
) -> _Converted:
    try:
        content = source.read(name, MAX_FILE_BYTES)
        header = read_header(content)
        white = decoding.whites.get(header.mode)
        picture = decode(
            content,
            config.background_rgb,
            white=white,
            keep_alpha=config.alpha == "keep",
            least_side=2 * max(config.shape),  # the rest is for Lanczos
        )
        largest = largest_value(content) if header.of_16_bits else None
    except UnreadablePictureError as error:
        return _Converted(problem=str(error))
    except UnreadableFileError as error:
        return _Converted(problem=error.reason)
    height, width = config.shape
    fitted = fit_picture(picture, config)
    transparent = fitted.mode == "RGBA"
    return _Converted(
        png=png_bytes(fitted if transparent else fitted.convert(decoding.mode)),
        enlarged=picture.width < width or picture.height < height,
        largest=largest,
        transparent=transparent,
    )
