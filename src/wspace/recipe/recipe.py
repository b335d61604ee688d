"""Recipe: all that makes one picture, as a value that can be kept, compared and sent.

It needs no torch: `wspace show` reads recipes without it.
"""

from __future__ import annotations

import dataclasses
import json
import math
import numbers
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

from wspace.errors import WspaceError
from wspace.recipe.syntax import MAX_SEED

__all__ = [
    "MAX_PSI",
    "MAX_STRENGTH",
    "MIN_PSI",
    "NOISE_MODES",
    "PRECISIONS",
    "RECIPE_VERSION",
    "ModelIdentity",
    "NoiseSettings",
    "Recipe",
    "Source",
    "parse_json",
    "recipes",
]

RECIPE_VERSION = 1
MIN_PSI, MAX_PSI = -1.0, 1.5
MAX_STRENGTH = 100.0
MAX_LAYERS = 256  # more than any network has; keeps hostile files small
NOISE_MODES = ("const", "seeded", "none")
PRECISIONS = ("fp32", "bf16")

NoiseMode = Literal["const", "seeded", "none"]
Precision = Literal["fp32", "bf16"]
_T = TypeVar("_T")


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
            raise WspaceError(f"recipe: model name {_short(self.name)} is no plain name.")
        if not isinstance(self.sha256, str) or not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise WspaceError(f"recipe: model sha256 {_short(self.sha256)} is not 64 hex digits.")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a w comes from: a seed (and a class), or the w itself.

    Attributes:
        seed: z is NumPy's RandomState(seed).randn(1, z_dim); None where w is given.
        class_index: the class, exactly where the model has classes and a seed is given.
        w: w_dim numbers, not truncated; None where a seed is given.
        centre: w_dim numbers that truncation pulls towards; None for the model's mean w.
    """

    seed: int | None = None
    class_index: int | None = None
    w: tuple[float, ...] | None = None
    centre: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if (self.seed is None) == (self.w is None):
            raise WspaceError("recipe: a source needs either a seed or a w: give one of them.")
        if self.w is not None and self.class_index is not None:
            raise WspaceError("recipe: a source with a w takes no class: w holds it already.")
        if self.seed is not None:
            _set(self, "seed", _integer("seed", self.seed, 0, MAX_SEED))
        if self.class_index is not None:
            _set(self, "class_index", _integer("class", self.class_index, 0, 2**20))
        for name in ("w", "centre"):
            if getattr(self, name) is not None:
                _set(self, name, _vector(name, getattr(self, name)))


@dataclass(frozen=True, kw_only=True)
class NoiseSettings:
    """What the noise inputs add; each field is one value, or one for each layer of ws.

    Attributes:
        mode: "const" (the model's stored maps), "seeded" (maps drawn from `seed`) or "none".
        seed: 0 to 2**32 - 1; read where the mode is "seeded".
        strength: multiplies the strength that the model learned, 0 to `MAX_STRENGTH`.
    """

    mode: NoiseMode | tuple[NoiseMode, ...] = "const"
    seed: int | tuple[int, ...] = 0
    strength: float | tuple[float, ...] = 1.0

    def __post_init__(self) -> None:
        _set(self, "mode", _per_layer("noise mode", self.mode, _noise_mode))
        _set(self, "seed", _per_layer("noise seed", self.seed, _noise_seed))
        _set(self, "strength", _per_layer("noise strength", self.strength, _noise_strength))


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
        noise: see `NoiseSettings`.
        precision: of the synthesis network.
        model: None until `render` fills it in; with it set, other models are refused.
    """

    sources: tuple[Source, ...]
    layer_sources: tuple[int, ...] | None = None
    psi: float | tuple[float, ...] = 1.0
    cutoff: int | None = None
    noise: NoiseSettings = field(default_factory=NoiseSettings)
    precision: Precision = "fp32"
    model: ModelIdentity | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.sources, tuple) or not 1 <= len(self.sources) <= MAX_LAYERS:
            raise WspaceError(f"recipe: sources are not a list of 1 to {MAX_LAYERS} sources.")
        if not all(isinstance(source, Source) for source in self.sources):
            raise WspaceError(f"recipe: sources hold {_short(self.sources)}: give Sources.")
        if self.layer_sources is not None:
            self._check_layer_sources()
        elif len(self.sources) > 1:
            raise WspaceError(
                f"recipe: {len(self.sources)} sources and no layer_sources: say which layer takes "
                "which."
            )
        _set(self, "psi", _per_layer("psi", self.psi, _psi))
        if self.cutoff is not None:
            _set(self, "cutoff", _integer("cutoff", self.cutoff, 0, MAX_LAYERS))
        if not isinstance(self.noise, NoiseSettings):
            raise WspaceError(f"recipe: noise={_short(self.noise)} is not NoiseSettings.")
        if self.precision not in PRECISIONS:
            raise WspaceError(
                f"recipe: precision={_short(self.precision)} is unknown: give fp32 or bf16."
            )
        if self.model is not None and not isinstance(self.model, ModelIdentity):
            raise WspaceError(f"recipe: model={_short(self.model)} is not a ModelIdentity.")

    def _check_layer_sources(self) -> None:
        last = len(self.sources) - 1

        def index(value: Any) -> int:
            return _integer("layer_sources", value, 0, last)

        checked = _per_layer("layer_sources", self.layer_sources, index)
        if not isinstance(checked, tuple):
            raise WspaceError("recipe: layer_sources is no list: give one index a layer.")
        _set(self, "layer_sources", checked)

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed; raises as the constructor."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into JSON; what says nothing is left out."""
        data: dict[str, Any] = {"version": RECIPE_VERSION}
        if self.model is not None:
            data["model"] = dataclasses.asdict(self.model)
        data["sources"] = [_source_to_dict(source) for source in self.sources]
        if self.layer_sources is not None:
            data["layer_sources"] = list(self.layer_sources)
        data["psi"] = _to_plain(self.psi)
        if self.cutoff is not None:
            data["cutoff"] = self.cutoff
        data["noise"] = {
            f.name: _to_plain(getattr(self.noise, f.name))
            for f in dataclasses.fields(NoiseSettings)
        }
        data["precision"] = self.precision
        return data

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """The inverse of `to_dict`; what is left out has its default, but not the version.

        Raises:
            WspaceError: something is missing, unknown or wrong, or the version is newer.
        """
        data = dict(_object("recipe", data))
        version = data.pop("version", None)
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise WspaceError(
                f"recipe: version={_short(version)} is no version: this is no wspace recipe, "
                f'or it lacks "version": {RECIPE_VERSION}.'
            )
        if version > RECIPE_VERSION:
            raise WspaceError(
                f"recipe: version {version} is newer than this wspace reads ({RECIPE_VERSION}): "
                "upgrade with pip install -U wspace."
            )
        _refuse_unknown("recipe", data, cls)
        if not isinstance(data.get("sources"), list):
            raise WspaceError('recipe: "sources" is missing or no list: give [{"seed": 1}].')
        data["sources"] = tuple(_source_from_dict(source) for source in data["sources"])
        if data.get("noise") is not None:
            data["noise"] = _part("recipe: noise", data["noise"], NoiseSettings)
        if data.get("model") is not None:
            data["model"] = _part("recipe: model", data["model"], ModelIdentity)
        return cls(**{key: _from_plain(value) for key, value in data.items()})

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


def parse_json(text: str | bytes, what: str) -> Any:
    """Read JSON that a stranger may have written.

    Raises:
        WspaceError: no JSON, or numbers such as NaN that JSON has not.
    """

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON number")

    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
        raise WspaceError(f"{what} is no valid JSON ({reason}): it is damaged.") from None


def _source_to_dict(source: Source) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if source.seed is not None:
        data["seed"] = source.seed
    if source.class_index is not None:
        data["class"] = source.class_index
    if source.w is not None:
        data["w"] = list(source.w)
    if source.centre is not None:
        data["centre"] = list(source.centre)
    return data


def _source_from_dict(data: Any) -> Source:
    data = dict(_object("recipe: source", data))
    if "class_index" in data:
        raise WspaceError('recipe: source knows no "class_index": write "class".')
    if "class" in data:
        data["class_index"] = data.pop("class")
    return _part("recipe: source", data, Source)


def _part(what: str, data: Any, kind: type[_T]) -> _T:
    data = _object(what, data)
    _refuse_unknown(what, data, kind)
    try:
        return kind(**{key: _from_plain(value) for key, value in data.items()})
    except TypeError:
        raise WspaceError(f"{what} is incomplete: it has only {_short(sorted(data))}.") from None


def _refuse_unknown(what: str, data: dict[str, Any], kind: type) -> None:
    known = [f.name for f in dataclasses.fields(kind)]
    if unknown := sorted(set(data) - set(known)):
        raise WspaceError(
            f"{what} knows no {_short(unknown[0])}: it has {', '.join(known)}; a newer wspace may "
            "know more (pip install -U wspace)."
        )


def _object(what: str, data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise WspaceError(f"{what} is {type(data).__name__}, not a JSON object.")
    return data


def _to_plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _from_plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _set(instance: Any, name: str, value: Any) -> None:
    object.__setattr__(instance, name, value)


def _integer(name: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise WspaceError(f"recipe: {name}={_short(value)} is no whole number.")
    whole = int(value)
    if not low <= whole <= high:
        raise WspaceError(f"recipe: {name}={_short(whole)} is outside {low} to {high}.")
    return whole


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise WspaceError(f"recipe: {name}={_short(value)} is no number.")
    try:
        real = float(value)
    except OverflowError:
        real = math.inf
    if not low <= real <= high:  # NaN fails too
        raise WspaceError(f"recipe: {name}={_short(value)} is outside {low:g} to {high:g}.")
    return real


def _vector(name: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, tuple) or not 1 <= len(value) <= 2**16:
        raise WspaceError(f"recipe: {name} is no list of numbers.")
    if {type(v) for v in value} <= {float} and all(map(math.isfinite, value)):
        return value  # the usual case, quickly
    return tuple(_number(name, v, -3e38, 3e38) for v in value)


def _psi(value: Any) -> float:
    return _number("psi", value, MIN_PSI, MAX_PSI)


def _noise_mode(value: Any) -> str:
    if value not in NOISE_MODES:
        raise WspaceError(
            f"recipe: noise mode={_short(value)} is unknown: give {', '.join(NOISE_MODES)}."
        )
    return str(value)


def _noise_seed(value: Any) -> int:
    return _integer("noise seed", value, 0, MAX_SEED)


def _noise_strength(value: Any) -> float:
    return _number("noise strength", value, 0, MAX_STRENGTH)


def _per_layer(name: str, value: Any, check: Any) -> Any:
    if not isinstance(value, tuple):
        return check(value)
    if not 1 <= len(value) <= MAX_LAYERS:
        raise WspaceError(
            f"recipe: {name} has {len(value)} values: give one, or one for each layer."
        )
    return tuple(check(v) for v in value)


def _short(value: Any) -> str:
    """A value for a message, never long, whatever a file holds."""
    text = repr(value) if not isinstance(value, int) or abs(value) < 10**40 else "a huge number"
    return text if len(text) <= 60 else text[:57] + "..."
