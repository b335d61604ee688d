"""Cartoon faces with known attributes, drawn by the styles of dicebear.

Needs the extra ``avatars``: dicebear-core and dicebear-styles describe a face as SVG, resvg-py
draws it.
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from PIL import Image

from wspace.data.checks import check_size
from wspace.data.parallel import ordered_map
from wspace.data.writer import png_bytes, write_dataset
from wspace.errors import WspaceError, shown

__all__ = [
    "AvatarConfig",
    "Drawing",
    "draw_avatars",
    "parse_options",
    "style_names",
    "write_avatars",
]

MAX_COUNT = 10_000_000
_OWN_OPTIONS = {"seed": "--seed", "size": "--size"}
_MISSING_EXTRA = "drawing avatars needs an extra: pip install 'wspace[avatars]'"


@dataclass(frozen=True, kw_only=True)
class AvatarConfig:
    """All that the pictures depend on; the same config gives the same bytes.

    Raises:
        WspaceError: an unknown style, a size that is no power of two from 8 to 4096, a count or a
            seed out of range, or options that the style does not take.
    """

    style: str = "avataaars"
    count: int = 10_000
    size: int = 64  # pixels, height and width
    seed: int = 0  # picture i is drawn from dicebear's seed str(seed + i)
    options: Mapping[str, Any]  # dicebear's own, as `parse_options` gives them

    def __post_init__(self) -> None:
        check_size(self.size)
        if not (1 <= self.count <= MAX_COUNT and self.seed >= 0):
            raise WspaceError(
                f"{shown(self.count)} avatars from seed {shown(self.seed)}: give a count from 1 to "
                f"{MAX_COUNT} and a seed >= 0."
            )
        _draw_svg(self.style, dict(self.options), self.seed)


@dataclass(frozen=True)
class Drawing:
    """One avatar: its PNG and every option that dicebear resolved for it."""

    png: bytes
    attributes: dict[str, Any]


def style_names() -> list[str]:
    """Names of all styles; a WspaceError without the extra ``avatars``."""
    names = [file.name for file in _style_files().iterdir()]
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


def parse_options(style: str, assignments: Sequence[str]) -> dict[str, Any]:
    """Turn ``NAME=VALUE`` texts into options of a style.

    Lists are written ``a,b``; numbers and ranges ``30`` and ``-5,5``; weights as JSON.

    Raises:
        WspaceError: no such option, or no such value.
    """
    known = _descriptor(style)
    options = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise WspaceError(f"option {assignment!r} has no value: write NAME=VALUE.")
        if name in _OWN_OPTIONS:
            raise WspaceError(f"option {name} is given as {_OWN_OPTIONS[name]}.")
        if name not in known:
            raise WspaceError(f"style {style} has no option {name!r}: it has {', '.join(known)}.")
        options[name] = _parse_value(name, text, known[name])
    return options


def draw_avatars(config: AvatarConfig, seeds: Sequence[int]) -> list[Drawing]:
    """Draw the avatars of some seeds, in this process."""
    drawings = []
    for seed in seeds:
        svg, attributes = _draw_svg(config.style, dict(config.options), seed)
        drawings.append(Drawing(png_bytes(_rasterize(svg, config.size)), attributes))
    return drawings


def write_avatars(
    path: Path | str,
    config: AvatarConfig,
    label_by: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    workers: int | None = None,
) -> None:
    """Draw avatars on all cores into a dataset zip with their attributes, licence and attribution.

    Args:
        path: the zip to make.
        config: what to draw.
        label_by: the attribute whose values become the classes, sorted by name; ``hair`` also means
            ``hairVariant`` or else ``hairColor``.
        progress: called with (pictures done, all pictures).
        workers: processes; one a core by default.

    Raises:
        WspaceError: no such attribute, or the zip cannot be written.
    """
    attributes: dict[str, dict[str, Any]] = {}
    seeds: dict[str, int] = {}
    license_meta = _meta(config.style)
    label_by = None if label_by is None else _attribute_name(config, label_by)
    with write_dataset(path) as writer:
        everything = range(config.seed, config.seed + config.count)
        drawings = ordered_map(functools.partial(draw_avatars, config), everything, workers=workers)
        for seed, drawing in zip(everything, drawings, strict=True):
            name = writer.add(drawing.png)
            attributes[name] = drawing.attributes
            seeds[name] = seed
            if progress is not None:
                progress(writer.num_images, config.count)
        labels = None if label_by is None else _labels(attributes, label_by)
        metadata = {**(labels or {"labels": None}), **license_meta, "options": dict(config.options)}
        writer.finish({**metadata, "seeds": seeds, "attributes": attributes})


def _labels(attributes: Mapping[str, Mapping[str, Any]], label_by: str) -> dict[str, Any]:
    """The official labels, and which attribute and which of its values they stand for."""
    values = {name: _class_name(own[label_by]) for name, own in attributes.items()}
    classes = sorted(set(values.values()))
    numbers = {value: number for number, value in enumerate(classes)}
    return {
        "labels": [[name, numbers[value]] for name, value in values.items()],
        "label_by": label_by,
        "classes": classes,
    }


def _class_name(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _attribute_name(config: AvatarConfig, wanted: str) -> str:
    _, attributes = _draw_svg(config.style, dict(config.options), config.seed)
    for name in (wanted, f"{wanted}Variant", f"{wanted}Color"):
        if name in attributes:
            return name
    raise WspaceError(
        f"style {config.style} has no attribute {wanted!r} to label by: it has "
        f"{', '.join(attributes)}."
    )


def _draw_svg(style: str, options: dict[str, Any], seed: int) -> tuple[str, dict[str, Any]]:
    """An avatar's SVG and its attributes: every component and colour of the style, always."""
    from dicebear import Avatar, OptionsValidationError  # an extra

    try:
        drawn = Avatar(_style(style), {**options, "seed": str(seed)}).to_json()
    except OptionsValidationError as error:
        raise WspaceError(f"style {style} refuses the options {options}: {error}.") from None
    # Components that a face does not wear are named too, so that faces can be compared.
    attributes = {name: "none" for name in _descriptor(style) if name.endswith("Variant")}
    for name, value in drawn["options"].items():
        is_color = name.endswith("Color") and isinstance(value, list)
        attributes[name] = (value[0] if value else "none") if is_color and len(value) < 2 else value
    return drawn["svg"], attributes


def _rasterize(svg: str, size: int) -> Image.Image:
    """Draw at twice the size, put on white, reduce."""
    import resvg_py  # an extra

    # Fonts differ from machine to machine: they are looked for only where a style writes text.
    drawn = resvg_py.svg_to_bytes(
        svg_string=svg, width=2 * size, height=2 * size, skip_system_fonts="<text" not in svg
    )
    with Image.open(io.BytesIO(drawn), formats=("PNG",)) as picture:
        canvas = Image.new("RGBA", (2 * size, 2 * size), "white")
        canvas.alpha_composite(picture.convert("RGBA"))
    return canvas.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)


def _style_files() -> Any:
    try:
        import dicebear  # noqa: F401
        import resvg_py  # noqa: F401

        return resources.files("dicebear_styles")
    except ImportError:
        raise WspaceError(_MISSING_EXTRA) from None


@functools.cache
def _definition(style: str) -> dict[str, Any]:
    if style not in style_names():
        raise WspaceError(f"no style {style!r}: the styles are {', '.join(style_names())}.")
    text = _style_files().joinpath(f"{style}.json").read_text("utf-8")
    definition: dict[str, Any] = json.loads(text)
    return definition


@functools.cache
def _style(style: str) -> Any:
    definition = _definition(style)
    from dicebear import Style  # an extra, found by now

    return Style(definition)


@functools.cache
def _descriptor(style: str) -> dict[str, dict[str, Any]]:
    """Options that a style takes, each with its type and limits."""
    prepared = _style(style)
    from dicebear import OptionsDescriptor  # an extra, found by now

    described: dict[str, dict[str, Any]] = OptionsDescriptor(prepared).to_json()
    return {name: field for name, field in described.items() if name not in _OWN_OPTIONS}


def _meta(style: str) -> dict[str, str]:
    """Style, licence and attribution, from the style's own metadata."""
    license_meta = _definition(style).get("meta", {}).get("license", {})
    name, url = license_meta.get("name", "unknown"), license_meta.get("url", "")
    return {
        "style": style,
        "licence": f"{name} ({url})" if url else name,
        "attribution": license_meta.get("text", "unknown"),
    }


def _parse_value(name: str, text: str, field: Mapping[str, Any]) -> Any:
    kind = field["type"]
    if kind in ("number", "range", "boolean") or text.startswith("{"):
        try:
            return json.loads(f"[{text}]" if "," in text and kind != "enum" else text)
        except ValueError:
            raise WspaceError(f"option {name}={text}: {text!r} is no {kind}.") from None
    values = text.split(",")
    allowed: list[str] = field.get("values", [])
    unknown = [value for value in values if allowed and value not in allowed]
    if unknown and not field.get("open"):
        raise WspaceError(
            f"option {name} has no value {unknown[0]!r}: it has {', '.join(allowed)}."
        )
    return values if len(values) > 1 else values[0]
