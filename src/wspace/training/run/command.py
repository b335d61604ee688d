"""The command that starts a run: what its configuration says beside the defaults."""

from __future__ import annotations

from typing import Any

from wspace.data.remote.addresses import shown_address
from wspace.errors import command_line
from wspace.training.config import TrainConfig, values_by_name

__all__ = ["COMMAND_FILE", "command_of"]

COMMAND_FILE = "command.txt"  # in the run folder

# Options that have a place of their own on the command line.
_OWN = {
    "size": "--size",
    "fit": "--fit",
    "alpha": "--alpha",
    "preset": "--preset",
    "minutes": "--minutes",
    "total_kimg": "--kimg",
    "start_from": "--from",
    "seed": "--seed",
    "device": "--device",
}
_SWITCHES = {"labels": "labels", "mirror": "mirror"}


def command_of(config: TrainConfig) -> str:
    """Such as "wspace train photos.zip --minutes 30 --set batch_size=64".

    Args:
        config: as it was given: what is still "auto" or left open is decided again.
    """
    kinds = {"preset": config.preset, "start_from": config.start_from}
    usual = values_by_name(TrainConfig(**kinds, discriminator=config.discriminator))
    usual |= {"preset": TrainConfig().preset, "start_from": None}
    usual["discriminator"] = TrainConfig(preset=config.preset).discriminator
    words = ["wspace", "train", shown_address(config.data)]
    settings = []
    for name, value in values_by_name(config).items():
        if name == "data" or value == usual[name]:
            continue
        if name in _SWITCHES and value is not None:
            words.append(f"--{'' if value else 'no-'}{_SWITCHES[name]}")
        elif name in _OWN and value is not None:
            words += [_OWN[name], _text(value)]
        elif name not in _OWN:
            settings += ["--set", f"{name}={_text(value)}"]
    return command_line(*words, *settings)


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
