"""Everything that ``wspace bench`` measures, in one report."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from wspace.bench.generation import (
    GenerationSpeed,
    first_picture_seconds,
    generation_gflop,
    measure_generation,
)
from wspace.bench.hardware import Peak, describe_machine, measure_peaks
from wspace.bench.training import TrainingSpeed, measure_training
from wspace.errors import WspaceError
from wspace.formats.model_file import bundled_models, find_model, load_model_file, save
from wspace.machine import (
    choose_device,
    choose_precision,
    compiler_at_hand,
    keep_freed_memory,
)
from wspace.networks.build import build_generator
from wspace.networks.config import DiscriminatorConfig
from wspace.networks.generator import Generator
from wspace.networks.presets import PRESETS, preset
from wspace.rendering.synthesis_cache import RenderPath
from wspace.sizes import Resolution
from wspace.training.config import TrainConfig

__all__ = [
    "BenchConfig",
    "BenchReport",
    "Say",
    "bench",
    "networks_of",
    "precisions_of",
    "train_configs",
]

DEFAULT_MODEL = "avatars"
SECONDS = 4.0  # for each measured thing; quick: a fifth
PEAK_SECONDS = 0.5
FIRST_PICTURES = 2  # fresh processes; the fastest counts

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What to measure."""

    model: str | None = None  # name, file or run folder; None: a bundled one, or a preset's
    preset: str | None = None  # measure this preset with random weights instead
    resolution: Resolution = 64  # of the preset: a side, or height and width
    batches: tuple[int, ...] = (1, 8)  # pictures at once in generation
    train_batch: int = 16  # real images a training step
    quick: bool = False  # shorter measurements, no training
    all_precisions: bool = False  # bf16 even where it is slow here
    compile: bool = False  # generation and training compiled, too
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.model is not None and self.preset is not None:
            raise WspaceError(
                f"model {self.model!r} and preset {self.preset!r} exclude each other: give one."
            )


@dataclass(frozen=True, kw_only=True)
class BenchReport:
    """What was measured.

    Attributes:
        machine: see `describe_machine`.
        model: what was measured: name, architecture, resolution, parameters, operations.
        peaks: plain operations of the same run.
        first_picture_seconds: from the start of a process.
        generation, training: one entry for each combination that was measured.
        skipped: what was not measured and why, one line each.
    """

    machine: dict[str, Any]
    model: dict[str, Any]
    peaks: list[Peak]
    first_picture_seconds: float
    generation: list[GenerationSpeed]
    training: list[TrainingSpeed]
    skipped: list[str]

    def peak_gflops(self, precision: str) -> float:
        """The most that plain operations reach in a precision."""
        return max(peak.gflops for peak in self.peaks if peak.precision == precision)

    def share_of_peak(self, speed: GenerationSpeed | TrainingSpeed) -> float:
        """Operations a second as a share of the most that plain operations reach."""
        return speed.gflops / self.peak_gflops(speed.precision)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        data = dataclasses.asdict(self)
        speeds: list[GenerationSpeed | TrainingSpeed] = [*self.generation, *self.training]
        for entry, speed in zip(data["generation"] + data["training"], speeds, strict=True):
            entry["share_of_peak"] = self.share_of_peak(speed)
        return data


def bench(config: BenchConfig, say: Say = lambda _: None) -> BenchReport:
    """Measure a model on this machine.

    Args:
        config: what to measure.
        say: told what is being measured.

    Raises:
        WspaceError: there is no such model, preset or device.
    """
    keep_freed_memory()  # as the commands do that generate and train
    device = choose_device(config.device)
    generator, discriminator, defaults = networks_of(config)
    generator.to(device)
    seconds = SECONDS / 5 if config.quick else SECONDS
    precisions, skipped = precisions_of(config, device)

    say("plain convolutions")
    peaks = [
        peak
        for precision in precisions
        for peak in measure_peaks(precision, device, seconds=PEAK_SECONDS)
    ]
    say("first picture of a fresh process")
    first_picture = _first_picture(generator)
    generation = []
    paths = _paths(config, device, skipped)
    for precision, batch, path in itertools.product(precisions, config.batches, paths):
        say(f"generation, {precision}, batch {batch}, {path}")
        generation.append(
            measure_generation(generator, precision, batch, seconds=seconds, path=path)
        )
    training = []
    if config.quick:
        skipped.append("training: left out by --quick")
    elif discriminator is None:
        skipped.append("training: the model holds no discriminator, and no preset's fits it")
    else:
        for train in train_configs(config, defaults, precisions, paths, device):
            say(f"training, {train.precision}{', compiled' * (train.compile == 'on')}")
            networks = (generator.config, discriminator)
            training.append(measure_training(networks, train, seconds=seconds))
    return BenchReport(
        machine=describe_machine(device),
        model=_describe_model(generator),
        peaks=peaks,
        first_picture_seconds=first_picture,
        generation=generation,
        training=training,
        skipped=skipped,
    )


def networks_of(
    config: BenchConfig,
) -> tuple[Generator, DiscriminatorConfig | None, str]:
    """The generator, a discriminator's configuration, and the preset to train as."""
    model = config.model
    if model is None and config.preset is None and DEFAULT_MODEL in bundled_models():
        model = DEFAULT_MODEL
    if model is None:
        name = config.preset or "compact"
        generator_config, discriminator_config = preset(name, resolution=config.resolution)
        generator = build_generator(generator_config).eval().requires_grad_(False)
        generator.name = f"{name}-{generator.size.short}"
        return generator, discriminator_config, name
    loaded = load_model_file(find_model(model))
    generator = loaded.generator
    for name in PRESETS:
        generator_config, discriminator_config = preset(
            name, resolution=generator.resolution, num_classes=generator.num_classes
        )
        if generator_config == generator.config:
            return generator, discriminator_config, name
    if loaded.discriminator is None:
        return generator, None, "compact"
    return generator, cast(DiscriminatorConfig, loaded.discriminator.config), "compact"


def precisions_of(config: BenchConfig, device: torch.device) -> tuple[list[str], list[str]]:
    """The precisions to measure, and why one is left out."""
    if config.all_precisions or choose_precision(device.type) == "bf16":
        return ["fp32", "bf16"], []
    return ["fp32"], [
        "bf16: this machine has no fast units for it; --full measures it all the same"
    ]


def _paths(config: BenchConfig, device: torch.device, skipped: list[str]) -> list[RenderPath]:
    """Whether to measure what is compiled, too, and why not."""
    if not config.compile:
        skipped.append("what is compiled: compiling takes minutes; --compile measures it")
    elif device.type == "cpu" and not compiler_at_hand():
        skipped.append("what is compiled: there is no C++ compiler here; install g++")
    else:
        return ["folded", "compiled"]
    return ["folded"]


def train_configs(
    config: BenchConfig,
    preset_name: str,
    precisions: list[str],
    paths: list[RenderPath],
    device: torch.device,
) -> list[TrainConfig]:
    """A configuration for each precision and path: one stage, against the preset's own kind."""
    return [
        TrainConfig(
            preset=preset_name,
            discriminator="preset",
            batch_size=config.train_batch,
            precision=precision,
            compile="on" if path == "compiled" else "off",
            device=str(device),
        )
        for precision in precisions
        for path in paths
    ]


def _first_picture(generator: Generator) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save(generator, path)
        class_name = (generator.class_names or ("0",))[0] if generator.num_classes else None
        return first_picture_seconds(path, class_name=class_name, times=FIRST_PICTURES)


def _describe_model(generator: Generator) -> dict[str, Any]:
    return {
        "name": generator.name,
        "architecture": generator.config.architecture,
        "resolution": generator.resolution,
        "parameters": sum(p.numel() for p in generator.parameters()),
        "gflop_per_picture": generation_gflop(generator),
    }
