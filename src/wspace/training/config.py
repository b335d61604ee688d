"""What a training run depends on: one configuration, with a part of its own for each objective.

Library and command line make it in the same way: ``TrainConfig(preset="paper", r1_gamma=5.0)`` has
the preset's defaults for all that is not given.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self

from wspace.data.build import BuildConfig
from wspace.errors import WspaceError, reason
from wspace.networks.presets import PRESETS
from wspace.plain import (
    About,
    Choice,
    Option,
    Range,
    check,
    from_plain,
    from_text,
    options_of,
    to_plain,
)
from wspace.sizes import Resolution, read_size, size_of

__all__ = [
    "ADVERSARIAL_LOSSES",
    "AUGMENT_SETS",
    "DISCRIMINATORS",
    "ONE_STAGE",
    "AdversarialConfig",
    "AverageConfig",
    "GrowingConfig",
    "MatchingConfig",
    "ProcessesConfig",
    "ReconstructionConfig",
    "SavingConfig",
    "TrainConfig",
    "defaults",
    "options",
    "read_options",
    "read_setting",
    "values_by_name",
    "whole_name",
]

DISCRIMINATORS = ("preset", "projected")
ADVERSARIAL_LOSSES = ("logistic", "hinge", "relativistic")  # see `losses.LOSSES`
# StyleGAN2-ADA's names: blit (flips, quarter turns, whole pixels), geometric, colour, filter,
# noise, cutout.
AUGMENT_SETS = ("b", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc")
MAX_BATCH_SIZE = 65_536
DEFAULT_PRESET = "small"

_Positive = Range(above=0)
_NotNegative = Range(low=0)
_Share = Range(0, 1)


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """Generator against discriminator; see `stages.adversarial`."""

    learning_rate: Annotated[float, _Positive, About("Adam's, of the generator")] = 0.002
    learning_rate_d: Annotated[
        float | None, _Positive, About("Adam's, of the discriminator; none: the generator's")
    ] = None
    r1_gamma: Annotated[
        float | None,
        _NotNegative,
        About("weight of R1; 0: off; none: 0.0002 · pixels / batch size, StyleGAN2-ADA's rule"),
    ] = None
    r1_interval: Annotated[int, Range(low=1), About("from one R1 term to the next", "steps")] = 16
    r2_gamma: Annotated[
        float,
        _NotNegative,
        About("weight of R2, the same of generated images, in the same steps; 0: off"),
    ] = 0.0
    loss: Annotated[
        str,
        Choice("auto", *ADVERSARIAL_LOSSES),
        About("auto: hinge for a projected discriminator, else logistic"),
    ] = "auto"
    path_length_weight: Annotated[
        float, _NotNegative, About("of path length regularisation; 0: off")
    ] = 0.0
    path_length_interval: Annotated[
        int, Range(low=1), About("from one path length term to the next", "steps")
    ] = 4
    style_mixing_probability: Annotated[
        float, _Share, About("share of generated images whose styles come from two z")
    ] = 0.9
    mix_batches: Annotated[
        bool, About("mix whole batches alike, instead of each image for itself")
    ] = False
    mapping_rests: Annotated[
        bool, About("after matching, synthesis alone learns from the discriminator")
    ] = False
    generations: Annotated[
        int, Choice(1, 2), About("of images in a step: once for both networks, or for each anew")
    ] = 1
    freeze_d: Annotated[
        int,
        Range(0, 16),
        About(
            "fine-tuning: so many blocks of the discriminator, from the image on, rest", "blocks"
        ),
    ] = 0
    warmup_kimg: Annotated[
        float, _NotNegative, About("the discriminator first learns alone", "kimg")
    ] = 0.0
    anneal: Annotated[
        float, _Share, About("the last share of the run, over which learning rates fall to 0")
    ] = 0.5
    augment: Annotated[
        str,
        Choice("auto", "none", "ada", "fixed"),
        About("change all pictures that the discriminator sees; ada: as much as it needs"),
    ] = "auto"
    augment_strength: Annotated[
        float, _Share, About("how often each change happens; with ada: at the start")
    ] = 0.0
    augment_target: Annotated[
        float, Range(-1, 1), About("ada: how sure the discriminator is to be of real pictures")
    ] = 0.6
    augment_kimg: Annotated[
        float | None,
        _Positive,
        About(
            "ada: to go from 0 to 1 in; none: 500, or 100 from a model, as StyleGAN2-ADA", "kimg"
        ),
    ] = None
    augment_set: Annotated[
        str,
        Choice(*AUGMENT_SETS),
        About("b: flips, quarter turns, shifts; g: scales, turns; c: colours; and rarer ones"),
    ] = "bgc"

    def __post_init__(self) -> None:
        check(self, "adversarial.")


@dataclass(frozen=True, kw_only=True)
class ReconstructionConfig:
    """Real images drawn again through an encoder; see `stages.reconstruction`."""

    weight: Annotated[
        float, _NotNegative, About("of reconstructions of real images; 0: no encoder")
    ] = 0.0
    share: Annotated[
        float, _Share, About("of the run, in which the generator first learns from them alone")
    ] = 0.0
    kimg: Annotated[float | None, _NotNegative, About("the same by a number of images", "kimg")] = (
        None
    )
    beside: Annotated[bool, About("goes on beside the discriminator, on half of each batch")] = (
        False
    )
    attributes: Annotated[
        bool | None,
        About("tell the encoder what the dataset says of each image; none: if it says anything"),
    ] = None
    encoder_rate: Annotated[float, _Positive, About("Adam's, of the encoder")] = 0.001
    learning_rate: Annotated[
        float, _Positive, About("Adam's, of biases and mapping while reconstruction is alone")
    ] = 0.003
    convolution_rate: Annotated[
        float, _Positive, About("Muon's, of convolutions and styles, likewise")
    ] = 0.03
    settling: Annotated[
        float, Range(above=0, high=1), About("the last share of it, over which rates fall to 0")
    ] = 0.4
    perceptual_weight: Annotated[
        float, _NotNegative, About("of a pretrained network's maps, beside pixels")
    ] = 0.1
    mismatch_weight: Annotated[
        float, _NotNegative, About("of the energy distance of mapping's w from the encoder's")
    ] = 0.03

    def __post_init__(self) -> None:
        check(self, "reconstruction.")

    @property
    def alone(self) -> bool:
        """Whether there is a stage in which it is the only objective."""
        return bool(self.share if self.kimg is None else self.kimg)


@dataclass(frozen=True, kw_only=True)
class MatchingConfig:
    """Mapping learns from a flow where z belong in W; see `stages.flow`, `stages.matching`."""

    share: Annotated[
        float, _Share, About("of the run, after reconstruction: flow and matching together")
    ] = 0.0
    kimg: Annotated[float | None, _NotNegative, About("the same by a number of images", "kimg")] = (
        None
    )
    flow_share: Annotated[
        float, Range(above=0, high=0.9), About("share of it in which the flow learns")
    ] = 0.4
    flow_rate: Annotated[float, _Positive, About("Adam's, of the flow")] = 0.003
    weight_rate: Annotated[float, _Positive, About("Muon's, of mapping's weights")] = 0.1
    bias_rate: Annotated[float, _Positive, About("Adam's, of mapping's biases")] = 0.003
    updates: Annotated[int, Range(1, 1000), About("of flow or mapping in a step")] = 4
    compared: Annotated[int, Range(2, 16_384), About("w or pairs that an update learns from")] = 512
    # a tenth closer in the same time than with 5
    rounds: Annotated[int, Range(1, 20), About("of Muon's, see `optimizers.orthogonalized`")] = 3

    def __post_init__(self) -> None:
        check(self, "matching.")

    @property
    def on(self) -> bool:
        """Whether there is such a stage."""
        return bool(self.share if self.kimg is None else self.kimg)


@dataclass(frozen=True, kw_only=True)
class GrowingConfig:
    """From 8² on, larger sizes fade in one after the other; see `growing`."""

    fade_kimg: Annotated[
        float,
        _NotNegative,
        About("a size fades in over so many, from 8² on; 0: full size from the start", "kimg"),
    ] = 0.0
    stable_kimg: Annotated[
        float, _NotNegative, About("then learns alone before the next one does", "kimg")
    ] = 600.0

    def __post_init__(self) -> None:
        check(self, "growing.")

    @property
    def on(self) -> bool:
        """Whether networks grow."""
        return bool(self.fade_kimg)


@dataclass(frozen=True, kw_only=True)
class AverageConfig:
    """The running average of the generator's weights (EMA), which pictures are drawn with."""

    half_life_kimg: Annotated[float, _NotNegative, About("of the average", "kimg")] = 10.0
    ramp: Annotated[
        float | None, _NotNegative, About("half-life at most this share of the images seen")
    ] = 0.05

    def __post_init__(self) -> None:
        check(self, "average.")


@dataclass(frozen=True, kw_only=True)
class SavingConfig:
    """When a run saves, and what it keeps."""

    snapshot_kimg: Annotated[
        float | None,
        _Positive,
        About("from one sample sheet to the next; none: 20, and every tenth of the run", "kimg"),
    ] = None
    checkpoint_kimg: Annotated[
        float, _Positive, About("from one checkpoint to the next", "kimg")
    ] = 20.0
    checkpoint_minutes: Annotated[
        float, _Positive, About("from one checkpoint to the next, if that is sooner", "minutes")
    ] = 15.0
    keep_checkpoints: Annotated[int, Range(low=1), About("newest checkpoints kept")] = 2
    keep_every: Annotated[
        int, _NotNegative, About("every Nth checkpoint is kept for good; 0: none")
    ] = 0
    measure: Annotated[bool, About("FD (quick) now and then; the best model is kept")] = True
    measurements: Annotated[
        int, Range(1, 1000), About("of them in a run, beside one after each stage, if it is long")
    ] = 10
    measured_pictures: Annotated[
        int, Range(2, 50_000), About("generated each time", "pictures")
    ] = 1000
    measured_against: Annotated[
        int, Range(4, 1_000_000), About("at most, of the data, always the same ones", "pictures")
    ] = 2000
    report: Annotated[bool, About("report.html in the run folder, with every sample sheet")] = True
    tensorboard: Annotated[bool, About("all numbers for TensorBoard, too (extra: track)")] = False

    def __post_init__(self) -> None:
        check(self, "saving.")


@dataclass(frozen=True, kw_only=True)
class ProcessesConfig:
    """Several processes that train together, where torchrun has started them; see `agreement`."""

    compare_steps: Annotated[
        int,
        Range(low=1),
        About("from one comparison of what the processes have learned to the next", "steps"),
    ] = 500
    timeout_seconds: Annotated[
        float,
        _Positive,
        About("for which a process waits for the others before the run ends", "seconds"),
    ] = 1800.0

    def __post_init__(self) -> None:
        check(self, "processes.")


@dataclass(frozen=True, kw_only=True, init=False)
class TrainConfig:
    """All that a run depends on; saved in every run folder. Defaults are written only in this file.

    Made from any of its fields, whole (``adversarial=AdversarialConfig(...)``), by dotted names
    (``**{"adversarial.r1_gamma": 1.0}``) or by the last word where only one field has it
    (``r1_gamma=1.0``); see `whole_name`. What is not given has the preset's default.

    Raises:
        WspaceError: an unknown name, or a value that does not fit.
    """

    data: Annotated[str, About("zip, folder or tars of pictures")] = ""
    size: Annotated[
        str | None,
        About("such as 64 or 96x64; none: the data's own, or what suits it and the time"),
    ] = None
    fit: Annotated[
        str,
        Choice("crop", "pad", "squash"),
        About(
            "how pictures of other shapes get that size: cropped, with a border, or out of shape"
        ),
    ] = "crop"
    background: Annotated[
        str, About("behind transparent and around padded pictures: a colour's name or #rrggbb")
    ] = "white"
    alpha: Annotated[
        str | None,
        Choice("lay", "keep"),
        About(
            "lay what is transparent on that, or keep alpha; none: as the data was built, or lay"
        ),
    ] = None
    depth: Annotated[
        int | None,
        Choice(8, 12, 16, 32),
        About("of pixels that are stored in more than 8 bits; none: as they say", "bits"),
    ] = None
    preset: Annotated[str, Choice(*PRESETS), About("the networks")] = DEFAULT_PRESET
    mapping_layers: Annotated[
        int | None,
        Range(0, 64),
        About("layers between z and w; none: the preset's; 0: w is z, without classes", "layers"),
    ] = None
    discriminator: Annotated[
        str,
        Choice(*DISCRIMINATORS),
        About("the preset's; projected: sees through a pretrained network"),
    ] = "preset"
    start_from: Annotated[str | None, About("a model file whose weights the run starts with")] = (
        None
    )
    minutes: Annotated[
        float | None, _Positive, About("time to train for; all is planned to fit it", "minutes")
    ] = 60.0
    total_kimg: Annotated[
        float | None, _Positive, About("real images to see instead, however long it takes", "kimg")
    ] = None
    max_seconds: Annotated[
        float | None, _NotNegative, About("the run ends, saved, after that time", "seconds")
    ] = None
    batch_size: Annotated[int, About("real images in a step, a multiple of 4", "images")] = 32
    seed: Annotated[
        int, Range(0, 2**32 - 1), About("of weights, latents, noise and the order of images")
    ] = 0
    mirror: Annotated[bool, About("flip half of the real images left to right")] = False
    labels: Annotated[
        bool | None,
        About("train a class-conditional model on the dataset's labels; none: if it has any"),
    ] = None
    image_channels: Annotated[
        int | None,
        Choice(1, 3, 4),
        About("1: grey, 3: colour, 4: with alpha; none: what the pictures have"),
    ] = None
    precision: Annotated[
        str,
        Choice("auto", "fp32", "bf16"),
        About("auto: bf16 where the machine has units for it"),
    ] = "auto"
    compile: Annotated[
        str,
        Choice("auto", "on", "off"),
        About("the networks; auto: in long runs, on CUDA or matrix units"),
    ] = "auto"
    device: Annotated[str, About("cpu or cuda; auto: cuda where there is one")] = "auto"
    memory_budget_gb: Annotated[
        float, Range(above=0, high=1e6), About("decoded pictures kept in memory up to this", "GiB")
    ] = 4.0
    adversarial: AdversarialConfig = AdversarialConfig()
    reconstruction: ReconstructionConfig = ReconstructionConfig()
    matching: MatchingConfig = MatchingConfig()
    growing: GrowingConfig = GrowingConfig()
    average: AverageConfig = AverageConfig()
    saving: SavingConfig = SavingConfig()
    processes: ProcessesConfig = ProcessesConfig()

    def __init__(self, **given: Any) -> None:
        values: dict[str, Any] = {}
        for name, value in given.items():
            if name in _PARTS and isinstance(value, _PARTS[name] | dict):
                own = value if isinstance(value, dict) else to_plain(value)
                values |= {f"{name}.{field}": inner for field, inner in own.items()}
            else:
                values[whole_name(name)] = value
        if isinstance(values.get("size"), int):
            values["size"] = str(values["size"])
        for one, other in (("minutes", "total_kimg"), ("total_kimg", "minutes")):
            if values.get(one) is not None:
                values.setdefault(other, None)
        chosen = defaults(
            values.get("preset", DEFAULT_PRESET),
            values.get("discriminator"),
            stages=any(values.get(f"reconstruction.{name}") for name in ("share", "kimg"))
            or not (values.get("start_from") or values.get("growing.fade_kimg")),
        )
        parts: dict[str, dict[str, Any]] = {part: {} for part in _PARTS}
        for name, value in (chosen | values).items():
            part, _, field = name.rpartition(".")
            if part:
                parts[part][field] = value
            else:
                object.__setattr__(self, name, value)
        for part, own in parts.items():
            object.__setattr__(self, part, from_plain(_PARTS[part], own, what=part))
        self._check()

    def _check(self) -> None:
        check(self)
        size = 64 if self.size is None else read_size(self.size).resolution
        BuildConfig(size=size, background=self.background)  # knows what is wrong with them
        if self.alpha == "lay" and self.image_channels == 4:
            raise WspaceError(
                "alpha=lay leaves nothing transparent, and image_channels=4 asks for alpha: leave "
                "one out."
            )
        if (self.minutes is None) == (self.total_kimg is None):
            raise WspaceError(
                f"minutes={self.minutes} and total_kimg={self.total_kimg}: give one, a time or "
                "a number of images."
            )
        if self.reconstruction.alone and not self.reconstruction.weight:
            raise WspaceError(
                f"reconstruction.kimg={self.reconstruction.kimg} and reconstruction.share="
                f"{self.reconstruction.share} learn from reconstructions, which are off: give "
                "reconstruction.weight, such as 10."
            )
        if self.reconstruction.attributes and not self.reconstruction.weight:
            raise WspaceError(
                "reconstruction.attributes=True tells the encoder what images show, and there is "
                "none: give reconstruction.weight, such as 10."
            )
        if self.matching.on and not self.reconstruction.alone:
            raise WspaceError(
                f"matching.kimg={self.matching.kimg} and matching.share={self.matching.share} "
                "learn where the encoder's w lie, and no encoder learns before: give "
                "reconstruction.share, such as 0.3."
            )
        if self.reconstruction.share + self.matching.share >= 1:
            raise WspaceError(
                f"reconstruction.share={self.reconstruction.share} and matching.share="
                f"{self.matching.share} leave nothing of the run: give less than 1 together."
            )
        if self.adversarial.freeze_d and self.start_from is None:
            raise WspaceError(
                f"freeze_d={self.adversarial.freeze_d} rests what a discriminator has learned: "
                "give --from MODEL, or leave it out."
            )
        if self.adversarial.freeze_d and self.discriminator == "projected":
            raise WspaceError(
                f"freeze_d={self.adversarial.freeze_d} rests the lowest blocks of a preset's own "
                "discriminator; those of a projected one are a pretrained network, which always "
                "rests: leave it out, or give discriminator=preset."
            )
        if self.growing.on:
            self._check_growing()
        own = self.adversarial
        if own.augment == "fixed" and not own.augment_strength:
            raise WspaceError(
                "adversarial.augment=fixed needs to know how often each change is to happen: give "
                "augment_strength, such as 0.2."
            )
        if own.augment in ("auto", "none") and own.augment_strength:
            raise WspaceError(
                f"adversarial.augment_strength={own.augment_strength} is not used with augment="
                f"{own.augment}: give augment=fixed, or augment=ada, which begins with it."
            )
        if not 4 <= self.batch_size <= MAX_BATCH_SIZE or self.batch_size % 4:
            raise WspaceError(
                f"batch_size={self.batch_size} is no multiple of 4 up to {MAX_BATCH_SIZE}: the "
                "discriminator compares groups of 4 pictures; give 4, 8, 16, 32, ..."
            )

    def _check_growing(self) -> None:
        given = f"growing.fade_kimg={self.growing.fade_kimg:g}"
        if self.total_kimg is None:
            raise WspaceError(
                f"{given} counts images, and how many fit into a time is not known while they "
                "still are small: give --kimg, such as 25000, instead of --minutes."
            )
        if self.discriminator == "projected" or self.reconstruction.weight:
            raise WspaceError(
                f"{given} is for the preset's own discriminator alone, without an encoder: give "
                "discriminator=preset."
            )
        if self.start_from is not None:
            raise WspaceError(
                f"{given} begins with nothing, at 8²: leave --from {self.start_from} out."
            )
        if self.compile == "on":
            raise WspaceError(
                f"{given} changes the networks all the time, and compile=on fixes them: leave one "
                "out."
            )

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, named as for the constructor."""
        given = {whole_name(name): value for name, value in changes.items()}
        for one, other in (("minutes", "total_kimg"), ("total_kimg", "minutes")):
            if given.get(one) is not None:
                given.setdefault(other, None)
        return type(self)(**(values_by_name(self) | given))

    def r1_gamma_for(self, resolution: Resolution) -> float:
        """The weight of R1 at a resolution: what was given, or StyleGAN2-ADA's rule of thumb."""
        if self.adversarial.r1_gamma is not None:
            return self.adversarial.r1_gamma
        return 0.0002 * size_of(resolution).area / self.batch_size

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into config.json."""
        return to_plain(self)

    @classmethod
    def from_dict(cls, data: Any) -> Self:
        """The inverse of `to_dict`; takes what earlier versions wrote, too.

        Raises:
            WspaceError: an unknown key, or a value that does not fit.
        """
        if not isinstance(data, dict):
            raise WspaceError(
                "the training configuration does not fit (it is not an object): upgrade wspace."
            )
        known = {*_PARTS, *EARLIER_NAMES, *options(), *_last_words()}
        if unknown := sorted(set(data) - known):
            raise WspaceError(
                f"the training configuration does not fit (no {unknown[0]!r:.60} here): upgrade "
                "wspace."
            )
        if "adversarial" in data:  # nothing was changed before that was an option
            data = data | {"adversarial": {"augment": "none"} | data["adversarial"]}
        else:
            data = EARLIER_VALUES | {whole_name(name): value for name, value in data.items()}
        return cls(**data)


_PARTS: dict[str, type] = {
    "adversarial": AdversarialConfig,
    "reconstruction": ReconstructionConfig,
    "matching": MatchingConfig,
    "growing": GrowingConfig,
    "average": AverageConfig,
    "saving": SavingConfig,
    "processes": ProcessesConfig,
}

# Fields as earlier versions and their command line called them.
EARLIER_NAMES = {
    "reconstruction_weight": "reconstruction.weight",
    "pretraining_kimg": "reconstruction.kimg",
    "attributes": "reconstruction.attributes",
    "matching_kimg": "matching.kimg",
    "ema_half_life_kimg": "average.half_life_kimg",
    "ema_ramp": "average.ramp",
    "learning_rate": "adversarial.learning_rate",
}

# What configurations of the first version mean where they say nothing.
EARLIER_VALUES: dict[str, Any] = {
    "minutes": None,
    "labels": False,
    "image_channels": 3,
    "reconstruction.attributes": False,
    "reconstruction.weight": 0.0,
    "reconstruction.kimg": 0.0,
    "matching.kimg": 0.0,
    "adversarial.anneal": 0.0,
    "adversarial.mix_batches": True,
    "adversarial.generations": 2,
    "adversarial.mapping_rests": True,
    "adversarial.augment": "none",
    "reconstruction.settling": 1 / 3,
    "matching.flow_share": 1 / 3,
    "reconstruction.beside": True,
    "reconstruction.perceptual_weight": 0.3,
    "matching.flow_rate": 0.001,
    "saving.measure": False,
    "saving.report": False,
    "preset": "compact",
}

# The best that is known for few pictures and little time (benchmarks/RESULTS.md): real images
# are drawn again, mapping learns where they lie, and only then a discriminator sharpens. From
# nothing a preset's own discriminator drew one picture a class; after these stages it does not.
_IN_STAGES: dict[str, Any] = {
    "discriminator": "projected",
    "reconstruction.weight": 1.0,
    "reconstruction.share": 0.45,
    "matching.share": 0.15,
}

# Generator against discriminator alone, from the first step on.
ONE_STAGE: dict[str, Any] = {
    "reconstruction.weight": 0.0,
    "reconstruction.share": 0.0,
    "matching.share": 0.0,
}

# What a preset trains with where nothing else is said; then what the discriminator does.
PRESET_DEFAULTS: dict[str, dict[str, Any]] = {
    "small": {
        "adversarial.learning_rate": 0.005,
        "adversarial.r1_gamma": 2.0,
        "adversarial.r1_interval": 8,
        **_IN_STAGES,
    },
    # For short runs: few steps have to be large, and R1 has to be far above the rule of thumb for
    # long runs, with which the discriminator ran away at 32² (benchmarks/RESULTS.md).
    "compact": {
        "adversarial.learning_rate": 0.005,
        "adversarial.r1_gamma": 2.0,
        "adversarial.r1_interval": 8,
        **_IN_STAGES,
    },
    "medium": {
        "adversarial.learning_rate": 0.003,
        "adversarial.r1_gamma": 2.0,
        "adversarial.r1_interval": 8,
        **_IN_STAGES,
    },
    "paper": {
        "adversarial.r1_gamma": 10.0,
        "adversarial.r1_interval": 1,
        "adversarial.learning_rate": 0.001,
        "average.ramp": None,
    },
    "stylegan2": {
        "adversarial.learning_rate": 0.0025,
        "adversarial.path_length_weight": 2.0,
    },
}

# What a projected discriminator trains with: small steps and R1, without which it is always right
# and the generator runs in circles (benchmarks/RESULTS.md).
PROJECTED_DEFAULTS: dict[str, Any] = {
    "adversarial.learning_rate": 0.002,
    "adversarial.learning_rate_d": 0.0005,
    "adversarial.r1_gamma": 0.0,
    # after the stages before it, it has few images to find a strength in
    "adversarial.augment_kimg": 20.0,
}


def defaults(preset: Any, discriminator: Any = None, *, stages: bool = True) -> dict[str, Any]:
    """What is trained with where nothing else is said, by whole names; beside the classes' own.

    ``stages``: False where a model goes on, unless reconstruction is asked for: its encoder knows
    nothing yet, and teaches a generator to forget what it knows (benchmarks/RESULTS.md). False
    where networks grow, too.
    """
    own = PRESET_DEFAULTS.get(preset, {}) if isinstance(preset, str) else {}
    kind = own.get("discriminator", "preset") if discriminator is None else discriminator
    if not stages:
        own = {name: value for name, value in own.items() if name not in _IN_STAGES}
    own = own | {"discriminator": kind}
    return own | PROJECTED_DEFAULTS if kind == "projected" else own


@cache
def options() -> dict[str, Option]:
    """Every field by its whole name, such as "adversarial.r1_gamma", for people to read."""
    return {option.name: option for option in options_of(TrainConfig)}


def whole_name(name: str) -> str:
    """The whole name of a field from a short one: "r1_gamma" is "adversarial.r1_gamma".

    Raises:
        WspaceError: no field, or several, are called so.
    """
    name = EARLIER_NAMES.get(name, name)
    if name in options():
        return name
    found = _last_words().get(name, [])
    if len(found) == 1:
        return found[0]
    raise WspaceError(
        f"{name!r:.60} is no option of training: "
        + (f"give one of {', '.join(found)}." if found else "`wspace train --options` lists them.")
    )


@cache
def _last_words() -> dict[str, list[str]]:
    """Whole names by their last word."""
    found: dict[str, list[str]] = {}
    for name in options():
        found.setdefault(name.rpartition(".")[2], []).append(name)
    return found


def read_setting(text: str) -> tuple[str, Any]:
    """A whole name and its value from ``r1_gamma=1.0``.

    Raises:
        WspaceError: not of that form, no such option, or a value that does not fit it.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise WspaceError(f"{text!r:.60} sets nothing: write NAME=VALUE, such as r1_gamma=1.0.")
    whole = whole_name(name.strip())
    return whole, from_text(TrainConfig, whole, value)


def read_options(path: Path) -> dict[str, Any]:
    """Options by whole names from a TOML file: ``batch_size = 64``, ``[adversarial]``, ...

    Raises:
        WspaceError: it cannot be read, is no TOML, or names what is no option.
    """
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror}: check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WspaceError(f"{path} is no TOML ({reason(error)}): mend it.") from None
    found: dict[str, Any] = {}
    for name, value in content.items():
        inner = value if isinstance(value, dict) else {"": value}
        for field, one in inner.items():
            found[whole_name(f"{name}.{field}" if field else name)] = one
    return found


def values_by_name(config: TrainConfig) -> dict[str, Any]:
    """All values of a configuration by whole names."""
    flat: dict[str, Any] = {}
    for name, value in to_plain(config).items():
        if name in _PARTS:
            flat |= {f"{name}.{field}": inner for field, inner in value.items()}
        else:
            flat[name] = value
    return flat
