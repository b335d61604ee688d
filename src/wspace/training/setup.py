"""What a run starts with: every "auto" decided, and its first networks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn

from wspace.data.dataset import Dataset
from wspace.data.remote.addresses import is_address
from wspace.errors import WspaceError
from wspace.formats.model_file import bundled_models, load_model_file, read_metadata
from wspace.machine import (
    choose_device,
    choose_precision,
    compiler_at_hand,
    compiling_training_pays,
)
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import DiscriminatorConfig, GeneratorConfig, ProjectedConfig
from wspace.networks.generator import Generator
from wspace.networks.presets import preset, projected_discriminator
from wspace.training.augment import decide_augmentation
from wspace.training.config import TrainConfig
from wspace.training.transfer import (
    Shape,
    carried_discriminator,
    carried_generator,
    kin_by_name,
    names_kept,
    preset_of,
)

__all__ = [
    "decide",
    "fingerprint_of",
    "first_networks",
    "is_data_of",
    "preset_to_start_from",
    "with_whole_paths",
]

# Compiling pays once it has run this long: shorter runs are over before it has paid.
COMPILE_FROM_KIMG, COMPILE_FROM_MINUTES = 100.0, 30.0


def fingerprint_of(config: TrainConfig, data: Dataset) -> str:
    """What tells whether the data is still what a run began with."""
    attributes = data.attributes if config.reconstruction.attributes else None
    return data.fingerprint + ("" if attributes is None else attributes.fingerprint)


def is_data_of(config: TrainConfig, data: Dataset, recorded: Any) -> bool:
    """Whether data is what a run recorded the fingerprint of.

    Runs of earlier versions recorded less of what a folder's files hold, and numbered classes with
    the gaps that the labels have: for those, data's classes are numbered so from now on.
    """
    if fingerprint_of(config, data) == recorded:
        return True
    data.keep_class_numbers()
    attributes = fingerprint_of(config, data).removeprefix(data.fingerprint)
    return recorded in (data.fingerprint + attributes, data.earlier_fingerprint + attributes)


def preset_to_start_from(model: str) -> str | None:
    """The preset whose networks a model has; None: nobody's.

    Raises:
        WspaceError: there is no such model.
    """
    return preset_of(GeneratorConfig.from_dict(read_metadata(model)["generator"]))


def with_whole_paths(config: TrainConfig) -> TrainConfig:
    """The configuration with paths that mean the same in every working folder."""
    here = not is_address(config.data)
    changes = {"data": os.path.abspath(config.data) if here else config.data}
    if config.start_from is not None and config.start_from not in bundled_models():
        changes["start_from"] = os.path.abspath(config.start_from)
    return config.replace(**changes)


def decide(config: TrainConfig, data: Dataset) -> TrainConfig:
    """Replace every "auto" by what this machine and run call for."""
    changes: dict[str, Any] = {"image_channels": data.image_channels}
    if config.labels is None:
        changes["labels"] = data.labels is not None and data.num_classes > 1
    if config.labels and data.labels is None:
        raise WspaceError(
            f"{config.data} has no labels: build it from folders with `wspace data build "
            "--labels-from-folders`, or train with --no-labels."
        )
    if config.reconstruction.attributes is None:
        encoder = bool(config.reconstruction.weight)
        changes["reconstruction.attributes"] = encoder and data.attributes is not None
    if config.reconstruction.attributes and data.attributes is None:
        raise WspaceError(
            f"{config.data} has no attributes that tell its pictures apart: leave out "
            "--set attributes=true."
        )
    changes |= decide_augmentation(config, len(data))
    device = choose_device(config.device)
    changes["device"] = str(device)
    precision = config.precision
    if precision == "auto":
        precision = changes["precision"] = choose_precision(device.type)
    if config.compile == "auto":
        long = config.max_seconds is None and (
            config.total_kimg >= COMPILE_FROM_KIMG
            if config.total_kimg is not None
            else (config.minutes or 0) >= COMPILE_FROM_MINUTES
        )
        long = long and not config.growing.on  # it would compile every size, and every fade
        pays = long and compiling_training_pays(device.type, precision)
        changes["compile"] = "on" if pays else "off"
    elif config.compile == "on" and device.type == "cpu" and not compiler_at_hand():
        raise WspaceError(
            "compile=on needs a C++ compiler here: install g++ or give --set compile=off."
        )
    return config.replace(**changes)


def _with_mapping(config: GeneratorConfig, layers: int | None) -> GeneratorConfig:
    """A preset's generator with another depth of mapping; None leaves it as it is."""
    if layers is None:
        return config
    return replace(config, mapping=replace(config.mapping, num_layers=layers))


def first_networks(
    config: TrainConfig, data: Dataset, tell: Callable[[str], None] = lambda _: None
) -> tuple[Generator, nn.Module]:
    """The networks to start from: fresh ones of the preset, or a model's, made for the data.

    Args:
        config: decided.
        data: says how large the pictures are, and how many classes and channels they have.
        tell: told in a line what of the model goes on.

    Raises:
        WspaceError: the model cannot be read, or has no place in such networks.
    """
    torch.manual_seed(config.seed)
    shape = Shape(
        resolution=data.resolution,
        num_classes=data.num_classes if config.labels else 0,
        image_channels=data.image_channels,
    )
    configs = preset(config.preset, **vars(shape))
    judge: DiscriminatorConfig | ProjectedConfig = configs[1]
    if config.discriminator == "projected":
        judge = projected_discriminator(**cast(Any, vars(shape)))
    names = data.class_names if config.labels else None
    if config.start_from is None:
        made = replace(_with_mapping(configs[0], config.mapping_layers), class_names=names)
        return build_generator(made), build_discriminator(judge)
    if config.mapping_layers is not None:
        raise WspaceError(
            f"mapping_layers={config.mapping_layers}: {config.start_from} has a mapping network of "
            "its own: leave it out."
        )
    model = load_model_file(config.start_from)
    lod = getattr(model.generator.config.synthesis, "lod", 0.0)
    if lod > 0:
        raise WspaceError(
            f"{config.start_from} was still growing (level of detail {lod:g}; 0 when it has "
            "grown): go on with its run by --resume."
        )
    own = preset_of(model.generator.config)
    if own is not None and own != config.preset:
        raise WspaceError(
            f"{config.start_from} has the networks of preset {own}, not of {config.preset}: give "
            f"--preset {own}, or train without --from."
        )
    resting = config.adversarial.freeze_d
    if resting and shape.size.area > model.generator.size.area:
        raise WspaceError(
            f"freeze_d={resting} rests the blocks that see an image first, and at "
            f"{shape.size} those are new to {config.start_from}: leave it out."
        )
    kin = kin_by_name(model.generator.class_names, names)
    if names is None:
        names = names_kept(model.generator.class_names, shape.num_classes)
    generator, changed = carried_generator(model.generator, shape, kin)
    generator.config = replace(generator.config, class_names=names)
    said = "; ".join(["the generator goes on", *changed])
    discriminator: nn.Module | None = None
    if isinstance(getattr(model.discriminator, "config", None), type(judge)):
        assert model.discriminator is not None
        mapping = generator.config.mapping
        discriminator, changed = carried_discriminator(model.discriminator, shape, mapping, kin)
    if discriminator is None:
        if resting:
            raise WspaceError(
                f"freeze_d={resting} rests what a discriminator has learned, "
                f"and {config.start_from} holds none that goes on here: leave it out."
            )
        discriminator = build_discriminator(judge)
        said += ". The discriminator starts afresh"
        if config.discriminator == "preset" and not config.adversarial.warmup_kimg:
            said += ": with --set warmup_kimg=5 it learns alone first, and the generator rests"
    else:
        said += ". " + "; ".join(["The discriminator goes on", *changed])
    if config.reconstruction.weight:
        said += ". The encoder starts afresh"
    tell(f"from {config.start_from}: {said}.")
    return generator, discriminator
