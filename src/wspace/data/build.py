"""Any folder of pictures to a dataset zip: square RGB PNGs of one power-of-two size."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from PIL import Image, ImageColor, ImageOps

from wspace.data.checks import check_size
from wspace.data.labels import folder_labels, read_labels
from wspace.data.metadata import read_text
from wspace.data.parallel import ordered_map
from wspace.data.pictures import UnreadablePictureError, decode_rgb
from wspace.data.source import PictureSource, UnreadableFileError, source_in_worker
from wspace.data.writer import png_bytes, write_dataset
from wspace.errors import WspaceError, one_line

__all__ = ["MAX_FILE_BYTES", "BuildConfig", "BuildReport", "Fit", "build_dataset", "fit_picture"]

Fit = Literal["crop", "pad", "squash"]
MAX_FILE_BYTES = 512 << 20  # of one picture file


@dataclass(frozen=True, kw_only=True)
class BuildConfig:
    """How pictures of any shape become squares of one size.

    Raises:
        WspaceError: a size that is no power of two from 8 to 4096, or a colour nobody knows.
    """

    size: int  # pixels, height and width
    fit: Fit = "crop"  # crop the middle square, pad to a square, or squash
    background: str = "white"  # a colour's name or #rrggbb, for transparent and padded places

    def __post_init__(self) -> None:
        check_size(self.size)
        if self.fit not in get_args(Fit):
            raise WspaceError(f"fit {self.fit!r} is unknown: give crop, pad or squash.")
        _ = self.background_rgb

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
    num_enlarged: int  # of these, pictures that were smaller than the size asked for
    unreadable: tuple[tuple[str, str], ...]  # (name, reason) of what was left out


@dataclass(frozen=True)
class _Converted:
    png: bytes = b""
    enlarged: bool = False
    problem: str | None = None


def build_dataset(
    source: Path | str,
    out: Path | str,
    config: BuildConfig,
    *,
    strict: bool = False,
    labels_from_folders: bool = False,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> BuildReport:
    """Write all pictures of a folder or zip, nested or not, into a dataset zip, on all cores.

    Labels, licence and attribution of a source that is a dataset already are kept.

    Args:
        source: folder or zip of png, jpg, webp, bmp, gif (first frame) and tiff files.
        out: the zip to make.
        config: size and fit.
        strict: stop at the first picture that can't be read; otherwise it is left out and reported.
        labels_from_folders: the name of the topmost folder of each picture is its class.
        progress: called with (pictures done, all pictures).
        workers: processes; one a core by default.

    Raises:
        WspaceError: no pictures, none that can be read, one that can't with ``strict``, pictures
            without a folder with ``labels_from_folders``, a zip that cannot be written.
    """
    pictures = PictureSource(source)
    pictures.require_pictures()
    if Path(out).resolve() == pictures.path.resolve():
        raise WspaceError(f"{out} is the source itself: give the new dataset another name.")
    names = [entry.name for entry in pictures.entries]
    metadata = pictures.metadata()
    classes, carried = _classes(pictures.path, metadata, names, labels_from_folders)
    convert = functools.partial(_convert_chunk, pictures.path, pictures.stamp, config)
    pictures.close()

    unreadable: list[tuple[str, str]] = []
    labels: list[list[Any]] = []
    num_enlarged = 0
    with write_dataset(out) as writer:
        converted = ordered_map(convert, names, workers=workers)
        for done, (name, result) in enumerate(zip(names, converted, strict=True), start=1):
            if result.problem is None:
                written = writer.add(result.png)
                num_enlarged += result.enlarged
                labels.append([written, classes.get(name)])
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
        writer.finish({"labels": labels if classes else None, **carried})
        return BuildReport(writer.num_images, num_enlarged, tuple(unreadable))


def fit_picture(picture: Image.Image, config: BuildConfig) -> Image.Image:
    """An RGB picture of any shape as a square of the config's size, resampled with Lanczos."""
    size = (config.size, config.size)
    lanczos = Image.Resampling.LANCZOS
    if config.fit == "squash":
        return picture.resize(size, lanczos)
    if config.fit == "crop":
        return ImageOps.fit(picture, size, lanczos)
    scale = config.size / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    canvas = Image.new("RGB", size, config.background_rgb)
    left_top = ((config.size - width) // 2, (config.size - height) // 2)
    canvas.paste(picture.resize((width, height), lanczos), left_top)
    return canvas


def _convert_chunk(
    path: Path, stamp: tuple[int, int, int], config: BuildConfig, names: Sequence[str]
) -> list[_Converted]:
    return [_convert(source_in_worker(path, stamp), config, name) for name in names]


def _convert(source: PictureSource, config: BuildConfig, name: str) -> _Converted:
    try:
        picture = decode_rgb(source.read(name, MAX_FILE_BYTES), config.background_rgb)
    except UnreadablePictureError as error:
        return _Converted(problem=str(error))
    except UnreadableFileError as error:
        return _Converted(problem=error.reason)
    enlarged = min(picture.size) < config.size
    return _Converted(png_bytes(fit_picture(picture, config)), enlarged)


def _classes(
    path: Path, metadata: Mapping[str, Any], names: Sequence[str], from_folders: bool
) -> tuple[dict[str, int], dict[str, Any]]:
    """The class of each picture (empty without labels), and what else goes into dataset.json."""
    texts = {key: read_text(metadata, key) for key in ("style", "licence", "attribution")}
    carried: dict[str, Any] = {key: text for key, text in texts.items() if text is not None}
    if not from_folders:
        labels = read_labels(path, metadata, names)
        if labels is None:
            return {}, carried
        return dict(zip(names, labels.tolist(), strict=True)), carried
    labels_by_name, folders = folder_labels(names)
    return labels_by_name, carried | {"label_by": "folder", "classes": folders}
