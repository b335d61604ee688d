"""Random weights of a DINOv2 ViT of one head or two, under either set of published names."""

from __future__ import annotations

import torch
from torch import Tensor


def dinov2_weights(
    *, dim: int = 64, depth: int = 2, patch: int = 4, side: int = 3, gated: bool = False
) -> dict[str, Tensor]:
    """Under the names of the original release; ``side`` patches a side have positions."""
    random = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return 0.2 * torch.randn(*shape, generator=random)

    found = {
        "cls_token": draw(1, 1, dim),
        "mask_token": draw(1, dim),
        "pos_embed": draw(1, 1 + side**2, dim),
        "patch_embed.proj.weight": draw(dim, 3, patch, patch),
        "patch_embed.proj.bias": draw(dim),
        "norm.weight": 1 + draw(dim),
        "norm.bias": draw(dim),
    }
    hidden = 2 * dim
    for k in range(depth):
        block = f"blocks.{k}"
        first, second = ("w12", "w3") if gated else ("fc1", "fc2")
        found |= {
            f"{block}.norm1.weight": 1 + draw(dim),
            f"{block}.norm1.bias": draw(dim),
            f"{block}.attn.qkv.weight": draw(3 * dim, dim),
            f"{block}.attn.qkv.bias": draw(3 * dim),
            f"{block}.attn.proj.weight": draw(dim, dim),
            f"{block}.attn.proj.bias": draw(dim),
            f"{block}.ls1.gamma": draw(dim),
            f"{block}.norm2.weight": 1 + draw(dim),
            f"{block}.norm2.bias": draw(dim),
            f"{block}.mlp.{first}.weight": draw(2 * hidden if gated else hidden, dim),
            f"{block}.mlp.{first}.bias": draw(2 * hidden if gated else hidden),
            f"{block}.mlp.{second}.weight": draw(dim, hidden),
            f"{block}.mlp.{second}.bias": draw(dim),
            f"{block}.ls2.gamma": draw(dim),
        }
    return found


def as_transformers_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors as the transformers library stores them."""
    plain = {
        "cls_token": "embeddings.cls_token",
        "mask_token": "embeddings.mask_token",
        "pos_embed": "embeddings.position_embeddings",
        "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
        "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
        "norm.weight": "layernorm.weight",
        "norm.bias": "layernorm.bias",
    }
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if name in plain:
            found[plain[name]] = tensor
            continue
        _, number, rest = name.split(".", 2)
        layer = f"encoder.layer.{number}"
        if rest.startswith("attn.qkv"):
            kind = rest.rpartition(".")[2]
            for part, values in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                found[f"{layer}.attention.attention.{part}.{kind}"] = values.clone()
            continue
        for ours, theirs in (
            ("attn.proj.", "attention.output.dense."),
            ("ls1.gamma", "layer_scale1.lambda1"),
            ("ls2.gamma", "layer_scale2.lambda1"),
            ("mlp.w12.", "mlp.weights_in."),
            ("mlp.w3.", "mlp.weights_out."),
        ):
            rest = rest.replace(ours, theirs)
        found[f"{layer}.{rest}"] = tensor
    return found
