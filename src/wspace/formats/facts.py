"""What a model file says of itself, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["AT_LENGTH", "model_facts"]

# What a model says at length: every option that it was trained with, and a digest of its data.
AT_LENGTH = ("training", "fingerprint")


def model_facts(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was trained on, how long, how good it is: pairs of a label and a text.

    Args:
        metadata: of a model file, see `model_file.read_metadata`.
    """
    return [
        (key.replace("_", " "), _readable(value))
        for key, value in metadata.items()
        if key not in AT_LENGTH
    ]


def _readable(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_readable(inner)}" for key, inner in value.items() if inner != [])
    if isinstance(value, list):
        return "; ".join(_readable(inner) for inner in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
