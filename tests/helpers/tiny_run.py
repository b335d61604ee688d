"""Runs so small that they can be started, killed and compared by the hundred."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._dynamo  # what building a network imports late, before processes are forked
from PIL import Image
from torch import Tensor

from wspace.cli.main import main
from wspace.formats.model_file import save
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    AdaINConfig,
    DemodulatedConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
)
from wspace.sizes import Resolution
from wspace.training import loop
from wspace.training.config import TrainConfig
from wspace.training.run.checkpoint import load_checkpoint, newest_checkpoint

BATCH = 4
Image.init()


def make_data(
    folder: Path, count: int = 10, seed: int = 0, *, size: tuple[int, int] = (8, 8)
) -> Path:
    """A folder of pictures, 8² or so; fewer than a few batches, so that runs cross epochs."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.RandomState(seed)
    for i in range(count):
        pixels = random.randint(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    return folder


def make_model(
    path: Path,
    architecture: str = "adain",
    num_classes: int = 0,
    *,
    resolution: Resolution = 8,
    image_channels: int = 3,
    learned: bool = False,
) -> Path:
    """Networks of a few thousand weights, to start runs from.

    ``learned``: synthesis has left its start, where instance norm meets maps of one value each and
    makes their rounding as large as any picture.
    """
    channels = (8, 8)
    shared: dict[str, Any] = {
        "resolution": resolution,
        "num_classes": num_classes,
        "image_channels": image_channels,
    }
    mapping = MappingConfig(num_layers=2, class_input="concat" if num_classes == 0 else "embed")
    if architecture == "adain":
        synthesis: Any = AdaINConfig(channels=channels)
        critic = DiscriminatorConfig(architecture="adain", channels=channels, **shared)
    else:
        synthesis = DemodulatedConfig(channels=channels)
        critic = DiscriminatorConfig(
            architecture="demodulated",
            channels=channels,
            mapping=dataclasses.replace(mapping, w_avg_beta=None),
            **shared,
        )
    generator = GeneratorConfig(
        architecture=architecture, z_dim=8, w_dim=8, mapping=mapping, synthesis=synthesis, **shared
    )
    torch.manual_seed(0)
    network, judge = build_generator(generator), build_discriminator(critic)
    if learned:
        with torch.no_grad():
            for name, parameter in network.synthesis.named_parameters():
                start = 0.0 if "const" in name else parameter
                parameter.copy_(start + 0.3 * torch.randn_like(parameter))
    save(network, path, discriminator=judge)
    return path


def make_config(folder: Path, *, steps: int = 20, **changes: Any) -> TrainConfig:
    """A run on data and a model that are made in ``folder``, where they are missing."""
    if not (folder / "data").exists():
        make_data(folder / "data")
    if not (folder / "start.safetensors").exists():
        make_model(folder / "start.safetensors")
    values: dict[str, Any] = {
        "data": str(folder / "data"),
        "preset": "compact",
        "discriminator": "preset",
        "learning_rate": 0.002,
        "r1_gamma": None,
        "start_from": str(folder / "start.safetensors"),
        "total_kimg": steps * BATCH / 1000,
        "batch_size": BATCH,
        "r1_interval": 4,
        "mirror": True,
        "ema_half_life_kimg": 0.1,
        "precision": "fp32",
        "compile": "off",
        "device": "cpu",
        "snapshot_kimg": 1000.0,
        "measure": False,
        "report": False,
        "checkpoint_kimg": 5 * BATCH / 1000,
    }
    return TrainConfig(**(values | changes))


def newest(run: Path) -> dict[str, Any]:
    """What the newest checkpoint holds."""
    path, torn = newest_checkpoint(run / "checkpoints")
    assert path is not None
    assert torn == []
    return load_checkpoint(path)


def difference(a: Any, b: Any, where: str = "") -> str:
    """Where two checkpoints differ in the last bit; empty where nowhere."""
    if isinstance(a, Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride()
        return "" if same and torch.equal(a, b) else where
    if isinstance(a, dict):
        if list(a) != list(b):
            return where
        return next((d for k in a if (d := difference(a[k], b[k], f"{where}/{k}"))), "")
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return where
        pairs = zip(a, b, strict=True)
        return next(
            (d for i, (x, y) in enumerate(pairs) if (d := difference(x, y, f"{where}/{i}"))), ""
        )
    return "" if a == b else where


def log_without_times(run: Path) -> list[dict[str, Any]]:
    """The lines of a run's log, without what depends on the clock."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    times = ("seconds", "images_per_second", "waiting_for_data")
    return [{k: v for k, v in line.items() if k not in times} for line in lines]


def differences_of_runs(a: Path, b: Path) -> list[str]:
    """What differs between two runs that should be the same."""
    found = [d for d in [difference(newest(a), newest(b))] if d]
    if log_without_times(a) != log_without_times(b):
        found.append("log.jsonl")
    kinds = (".safetensors", ".png") if a.name == b.name else (".safetensors",)  # sheets name runs
    made = [{p.name: p.read_bytes() for p in run.iterdir() if p.suffix in kinds} for run in (a, b)]
    names = sorted(made[0].keys() | made[1].keys())
    return found + [name for name in names if made[0].get(name) != made[1].get(name)]


def start_or_resume(run: Path, config: dict[str, Any], die_at: int | None = None) -> None:
    """Start the run ``run`` (named like 00000-data-compact), or go on with it where it exists.

    For processes of their own; ends with the exit status of the command.

    Args:
        run: the run folder to be.
        config: of the run.
        die_at: the process ends, as a kill would end it, at this file operation.
    """
    torch.set_num_threads(1)
    if die_at is not None:
        _die_at(die_at)
    if (run / "config.json").exists():
        loop.resume(run)
    else:
        loop.start(TrainConfig.from_dict(config), run.parent)
    os._exit(0)


def _die_at(count: int) -> None:
    """End this process without a word when it is about to do its ``count``-th file operation."""
    left = count

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_ACCMODE
        if writes or event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"):
            left -= 1
            if left == 0:
                os._exit(137)

    sys.addaudithook(audit)


def train_command(arguments: list[str], output: Path) -> None:
    """Run ``wspace train`` with its output in a file; for processes of their own."""
    torch.set_num_threads(1)
    with open(output, "w", buffering=1) as file:
        sys.stdout = sys.stderr = file
        main(["train", *arguments])
