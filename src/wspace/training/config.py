"""What a training run depends on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from wspace.errors import WspaceError
from wspace.networks.presets import PRESETS

__all__ = ["DISCRIMINATORS", "PRESET_DEFAULTS", "TrainConfig", "defaults"]

# What a preset trains with where the user says nothing else.
PRESET_DEFAULTS: dict[str, dict[str, Any]] = {
    # Short runs: few steps want large ones, and R1 far above the rule of thumb for long runs, which
    # let the discriminator run away at 32² (benchmarks/RESULTS.md).
    "compact": {"learning_rate": 0.005, "r1_gamma": 2.0, "r1_interval": 8},
    "medium": {"learning_rate": 0.003, "r1_gamma": 2.0, "r1_interval": 8},
    "paper": {"r1_gamma": 10.0, "r1_interval": 1, "learning_rate": 0.001, "ema_ramp": None},
    "stylegan2": {"learning_rate": 0.0025, "path_length_weight": 2.0},
}

DISCRIMINATORS = ("preset", "projected")

# What a projected discriminator trains with: small steps and R1, without which it is always right
# and the generator runs in circles (benchmarks/RESULTS.md).
PROJECTED_DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.002,
    "learning_rate_d": 0.0005,
    "r1_gamma": 0.3,
    "r1_interval": 8,
}

MAX_BATCH_SIZE = 65_536
MAX_NUMBER = 1e15  # no number of a run comes near it


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """All that a run depends on. Saved in every run folder; defaults are written only here."""

    data: str = ""  # zip or folder
    preset: str = "compact"
    discriminator: str = "preset"  # preset; projected: sees through a pretrained network
    start_from: str | None = None  # a model file whose weights the run starts with
    total_kimg: float = 1000.0  # length of the run in thousands of real images, > 0
    batch_size: int = 32  # >= 4 and a multiple of 4, for the minibatch standard deviation
    seed: int = 0  # fixes weights, latents, noise and the order of the pictures
    learning_rate: float = 0.002  # Adam's, > 0
    learning_rate_d: float | None = None  # the discriminator's; None: the same
    r1_gamma: float | None = None  # weight of R1; 0 turns it off; None: 0.0002 · side² / batch
    r1_interval: int = 16  # R1 is computed every so many steps, >= 1
    path_length_weight: float = 0.0  # 0 turns path length regularisation off
    path_length_interval: int = 4  # steps, >= 1
    reconstruction_weight: float = 0.0  # of an encoder's reconstructions of real images; 0: none
    attributes: bool = False  # the encoder is told what the dataset says of each image
    pretraining_kimg: float = 0.0  # the generator first learns from reconstructions alone so long
    matching_kimg: float = 0.0  # then mapping learns from a flow where z belong in W, so long
    style_mixing_probability: float = 0.9  # share of generated batches with two z, in [0, 1]
    ema_half_life_kimg: float = 10.0  # of the averaged generator, >= 0
    ema_ramp: float | None = 0.05  # half-life at most this share of the images seen
    warmup_kimg: float = 0.0  # the discriminator learns alone for so long, after that
    mirror: bool = False  # flip half of the real images left to right
    labels: bool = False  # train a class-conditional model on the dataset's labels
    precision: str = "auto"  # fp32, bf16; auto: bf16 where the machine has units for it
    compile: str = "auto"  # on, off; auto: on in long runs, on CUDA or matrix units
    device: str = "auto"  # cpu, cuda; auto: cuda where there is one
    snapshot_kimg: float = 20.0  # a sample sheet and a model file so often
    checkpoint_kimg: float = 20.0  # a checkpoint so often
    checkpoint_minutes: float = 15.0  # and so often
    keep_checkpoints: int = 2  # newest ones kept, >= 1
    keep_every: int = 0  # every so manieth checkpoint is kept for good; 0: none
    max_seconds: float | None = None  # end the run after so long, saved; None: no limit
    memory_budget_gb: float = 4.0  # decoded pictures stay in memory up to this size

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_type(field.name, getattr(self, field.name), str(field.type))
        positive = (
            "total_kimg learning_rate learning_rate_d r1_interval path_length_interval "
            "snapshot_kimg checkpoint_kimg checkpoint_minutes keep_checkpoints memory_budget_gb"
        )
        for name in positive.split():
            if (value := getattr(self, name)) is not None and not value > 0:
                raise WspaceError(f"{name}={value} is not positive: give more than 0.")
        not_negative = (
            "r1_gamma ema_half_life_kimg ema_ramp warmup_kimg path_length_weight "
            "reconstruction_weight pretraining_kimg matching_kimg keep_every max_seconds"
        )
        for name in not_negative.split():
            if (value := getattr(self, name)) is not None and not value >= 0:
                raise WspaceError(f"{name}={value} is negative: give 0 or more.")
        if self.pretraining_kimg and not self.reconstruction_weight:
            raise WspaceError(
                f"pretraining_kimg={self.pretraining_kimg} learns from reconstructions, which are "
                "off: give --reconstruction, such as 10."
            )
        if self.attributes and not self.reconstruction_weight:
            raise WspaceError(
                "attributes=True tells the encoder what images show, and there is none: give "
                "--reconstruction, such as 10."
            )
        if self.matching_kimg and not self.pretraining_kimg:
            raise WspaceError(
                f"matching_kimg={self.matching_kimg} learns where the pretrained encoder's w lie, "
                "and there is no pretraining: give --pretraining-kimg, such as 100."
            )
        if not 4 <= self.batch_size <= MAX_BATCH_SIZE or self.batch_size % 4:
            raise WspaceError(
                f"batch_size={self.batch_size} is no multiple of 4 up to {MAX_BATCH_SIZE}: the "
                "discriminator compares groups of 4 pictures; give 4, 8, 16, 32, ..."
            )
        if not 0 <= self.style_mixing_probability <= 1:
            raise WspaceError(
                f"style_mixing_probability={self.style_mixing_probability} is not a probability: "
                "give 0 (never mix) to 1 (mix every batch)."
            )
        if not 0 <= self.seed < 2**32:
            raise WspaceError(f"seed={self.seed} is outside 0 to 4294967295: choose another.")
        choices = {
            "preset": tuple(PRESETS),
            "discriminator": DISCRIMINATORS,
            "precision": ("auto", "fp32", "bf16"),
            "compile": ("auto", "on", "off"),
        }
        for name, values in choices.items():
            if getattr(self, name) not in values:
                raise WspaceError(
                    f"{name}={getattr(self, name)!r:.60} is unknown: give one of "
                    f"{', '.join(values)}."
                )

    def r1_gamma_for(self, resolution: int) -> float:
        """The weight of R1 at a resolution: what was given, or StyleGAN2-ADA's rule of thumb."""
        if self.r1_gamma is not None:
            return self.r1_gamma
        return 0.0002 * resolution**2 / self.batch_size

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it goes into config.json."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`.

        Raises:
            WspaceError: an unknown key, or a value that does not fit.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        if not isinstance(data, dict) or (unknown := sorted(set(data) - known)):
            what = (
                "it is not an object"
                if not isinstance(data, dict)
                else f"no {unknown[0]!r:.60} here"
            )
            raise WspaceError(f"the training configuration does not fit ({what}): upgrade wspace.")
        try:
            return cls(**data)
        except TypeError as error:
            raise WspaceError(f"the training configuration is damaged: {error}.") from None


def defaults(preset: str, discriminator: str = "preset") -> dict[str, Any]:
    """What is trained with where the user says nothing else: fields of `TrainConfig`."""
    own = PRESET_DEFAULTS.get(preset, {})
    return own | (PROJECTED_DEFAULTS if discriminator == "projected" else {})


def _check_type(name: str, value: Any, annotation: str) -> None:
    """Refuse what a damaged or hostile config.json may hold in a field's place."""
    kinds = annotation.split(" | ")
    if value is None and "None" in kinds:
        return
    allowed: dict[str, tuple[type, ...]] = {
        "str": (str,),
        "bool": (bool,),
        "int": (int,),
        "float": (int, float),
    }
    if not isinstance(value, allowed[kinds[0]]) or (isinstance(value, bool) and kinds[0] != "bool"):
        raise WspaceError(f"{name}={value!r:.60} is no {kinds[0]}: give one.")
    if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
        raise WspaceError(f"{name}={value!r:.60} is out of range: give a smaller number.")
