"""Recipe: all that makes one picture, as a value that can be kept, compared and sent.

It needs no torch: `wspace show` reads recipes without it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from wspace.errors import WspaceError, shown
from wspace.plain import Key, Length, Range, from_plain, settle, to_plain
from wspace.recipe.noise_maps import map_from_text
from wspace.recipe.syntax import MAX_SEED, spread_per_layer

__all__ = [
    "MAX_EDITS",
    "MAX_PSI",
    "MAX_STRENGTH",
    "MIN_PSI",
    "PRECISIONS",
    "RECIPE_VERSION",
    "SETTABLE_NOISE",
    "Edit",
    "ModelIdentity",
    "NoiseMode",
    "NoiseSettings",
    "Recipe",
    "Source",
    "parse_json",
    "recipes",
    "sample_recipes",
]

RECIPE_VERSION = 3  # what a newer wspace adds to recipes raises it; older versions stay readable
MIN_PSI, MAX_PSI = -1.0, 1.5
MAX_STRENGTH = 100.0
MAX_EDITS = 64
MAX_NAME = 100  # characters of a direction's name
MAX_CLASS_NAME = 200  # characters
MAX_CHANNELS = 2**16  # of an edit in style space
MAX_LAYERS = 256  # more than any network has; keeps hostile files small

NoiseMode = Literal["const", "seeded", "none", "given"]
Precision = Literal["fp32", "bf16"]
# by people; what is given stands in the recipe itself
SETTABLE_NOISE: tuple[NoiseMode, ...] = ("const", "seeded", "none")
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_T = TypeVar("_T")
_PerLayer = Annotated[_T | tuple[_T, ...], Length(1, MAX_LAYERS)]
_Vector = Annotated[tuple[float, ...], Length(1, 2**16), Range(-3e38, 3e38)]  # float32's numbers
_Seed = Annotated[int, Range(0, MAX_SEED)]
# style, channel and amount
_Channel = tuple[
    Annotated[int, Range(0, 1023)],
    Annotated[int, Range(0, 2**16 - 1)],
    Annotated[float, Range(-3e38, 3e38)],
]
_Channels = Annotated[tuple[_Channel, ...], Length(1, MAX_CHANNELS)]


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """Which model a picture came from.

    Attributes:
        name: a bundled name or a file's name, without folders.
        sha256: `formats.model_file.model_sha256`, over the weights, not the file.
    """

    name: str
    sha256: str

    def __post_init__(self) -> None:
        plain = isinstance(self.name, str) and re.fullmatch(r"[^/\\\x00-\x1f]{0,255}", self.name)
        if not plain or self.name in (".", ".."):
            raise WspaceError(f"recipe: model name {shown(self.name)} is no plain name.")
        if not isinstance(self.sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise WspaceError(f"recipe: model sha256 {shown(self.sha256)} is not 64 hex digits.")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a w comes from: a seed (and a class), or the w itself.

    Attributes:
        seed: z is NumPy's RandomState(seed).randn(1, z_dim); None where w is given.
        class_index: the class, exactly where the model has classes and a seed is given.
        w: w_dim numbers, not truncated; None where a seed is given.
        centre: w_dim numbers that truncation pulls towards; None for the model's mean w.
        class_name: what the class is called, for people to read: it makes no other picture. None
            until `render` fills it in, and where the model's classes have no names.
    """

    seed: _Seed | None = None
    class_index: Annotated[int | None, Range(0, 2**20), Key("class")] = None
    w: _Vector | None = None
    centre: _Vector | None = None
    class_name: Annotated[str | None, Length(1, MAX_CLASS_NAME)] = field(
        default=None, compare=False
    )

    def __post_init__(self) -> None:
        settle(self, "recipe: ")
        if (self.seed is None) == (self.w is None):
            raise WspaceError("recipe: a source needs either a seed or a w: give one of them.")
        if self.w is not None and self.class_index is not None:
            raise WspaceError("recipe: a source with a w takes no class: w holds it already.")
        if self.class_name is not None and self.class_index is None:
            raise WspaceError(
                f"recipe: class_name={shown(self.class_name)} needs the class's number: give class."
            )


@dataclass(frozen=True, kw_only=True)
class NoiseSettings:
    """What the noise inputs add; each field is one value, or one for each layer of ws.

    Attributes:
        mode: "const" (the model's stored maps), "seeded" (maps drawn from `seed`), "given" (those
            in `maps`) or "none".
        seed: 0 to 2**32 - 1; read where the mode is "seeded".
        strength: multiplies the strength that the model learned, 0 to `MAX_STRENGTH`.
        maps: one a layer of ws, as `noise_maps.map_to_text` writes them, None where a layer has
            none; exactly where a mode is "given".
    """

    mode: _PerLayer[NoiseMode] = "const"
    seed: _PerLayer[_Seed] = 0
    strength: Annotated[_PerLayer[float], Range(0, MAX_STRENGTH)] = 1.0
    maps: Annotated[tuple[str | None, ...] | None, Length(1, MAX_LAYERS)] = None

    def __post_init__(self) -> None:
        settle(self, "recipe: noise ")
        modes = spread_per_layer(self.mode, 1)
        if ("given" in modes) != (self.maps is not None):
            raise WspaceError(
                'recipe: noise maps go with the mode "given", and it with maps: give both or none.'
            )
        for text in set(self.maps or ()) - {None}:
            assert text is not None
            map_from_text(text)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """A step in W, from where a picture's w lies after truncation, or in style space.

    Attributes:
        direction: w_dim numbers; strength 1 adds them once. None where channels are given.
        strength: `-MAX_STRENGTH` to `MAX_STRENGTH`.
        layers: of ws, those that take the step; None for all.
        channels: single channels of styles, none twice: the number of the style (see
            `networks.generator.Generator.affine_layers`), the channel's in it, and what strength 1
            adds there. None where a direction is given.
        name: what people call the direction; "" where it has no name.
    """

    direction: _Vector | None = None
    strength: Annotated[float, Range(-MAX_STRENGTH, MAX_STRENGTH)] = 1.0
    layers: Annotated[tuple[int, ...] | None, Length(1, MAX_LAYERS), Range(0, 255)] = None
    channels: _Channels | None = None
    name: Annotated[str, Length(0, MAX_NAME)] = ""

    def __post_init__(self) -> None:
        settle(self, "recipe: edit ")
        if self.direction is None and self.channels is None:
            raise WspaceError("recipe: an edit is incomplete: give a direction, or channels.")
        if self.direction is not None and self.channels is not None:
            raise WspaceError("recipe: an edit has a direction and channels: give one of them.")
        places = [(style, channel) for style, channel, _ in self.channels or ()]
        if len(set(places)) < len(places):
            twice = next(place for place in places if places.count(place) > 1)
            raise WspaceError(
                f"recipe: an edit names channel {twice[1]} of style {twice[0]} twice: add them up."
            )

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of direction or channels, as float32: two of the same name may differ."""
        if self.channels is not None:
            packed = b"".join(struct.pack("<IIf", *channel) for channel in self.channels)
        else:
            vector = self.direction or ()
            packed = struct.pack(f"<{len(vector)}f", *vector)
        return hashlib.sha256(packed).hexdigest()

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed; raises as the constructor."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Makes exactly one picture, with `render`.

    Attributes:
        sources: one w each, at least one.
        layer_sources: for each layer of ws, the index of the source it takes; None where all
            take the first.
        psi: truncation, from `MIN_PSI` to `MAX_PSI`; 1 = off, 0 = the centre; one value or one a
            layer.
        cutoff: layers from it on are not truncated; None for no cutoff.
        edits: steps in W and in style space, one after the other.
        noise: see `NoiseSettings`.
        precision: that of the synthesis network.
        model: None until `render` fills it in; with it set, other models are refused.
    """

    sources: Annotated[tuple[Source, ...], Length(1, MAX_LAYERS)]
    layer_sources: Annotated[tuple[int, ...] | None, Length(1, MAX_LAYERS), Range(0, 255)] = None
    psi: Annotated[_PerLayer[float], Range(MIN_PSI, MAX_PSI)] = 1.0
    cutoff: Annotated[int | None, Range(0, MAX_LAYERS)] = None
    edits: Annotated[tuple[Edit, ...], Length(0, MAX_EDITS)] = ()
    noise: NoiseSettings = field(default_factory=NoiseSettings)
    precision: Precision = "fp32"
    model: ModelIdentity | None = None

    def __post_init__(self) -> None:
        settle(self, "recipe: ")
        count = len(self.sources)
        if self.layer_sources is None and count > 1:
            raise WspaceError(
                f"recipe: {count} sources and no layer_sources: say which layer takes which."
            )
        if self.layer_sources is not None and max(self.layer_sources) >= count:
            raise WspaceError(
                f"recipe: layer_sources={max(self.layer_sources)} is outside 0 to {count - 1}."
            )

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed; raises as the constructor."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into JSON; fields that hold None are left out."""
        data = to_plain(self, leave_out_none=True)
        # the first version that can say this, so that older readers read what they can
        first: dict[str, Any] = {"version": self._version}
        if "model" in data:
            first["model"] = data.pop("model")
        if not self.edits:
            del data["edits"]
        return first | data

    @property
    def _version(self) -> int:
        if self.noise.maps is not None or any(edit.channels is not None for edit in self.edits):
            return 3
        return 2 if self.edits or any(s.class_name is not None for s in self.sources) else 1

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """The inverse of `to_dict`; what is left out has its default, but not the version.

        Raises:
            WspaceError: something is missing, unknown or wrong, or the version is newer.
        """
        if not isinstance(data, dict):
            return from_plain(cls, data, what="recipe")  # says what is wrong
        version = data.get("version")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise WspaceError(
                f"recipe: version={shown(version)} is no version: this is no wspace recipe, "
                f'or it lacks "version": {RECIPE_VERSION}.'
            )
        if version > RECIPE_VERSION:
            raise WspaceError(
                f"recipe: version {version} is newer than this wspace reads ({RECIPE_VERSION}): "
                "upgrade with pip install -U wspace."
            )
        written = {key: value for key, value in data.items() if key != "version"}
        return from_plain(cls, written, what="recipe")

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`; raises as `from_dict`, and where the text is no JSON."""
        return cls.from_dict(parse_json(text, "recipe"))


def recipes(
    *,
    seeds: Iterable[int],
    class_index: int | None = None,
    psi: float | tuple[float, ...] = 1.0,
    cutoff: int | None = None,
    noise: NoiseSettings | NoiseMode = "const",
    precision: Precision = "fp32",
) -> tuple[Recipe, ...]:
    """One Recipe for each seed, alike in everything else; see `Recipe` for the arguments.

    Raises:
        WspaceError: a value outside its range.
    """
    settings = noise if isinstance(noise, NoiseSettings) else NoiseSettings(mode=noise)
    return tuple(
        Recipe(
            sources=(Source(seed=seed, class_index=class_index),),
            psi=psi,
            cutoff=cutoff,
            noise=settings,
            precision=precision,
        )
        for seed in seeds
    )


def sample_recipes(
    seeds: Iterable[int], *, num_classes: int, psi: float = 1.0
) -> tuple[Recipe, ...]:
    """One recipe a seed, of a model with ``num_classes``: seed s shows class s modulo that."""
    return tuple(
        recipe
        for seed in seeds
        for recipe in recipes(
            seeds=(seed,), class_index=seed % num_classes if num_classes else None, psi=psi
        )
    )


def parse_json(text: str | bytes, what: str) -> Any:
    """Read JSON that a stranger may have written.

    Raises:
        WspaceError: no JSON, or numbers such as NaN, which JSON does not know.
    """

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON number")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
        raise WspaceError(f"{what} is no valid JSON ({reason}): it is damaged.") from None
