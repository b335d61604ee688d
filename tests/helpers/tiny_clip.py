"""A CLIP of a few thousand random weights, as a folder under the published names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from wspace.networks.pretrained.tokens import END, START, WORD_END, Tokenizer

SEEN, TOLD, DIM, PATCH, GRID, DEPTH, CONTEXT = 64, 128, 16, 4, 3, 2, 24
MERGES = ["r e", "re d</w>", "g l", "a s", "gl as", "s e", "glas se", "glasse s</w>"]
MERGES += ["w i", "t h</w>", "wi th</w>", "' s</w>", "h a", "ha t</w>"]


def vocabulary() -> dict[str, int]:
    """Bytes, bytes that end words, what merges make, and the two that hold a text."""
    plain = Tokenizer({START: 0, END: 1}, MERGES)._bytes
    tokens = [*plain, *(one + WORD_END for one in plain)]
    tokens += ["".join(line.split()) for line in MERGES]
    tokens = [*dict.fromkeys(tokens), START, END]
    return {token: number for number, token in enumerate(tokens)}


def clip_weights() -> dict[str, Tensor]:
    """The same on every machine."""
    random = np.random.RandomState(0)

    def draw(*shape: int) -> Tensor:
        return torch.from_numpy((0.2 * random.randn(*shape)).astype(np.float32))

    found = {
        "logit_scale": torch.tensor(2.0),
        "vision_model.embeddings.class_embedding": draw(SEEN),
        "vision_model.embeddings.patch_embedding.weight": draw(SEEN, 3, PATCH, PATCH),
        "vision_model.embeddings.position_embedding.weight": draw(1 + GRID**2, SEEN),
        "text_model.embeddings.token_embedding.weight": draw(len(vocabulary()), TOLD),
        "text_model.embeddings.position_embedding.weight": draw(CONTEXT, TOLD),
        "visual_projection.weight": draw(DIM, SEEN),
        "text_projection.weight": draw(DIM, TOLD),
    }
    norms = [("vision_model.pre_layrnorm", SEEN), ("vision_model.post_layernorm", SEEN)]
    norms.append(("text_model.final_layer_norm", TOLD))
    for part, width in (("vision_model", SEEN), ("text_model", TOLD)):
        for k in range(DEPTH):
            layer = f"{part}.encoder.layers.{k}"
            norms += [(f"{layer}.layer_norm1", width), (f"{layer}.layer_norm2", width)]
            for name in ("q", "k", "v", "out"):
                found[f"{layer}.self_attn.{name}_proj.weight"] = draw(width, width)
                found[f"{layer}.self_attn.{name}_proj.bias"] = draw(width)
            found[f"{layer}.mlp.fc1.weight"] = draw(2 * width, width)
            found[f"{layer}.mlp.fc1.bias"] = draw(2 * width)
            found[f"{layer}.mlp.fc2.weight"] = draw(width, 2 * width)
            found[f"{layer}.mlp.fc2.bias"] = draw(width)
    for name, width in norms:
        found[f"{name}.weight"], found[f"{name}.bias"] = 1 + draw(width), draw(width)
    return found


def write_clip(folder: Path) -> Path:
    """All that a folder of a published CLIP needs to be read."""
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(clip_weights(), folder / "model.safetensors")
    (folder / "vocab.json").write_text(json.dumps(vocabulary()))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]) + "\n")
    return folder
