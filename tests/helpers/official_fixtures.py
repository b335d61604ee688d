"""What official networks gave, recorded, and how ours are compared with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from wspace.formats.official.convert import ImportedModel

FIXTURES = Path(__file__).parents[1] / "fixtures"


def reference(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What was recorded of an official network: its facts, and what went in and came out."""
    facts = json.loads((FIXTURES / f"{name}.json").read_text(encoding="utf-8"))
    return facts, load_file(FIXTURES / f"{name}.safetensors")


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with `prefix`, by the rest of their names."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def assert_image(ours: Tensor, theirs: Tensor, *, relative: float = 1e-4) -> None:
    """Equal to 1e-4, and to `relative` of the deviation of `theirs`."""
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
    assert (ours - theirs).abs().max() <= relative * theirs.std()


def assert_scores(model: ImportedModel, tensors: dict[str, Tensor], output: str) -> None:
    """The discriminator of `model` gives what is recorded as `output`."""
    assert model.discriminator is not None
    scores = model.discriminator(tensors["in/images"], tensors.get("in/D_c"))
    torch.testing.assert_close(scores[:, None], tensors[output], atol=1e-4, rtol=1e-4)
