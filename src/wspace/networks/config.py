"""What a network is made of: frozen configurations that go into the model file's header."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal, Self

from wspace.errors import WspaceError, shown
from wspace.networks.layers import ACTIVATIONS
from wspace.plain import Choice, Length, Range, check, from_plain, to_plain
from wspace.sizes import Resolution, Size, size_of

__all__ = [
    "AdaINConfig",
    "AliasFreeConfig",
    "DemodulatedConfig",
    "DiscriminatorConfig",
    "EncoderConfig",
    "GeneratorConfig",
    "MappingConfig",
    "ProjectedConfig",
    "channels_per_block",
    "discriminator_config",
    "num_blocks",
]

Architecture = Literal["adain", "demodulated", "alias-free"]
BlockArchitecture = Literal["skip", "resnet", "orig"]

# Far above what any network has: a hostile file cannot ask for hours of building.
_MAX_LAYERS, _MAX_WIDTH = 64, 2**15
_Activation = Annotated[str, Choice(*ACTIVATIONS)]
_Width = Annotated[int, Range(1, _MAX_WIDTH)]
ENCODER_GROUPS = 8  # that an encoder normalises its channels in
_EncoderWidth = Annotated[int, Range(ENCODER_GROUPS, 2**10)]
_Channels = Annotated[tuple[_Width, ...], Length(1, _MAX_LAYERS)]  # of the blocks, smallest first
_Filter = Annotated[tuple[float, ...], Length(1, 64)]  # one dimension of it
_ImageChannels = Annotated[int, Choice(1, 3, 4)]  # grey; red, green, blue; and alpha (`images`)
_NumClasses = Annotated[int, Range(0, 2**20)]
_ClassNames = Annotated[tuple[Annotated[str, Length(1, 200)], ...], Length(1, 2**20)]
_GroupSize = Annotated[int, Range(1, 2**20)]
_Positive = Annotated[float, Range(above=0)]


def num_blocks(resolution: Resolution) -> int:
    """Blocks from the smallest to the image: from 4² to 64², it is five."""
    return size_of(resolution).doublings + 1


def channels_per_block(resolution: Resolution, base: float, maximum: int) -> tuple[int, ...]:
    """Channels of the blocks, smallest first: min(base / side, maximum).

    The side of a block that is no square of a power of two is that of the nearest one.
    """
    side = size_of(resolution).block.square_side
    return tuple(min(int(base / (side * 2**k)), maximum) for k in range(num_blocks(resolution)))


@dataclass(frozen=True, kw_only=True)
class MappingConfig:
    """The mapping network of a generator, or of a discriminator that sees classes."""

    num_layers: Annotated[int, Range(0, _MAX_LAYERS)] = 8  # depth; 0 in a generator: w is z
    hidden_dim: _Width | None = None  # of the layers before the last; None: w_dim
    embed_dim: _Width | None = None  # of the class embedding; None: w_dim
    lr_multiplier: _Positive = 0.01  # slows the mapping down
    activation: _Activation = "lrelu"
    weight_gain: float = math.sqrt(2)  # StyleGAN1: √2 here; StyleGAN2 and 3: 1
    activation_gain: float = 1.0  # StyleGAN1: 1; StyleGAN2 and 3: √2 here
    normalize_z: bool = True
    class_input: Literal["concat", "embed"] = "concat"  # StyleGAN1: concat; 2 and 3: embed
    w_avg_beta: float | None = 0.995  # share of w_avg that a batch leaves; None: no tracking
    # Whether each class has a running mean, too; models of before have none. It makes no other
    # network, so configurations that differ in it are equal.
    class_means: bool = field(default=False, compare=False)

    def __post_init__(self) -> None:
        check(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into JSON; means that there are not are left out."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        if not self.class_means:
            del data["class_means"]
        return data


@dataclass(frozen=True, kw_only=True)
class AdaINConfig:
    """Synthesis of StyleGAN1: noise, bias, leaky ReLU, then AdaIN."""

    channels: _Channels
    blur_filter: _Filter | None = (1.0, 2.0, 1.0)
    activation: Annotated[str, Choice("lrelu", "relu")] = "lrelu"
    instance_norm: bool = True
    pixel_norm: bool = False
    # level of detail that it draws at while it grows: 0 is the full resolution, 1 half of it
    lod: Annotated[float, Range(0, _MAX_LAYERS)] = 0.0

    def __post_init__(self) -> None:
        check(self)
        if self.lod > len(self.channels) - 1:
            raise WspaceError(
                f"lod={self.lod:g} is out of range: {len(self.channels)} blocks have levels of "
                f"detail up to {len(self.channels) - 1}."
            )


@dataclass(frozen=True, kw_only=True)
class DemodulatedConfig:
    """Synthesis of StyleGAN2 and -ADA: modulated and demodulated convolutions."""

    channels: _Channels
    architecture: BlockArchitecture = "skip"
    resample_filter: _Filter | None = (1.0, 3.0, 3.0, 1.0)  # None: no filter
    activation: _Activation = "lrelu"
    conv_clamp: float | None = None  # bound on the absolute values of maps; None: none
    use_noise: bool = True

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class AliasFreeConfig:
    """Synthesis of StyleGAN3, configurations t and r."""

    channel_base: Annotated[int, Range(1, 2**20)] = 32768
    channel_max: _Width = 512
    num_layers: Annotated[int, Range(2, _MAX_LAYERS)] = 14  # without ToRGB
    num_critical: Annotated[int, Range(0, _MAX_LAYERS)] = 2  # critically sampled, at the end
    first_cutoff: _Positive = 2.0
    first_stopband: _Positive = 2**2.1
    last_stopband_rel: _Positive = 2**0.3
    margin_size: Annotated[int, Range(0, 256)] = 10
    output_scale: float = 0.25
    conv_kernel: Annotated[int, Range(1, 15)] = 3  # t: 3, r: 1
    filter_size: Annotated[int, Range(1, 64)] = 6
    lrelu_upsampling: Annotated[int, Range(1, 8)] = 2
    use_radial_filters: bool = False  # r
    conv_clamp: float | None = 256.0
    magnitude_ema_beta: float = 0.999

    def __post_init__(self) -> None:
        check(self)
        if self.num_critical >= self.num_layers:
            raise WspaceError(
                f"num_critical={self.num_critical} is out of range: give fewer than "
                f"num_layers={self.num_layers}."
            )


SynthesisConfig = AdaINConfig | DemodulatedConfig | AliasFreeConfig
_SYNTHESIS: dict[str, type[SynthesisConfig]] = {
    "adain": AdaINConfig,
    "demodulated": DemodulatedConfig,
    "alias-free": AliasFreeConfig,
}


class _OfASize:
    """What the configurations of generators and discriminators have in common."""

    resolution: Resolution

    @property
    def size(self) -> Size:
        """Height and width of the images."""
        return size_of(self.resolution)

    def _settle_resolution(self) -> None:
        """Check it; a square is written by its side.

        Raises:
            WspaceError: no network makes images of that size.
        """
        size = self.size
        if not size.fits_networks(smallest=0):  # imported toys may be a block alone
            raise WspaceError(
                f"resolution={shown(self.resolution)} is no power of two from 4 to 4096, nor that "
                "times a block of 3 x 3 to 16 x 9 pixels: scale the pictures with "
                "`wspace data build`."
            )
        object.__setattr__(self, "resolution", size.resolution)


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig(_OfASize):
    """All that a generator is made of; ``synthesis`` fits ``architecture``."""

    architecture: Architecture
    resolution: Resolution  # the side of square images, or height and width
    image_channels: _ImageChannels = 3
    z_dim: _Width = 512
    w_dim: _Width = 512
    num_classes: _NumClasses = 0
    # What the classes are called, no two the same; None where nobody has named them. They make no
    # other network, so configurations that differ in them are equal.
    class_names: _ClassNames | None = field(default=None, compare=False)
    mapping: MappingConfig = field(default_factory=MappingConfig)
    synthesis: SynthesisConfig

    def __post_init__(self) -> None:
        check(self)
        self._settle_resolution()
        if self.class_names is not None and len(self.class_names) != self.num_classes:
            raise WspaceError(
                f"class_names has {len(self.class_names)} names for {self.num_classes} classes: "
                "give each class one."
            )
        if self.class_names is not None and len(set(self.class_names)) < self.num_classes:
            raise WspaceError("class_names has a name twice: give each class its own.")
        if self.mapping.num_layers < 1 and (self.z_dim != self.w_dim or self.num_classes > 0):
            raise WspaceError(
                f"num_layers=0: without layers w is z, but z_dim={self.z_dim}, w_dim={self.w_dim} "
                f"and num_classes={self.num_classes}: give one layer or more, or train without "
                "classes."
            )
        assert isinstance(self.synthesis, _SYNTHESIS[self.architecture])
        if not isinstance(self.synthesis, AliasFreeConfig):
            _check_channels(self.synthesis.channels, self.resolution)
        elif self.size.block != (4, 4):
            raise WspaceError(
                f"resolution={shown(self.resolution)}: alias-free networks (StyleGAN3) make square "
                "images of a power of two alone; take another preset, or other pictures."
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into JSON; names that there are not are left out."""
        data = to_plain(self)
        if self.class_names is None:
            del data["class_names"]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            WspaceError: something is missing, unknown or of the wrong type.
        """
        architecture = data.get("architecture") if isinstance(data, dict) else None
        kind = _SYNTHESIS.get(architecture) if isinstance(architecture, str) else None
        if isinstance(data, dict) and "architecture" in data and kind is None:
            raise WspaceError(
                f"architecture={shown(architecture)} is none of {', '.join(_SYNTHESIS)}: "
                "this file is damaged, or made by a newer wspace."
            )
        if kind is not None and "synthesis" in data:
            synthesis = from_plain(kind, data["synthesis"], what="synthesis")
            data = data | {"synthesis": synthesis}
        return from_plain(cls, data)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(_OfASize):
    """All that a discriminator is made of; StyleGAN3 shares StyleGAN2's."""

    architecture: Literal["adain", "demodulated"]
    resolution: Resolution  # the side of square images, or height and width
    image_channels: _ImageChannels = 3
    num_classes: _NumClasses = 0
    channels: _Channels
    hidden_dim: _Width | None = None  # of the first dense layer; None: channels[0]
    block_architecture: BlockArchitecture = "orig"  # StyleGAN1: orig; 2 and 3: resnet
    resample_filter: _Filter | None = (1.0, 2.0, 1.0)
    activation: _Activation = "lrelu"
    conv_clamp: float | None = None
    mbstd_group_size: _GroupSize | None = 4  # None: the whole batch
    mbstd_num_channels: Annotated[int, Range(0, _MAX_WIDTH)] = 1
    # StyleGAN2's projection width; None: channels[0]; 0: no classes
    class_dim: Annotated[int, Range(0, _MAX_WIDTH)] | None = None
    mapping: MappingConfig | None = None  # StyleGAN2's class mapping

    def __post_init__(self) -> None:
        check(self)
        self._settle_resolution()
        _check_channels(self.channels, self.resolution)
        if self.architecture == "demodulated" and self.projection_dim > 0:
            if self.mapping is None:
                raise WspaceError(
                    f"num_classes={self.num_classes} needs a mapping in a demodulated "
                    "discriminator: give mapping=MappingConfig(...)."
                )
            if self.mapping.class_input == "concat":  # with nothing to join the class to
                raise WspaceError(
                    'class_input="concat" is not for the mapping of a discriminator, which has no '
                    'z: give class_input="embed".'
                )

    @property
    def projection_dim(self) -> int:
        """Width in which StyleGAN2's discriminator compares images with classes; 0: it doesn't."""
        if self.num_classes == 0:
            return 0
        return self.channels[0] if self.class_dim is None else self.class_dim

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into JSON."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`; raises as `GeneratorConfig.from_dict`."""
        return from_plain(cls, data)


@dataclass(frozen=True, kw_only=True)
class ProjectedConfig(_OfASize):
    """All that a projected discriminator is made of."""

    architecture: Literal["projected"] = "projected"
    resolution: Resolution  # the side of square images, or height and width
    image_channels: _ImageChannels = 3
    num_classes: Annotated[int, Range(0, _MAX_WIDTH)] = 0
    backbone: Literal["lite0", "lite1"] = "lite1"  # EfficientNet-Lite's variant
    # images are scaled to this side for it, or height and width: multiples of 32
    input_size: Annotated[Resolution, Range(32, 1024)]
    # projected maps are doubled in side before they are judged, as in the first version
    enlarged: bool = True
    # channels of the finest projected maps, a multiple of 4
    width: Annotated[int, Range(4, 256)] = 32
    max_channels: Annotated[int, Range(4, 512)] = 128  # of the heads, a multiple of 4
    mbstd_group_size: _GroupSize | None = 4  # None: the whole batch
    # statistics in each head, where its channels divide by them
    mbstd_num_channels: Annotated[int, Range(0, 512)] = 8

    def __post_init__(self) -> None:
        check(self)
        self._settle_resolution()
        object.__setattr__(self, "input_size", size_of(self.input_size).resolution)
        for name, divisor in (("input_size", 32), ("width", 4), ("max_channels", 4)):
            if any(side % divisor for side in size_of(getattr(self, name))):
                raise WspaceError(
                    f"{name}={getattr(self, name)} is no multiple of {divisor}: choose another."
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into JSON."""
        return to_plain(self)


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """How wide an encoder is; the rest follows from the generator that it belongs to."""

    first_width: _EncoderWidth = 32  # channels after the first convolution; they double from there
    max_width: _EncoderWidth = 256
    hidden_dim: Annotated[int, Range(1, 2**12)] = 512

    def __post_init__(self) -> None:
        check(self)
        for name in ("first_width", "max_width"):
            if getattr(self, name) % ENCODER_GROUPS:
                raise WspaceError(
                    f"{name}={getattr(self, name)} is no multiple of {ENCODER_GROUPS}: "
                    "choose another."
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into JSON."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`; raises as `GeneratorConfig.from_dict`."""
        return from_plain(cls, data)


def discriminator_config(data: Any) -> DiscriminatorConfig | ProjectedConfig:
    """The inverse of either kind's `to_dict`; raises as `GeneratorConfig.from_dict`."""
    if isinstance(data, dict) and data.get("architecture") == "projected":
        return from_plain(ProjectedConfig, data)
    return DiscriminatorConfig.from_dict(data)


def _check_channels(channels: tuple[int, ...], resolution: Resolution) -> None:
    if len(channels) != num_blocks(resolution):
        raise WspaceError(
            f"channels={channels!s:.60} do not fit resolution={resolution}: give "
            f"{num_blocks(resolution)} numbers from 1 to {_MAX_WIDTH}, of the blocks from "
            "the smallest up."
        )
