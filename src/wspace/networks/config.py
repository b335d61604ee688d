"""What a network is made of: frozen configurations that go into the model file's header."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

from wspace.errors import WspaceError
from wspace.networks.layers import ACTIVATIONS

__all__ = [
    "AdaINConfig",
    "AliasFreeConfig",
    "DemodulatedConfig",
    "DiscriminatorConfig",
    "GeneratorConfig",
    "MappingConfig",
    "ProjectedConfig",
    "channels_per_block",
    "discriminator_config",
    "num_blocks",
]

Architecture = Literal["adain", "demodulated", "alias-free"]
BlockArchitecture = Literal["skip", "resnet", "orig"]

_T = TypeVar("_T")
# Far above what any network has: a hostile file cannot ask for hours of building.
_MAX_LAYERS, _MAX_WIDTH = 64, 2**15


def num_blocks(resolution: int) -> int:
    """Blocks from 4² to ``resolution``², a power of two."""
    return int(math.log2(resolution)) - 1


def channels_per_block(resolution: int, base: float, maximum: int) -> tuple[int, ...]:
    """Channels of the blocks 4², 8², ... ``resolution``²: min(base / side, maximum)."""
    return tuple(min(int(base / 2 ** (k + 2)), maximum) for k in range(num_blocks(resolution)))


@dataclass(frozen=True, kw_only=True)
class MappingConfig:
    """The mapping network of a generator, or of a discriminator that sees classes."""

    num_layers: int = 8  # depth, >= 1; 0 only in a discriminator
    hidden_dim: int | None = None  # width of the layers before the last; None: w_dim
    embed_dim: int | None = None  # width of the class embedding; None: w_dim
    lr_multiplier: float = 0.01  # slows the mapping down
    activation: str = "lrelu"
    weight_gain: float = math.sqrt(2)  # StyleGAN1: √2 here; StyleGAN2 and 3: 1
    activation_gain: float = 1.0  # StyleGAN1: 1; StyleGAN2 and 3: √2 here
    normalize_z: bool = True
    class_input: Literal["concat", "embed"] = "concat"  # StyleGAN1: concat; 2 and 3: embed
    w_avg_beta: float | None = 0.995  # share of w_avg that a batch leaves; None: no tracking

    def __post_init__(self) -> None:
        _check_positive(self, "lr_multiplier")
        _check_range(self, "num_layers", 0, _MAX_LAYERS)
        for name in ("hidden_dim", "embed_dim"):
            _check_range(self, name, 1, _MAX_WIDTH)
        _check_choice(self, "activation", tuple(ACTIVATIONS))
        _check_choice(self, "class_input", ("concat", "embed"))


@dataclass(frozen=True, kw_only=True)
class AdaINConfig:
    """Synthesis of StyleGAN1: noise, bias, leaky ReLU, then AdaIN."""

    channels: tuple[int, ...]  # of the blocks 4², 8², ...
    blur_filter: tuple[float, ...] | None = (1.0, 2.0, 1.0)
    activation: str = "lrelu"
    instance_norm: bool = True
    pixel_norm: bool = False

    def __post_init__(self) -> None:
        _check_choice(self, "activation", ("lrelu", "relu"))


@dataclass(frozen=True, kw_only=True)
class DemodulatedConfig:
    """Synthesis of StyleGAN2 and -ADA: modulated and demodulated convolutions."""

    channels: tuple[int, ...]  # of the blocks 4², 8², ...
    architecture: BlockArchitecture = "skip"
    resample_filter: tuple[float, ...] | None = (1.0, 3.0, 3.0, 1.0)  # None: no filter
    activation: str = "lrelu"
    conv_clamp: float | None = None  # bound on the absolute values of maps; None: none
    use_noise: bool = True

    def __post_init__(self) -> None:
        _check_choice(self, "architecture", ("skip", "resnet", "orig"))
        _check_choice(self, "activation", tuple(ACTIVATIONS))


@dataclass(frozen=True, kw_only=True)
class AliasFreeConfig:
    """Synthesis of StyleGAN3, configurations t and r."""

    channel_base: int = 32768
    channel_max: int = 512
    num_layers: int = 14  # without ToRGB
    num_critical: int = 2  # critically sampled layers at the end
    first_cutoff: float = 2.0
    first_stopband: float = 2**2.1
    last_stopband_rel: float = 2**0.3
    margin_size: int = 10
    output_scale: float = 0.25
    conv_kernel: int = 3  # t: 3, r: 1
    filter_size: int = 6
    lrelu_upsampling: int = 2
    use_radial_filters: bool = False  # r
    conv_clamp: float | None = 256.0
    magnitude_ema_beta: float = 0.999

    def __post_init__(self) -> None:
        _check_range(self, "num_layers", 2, _MAX_LAYERS)
        _check_range(self, "num_critical", 0, self.num_layers - 1)
        for name in ("first_cutoff", "first_stopband", "last_stopband_rel"):
            _check_positive(self, name)
        limits = {"channel_base": 2**20, "channel_max": _MAX_WIDTH, "conv_kernel": 15}
        for name, high in (limits | {"filter_size": 64, "lrelu_upsampling": 8}).items():
            _check_range(self, name, 1, high)
        _check_range(self, "margin_size", 0, 256)


SynthesisConfig = AdaINConfig | DemodulatedConfig | AliasFreeConfig
_SYNTHESIS: dict[str, type[SynthesisConfig]] = {
    "adain": AdaINConfig,
    "demodulated": DemodulatedConfig,
    "alias-free": AliasFreeConfig,
}


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """All that a generator is made of; ``synthesis`` fits ``architecture``."""

    architecture: Architecture
    resolution: int
    image_channels: int = 3
    z_dim: int = 512
    w_dim: int = 512
    num_classes: int = 0
    mapping: MappingConfig = field(default_factory=MappingConfig)
    synthesis: SynthesisConfig

    def __post_init__(self) -> None:
        _check_choice(self, "architecture", tuple(_SYNTHESIS))
        _check_resolution(self.resolution)
        _check_range(self, "image_channels", 1, 64)
        for name in ("z_dim", "w_dim"):
            _check_range(self, name, 1, _MAX_WIDTH)
        _check_range(self.mapping, "num_layers", 1, _MAX_LAYERS)
        assert isinstance(self.synthesis, _SYNTHESIS[self.architecture])
        if not isinstance(self.synthesis, AliasFreeConfig):
            _check_channels(self.synthesis.channels, self.resolution)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            WspaceError: something is missing, unknown or of the wrong type.
        """
        data = _plain(data, cls)
        architecture = data.get("architecture")
        if not isinstance(architecture, str) or architecture not in _SYNTHESIS:
            raise WspaceError(
                f"architecture={architecture!r:.60} is none of {', '.join(_SYNTHESIS)}: "
                "this file is damaged, or made by a newer wspace."
            )
        data["mapping"] = _build(MappingConfig, data.get("mapping"))
        data["synthesis"] = _build(_SYNTHESIS[architecture], data.get("synthesis"))
        return _build(cls, data)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """All that a discriminator is made of; StyleGAN3 shares StyleGAN2's."""

    architecture: Literal["adain", "demodulated"]
    resolution: int
    image_channels: int = 3
    num_classes: int = 0
    channels: tuple[int, ...]  # of the blocks 4², 8², ...
    hidden_dim: int | None = None  # width of the first dense layer; None: channels[0]
    block_architecture: BlockArchitecture = "orig"  # StyleGAN1: orig; 2 and 3: resnet
    resample_filter: tuple[float, ...] | None = (1.0, 2.0, 1.0)
    activation: str = "lrelu"
    conv_clamp: float | None = None
    mbstd_group_size: int | None = 4  # None: the whole batch
    mbstd_num_channels: int = 1
    class_dim: int | None = None  # StyleGAN2's projection width; None: channels[0]; 0: no classes
    mapping: MappingConfig | None = None  # StyleGAN2's class mapping

    def __post_init__(self) -> None:
        _check_choice(self, "architecture", ("adain", "demodulated"))
        _check_choice(self, "block_architecture", ("skip", "resnet", "orig"))
        _check_choice(self, "activation", tuple(ACTIVATIONS))
        _check_resolution(self.resolution)
        _check_range(self, "image_channels", 1, 64)
        _check_range(self, "hidden_dim", 1, _MAX_WIDTH)
        _check_range(self, "mbstd_group_size", 1, 2**20)
        _check_range(self, "mbstd_num_channels", 0, _MAX_WIDTH)
        _check_range(self, "class_dim", 0, _MAX_WIDTH)
        _check_channels(self.channels, self.resolution)
        if self.architecture == "demodulated" and self.projection_dim > 0 and self.mapping is None:
            raise WspaceError(
                f"num_classes={self.num_classes} needs a mapping in a demodulated discriminator: "
                "give mapping=MappingConfig(...)."
            )

    @property
    def projection_dim(self) -> int:
        """Width in which StyleGAN2's discriminator compares images with classes; 0: it doesn't."""
        if self.num_classes == 0:
            return 0
        return self.channels[0] if self.class_dim is None else self.class_dim

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`; raises as `GeneratorConfig.from_dict`."""
        data = _plain(data, cls)
        if data.get("mapping") is not None:
            data["mapping"] = _build(MappingConfig, data["mapping"])
        return _build(cls, data)


@dataclass(frozen=True, kw_only=True)
class ProjectedConfig:
    """All that a projected discriminator is made of."""

    architecture: Literal["projected"] = "projected"
    resolution: int
    image_channels: int = 3  # 1 or 3: the pretrained network sees RGB
    num_classes: int = 0
    backbone: Literal["lite0", "lite1"] = "lite1"  # EfficientNet-Lite's variant
    input_size: int  # images are scaled to this side for it, a multiple of 32
    width: int = 32  # channels of the finest projected maps, a multiple of 4 up to 256
    max_channels: int = 128  # of the heads, a multiple of 4 up to 512
    mbstd_group_size: int | None = 4  # None: the whole batch
    mbstd_num_channels: int = 8  # statistics in each head, where its channels divide by them

    def __post_init__(self) -> None:
        _check_choice(self, "architecture", ("projected",))
        _check_choice(self, "backbone", ("lite0", "lite1"))
        _check_choice(self, "image_channels", (1, 3))
        _check_resolution(self.resolution)
        _check_range(self, "num_classes", 0, _MAX_WIDTH)
        _check_range(self, "input_size", 32, 1024)
        _check_range(self, "mbstd_group_size", 1, 2**20)
        _check_range(self, "width", 4, 256)
        _check_range(self, "max_channels", 4, 512)
        _check_range(self, "mbstd_num_channels", 0, 512)
        for name, divisor in (("input_size", 32), ("width", 4), ("max_channels", 4)):
            if getattr(self, name) % divisor:
                raise WspaceError(
                    f"{name}={getattr(self, name)} is no multiple of {divisor}: choose another."
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into JSON."""
        return dataclasses.asdict(self)


def discriminator_config(data: Any) -> DiscriminatorConfig | ProjectedConfig:
    """The inverse of either kind's `to_dict`; raises as `GeneratorConfig.from_dict`."""
    if isinstance(data, dict) and data.get("architecture") == "projected":
        return _build(ProjectedConfig, data)
    return DiscriminatorConfig.from_dict(data)


def _plain(data: Any, kind: type) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise WspaceError(
            f"{kind.__name__} needs a JSON object, got {type(data).__name__}: the file is damaged."
        )
    return dict(data)


def _build(kind: type[_T], data: Any) -> _T:
    """Make a configuration from plain data, refusing what does not belong."""
    data = _plain(data, kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(set(data) - set(fields)):
        raise WspaceError(
            f"{kind.__name__} knows no {unknown[0]!r:.60}: the file was made by a newer wspace; "
            "upgrade with pip install -U wspace."
        )
    values = {}
    for name, value in data.items():
        if isinstance(value, list):
            value = tuple(value)
        if not _fits(value, str(fields[name].type)):
            raise WspaceError(
                f"{kind.__name__}: {name}={value!r:.60} is not {fields[name].type}: "
                "the file is damaged."
            )
        values[name] = value
    try:
        return kind(**values)
    except TypeError as error:
        raise WspaceError(f"{kind.__name__} is incomplete: {error}: the file is damaged.") from None


def _fits(value: Any, annotation: str) -> bool:
    """Whether plain data has the annotated type; nested configurations were built before."""
    if value is None:
        return "None" in annotation
    if dataclasses.is_dataclass(value):
        return True
    if isinstance(value, bool):
        return "bool" in annotation
    if isinstance(value, str):
        return annotation.startswith(("str", "Literal", "Architecture", "BlockArchitecture"))
    if isinstance(value, tuple):
        number = (int, float) if "float" in annotation else int
        return "tuple" in annotation and all(
            isinstance(v, number) and not isinstance(v, bool) for v in value
        )
    if isinstance(value, float):
        return "float" in annotation and "tuple" not in annotation and math.isfinite(value)
    return (
        isinstance(value, int)
        and "tuple" not in annotation
        and ("int" in annotation or "float" in annotation)
        and 0 <= value <= 2**20
    )


def _check_choice(config: Any, name: str, choices: tuple[Any, ...]) -> None:
    value = getattr(config, name)
    if value not in choices:
        known = ", ".join(map(str, choices))
        raise WspaceError(f"{name}={value!r:.60} is unknown: give one of {known}.")


def _check_positive(config: Any, name: str) -> None:
    if not getattr(config, name) > 0:
        raise WspaceError(f"{name}={getattr(config, name)} is not positive: give more than 0.")


def _check_range(config: Any, name: str, low: int, high: int) -> None:
    """None, where a field may be that, is left to mean its default."""
    value = getattr(config, name)
    if value is not None and not low <= value <= high:
        raise WspaceError(f"{name}={value} is outside {low} to {high}: choose another.")


def _check_channels(channels: tuple[int, ...], resolution: int) -> None:
    if len(channels) != num_blocks(resolution) or not all(1 <= c <= _MAX_WIDTH for c in channels):
        raise WspaceError(
            f"channels={channels!s:.60} do not fit resolution={resolution}: give "
            f"{num_blocks(resolution)} numbers from 1 to {_MAX_WIDTH}, of the blocks from 4² up."
        )


def _check_resolution(resolution: int) -> None:
    # 4 is below what training takes, but an imported toy network may have it.
    if resolution < 4 or resolution > 4096 or resolution & (resolution - 1):
        raise WspaceError(
            f"resolution={resolution} is no power of two from 4 to 4096: "
            "scale the pictures with `wspace data build`."
        )
