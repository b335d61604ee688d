"""What a run starts with: every "auto" decided, and its first networks."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, cast

import torch
from torch import nn

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.formats.model_file import bundled_models, load_model_file
from wspace.machine import (
    choose_device,
    choose_precision,
    compiler_at_hand,
    compiling_training_pays,
)
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import DiscriminatorConfig, ProjectedConfig
from wspace.networks.generator import Generator
from wspace.networks.presets import preset, projected_discriminator
from wspace.training.config import TrainConfig
from wspace.training.growth import grow

__all__ = ["decide", "fingerprint_of", "first_networks", "open_data", "with_whole_paths"]

# Compiling pays once it has run this long: shorter runs are over before it has paid.
COMPILE_FROM_KIMG, COMPILE_FROM_MINUTES = 100.0, 30.0


def fingerprint_of(config: TrainConfig, data: Dataset) -> str:
    """What tells whether the data is still what a run began with."""
    attributes = data.attributes if config.reconstruction.attributes else None
    return data.fingerprint + ("" if attributes is None else attributes.fingerprint)


def open_data(config: TrainConfig) -> Dataset:
    """The pictures of a run, in as many channels as its networks have.

    Raises:
        WspaceError: the data, or the model to start from, cannot be read.
    """
    channels = config.image_channels
    if channels is None and config.start_from is not None:
        channels = load_model_file(config.start_from, discriminator=False).generator.image_channels
    memory = int(config.memory_budget_gb * 2**30)
    return Dataset.open(config.data, memory, image_channels=cast(Any, channels))


def with_whole_paths(config: TrainConfig) -> TrainConfig:
    """The configuration with paths that mean the same in every working folder."""
    changes = {"data": os.path.abspath(config.data)}
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
            f"{config.data} has no labels: make it with --label-by, or train without --labels."
        )
    if config.reconstruction.attributes is None:
        encoder = bool(config.reconstruction.weight)
        changes["reconstruction.attributes"] = encoder and data.attributes is not None
    if config.reconstruction.attributes and data.attributes is None:
        raise WspaceError(
            f"{config.data} has no attributes that tell its pictures apart: leave out "
            "attributes=true."
        )
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
        pays = long and compiling_training_pays(device.type, precision)
        changes["compile"] = "on" if pays else "off"
    elif config.compile == "on" and device.type == "cpu" and not compiler_at_hand():
        raise WspaceError(
            "compile=on needs a C++ compiler here: install g++ or give --compile off."
        )
    return config.replace(**changes)


def first_networks(config: TrainConfig, data: Dataset) -> tuple[Generator, nn.Module]:
    """The networks to start from: fresh ones of the preset, or a model's."""
    torch.manual_seed(config.seed)
    num_classes = data.num_classes if config.labels else 0
    shape: dict[str, Any] = {
        "resolution": data.resolution,
        "num_classes": num_classes,
        "image_channels": data.image_channels,
    }
    configs = preset(config.preset, **shape)
    judge: DiscriminatorConfig | ProjectedConfig = configs[1]
    if config.discriminator == "projected":
        judge = projected_discriminator(**shape)
    if config.start_from is None:
        return build_generator(configs[0]), build_discriminator(judge)
    model = load_model_file(config.start_from)
    if not isinstance(getattr(model.discriminator, "config", None), type(judge)):
        model = dataclasses.replace(model, discriminator=None)  # of the other kind
    own = model.generator
    if own.resolution < data.resolution and own.num_classes == num_classes:
        return grow(model, configs[0], judge)
    if own.image_channels != data.image_channels:
        raise WspaceError(
            f"{config.start_from} makes pictures of {own.image_channels} channels, image_channels="
            f"{data.image_channels} asks for others: leave it out."
        )
    if own.resolution != data.resolution or own.num_classes != num_classes:
        raise WspaceError(
            f"{config.start_from} makes {own.resolution}² pictures with {own.num_classes} classes, "
            f"the data is {data.resolution}² with {num_classes}: scale it with `wspace data build`."
        )
    if model.discriminator is not None:
        return own, model.discriminator
    return own, build_discriminator(judge)
