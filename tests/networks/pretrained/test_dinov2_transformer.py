"""DINOv2's transformer against its definition, place by place and head by head."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_dinov2 import as_transformers_names, dinov2_weights
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.pretrained.dinov2 import DinoTransformer


def norm(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    centred = x - x.mean()
    return centred / (centred.square().mean() + 1e-6).sqrt() * weight + bias


def by_definition(own: dict[str, Tensor], image: Tensor, gated: bool) -> Tensor:
    """The class token of one image (3, H, W) whose patches have the stored positions."""
    patch = own["patch_embed.proj.weight"].shape[-1]
    kernel = own["patch_embed.proj.weight"].flatten(1)
    tokens = [own["cls_token"][0, 0]]
    for top in range(0, image.shape[1], patch):
        for left in range(0, image.shape[2], patch):
            pixels = image[:, top : top + patch, left : left + patch].flatten()
            tokens.append(kernel @ pixels + own["patch_embed.proj.bias"])
    tokens = [token + own["pos_embed"][0, i] for i, token in enumerate(tokens)]
    dim = len(tokens[0])
    for k in range(2):
        part = {n.split(".", 2)[2]: t for n, t in own.items() if n.startswith(f"blocks.{k}.")}
        normed = [norm(t, part["norm1.weight"], part["norm1.bias"]) for t in tokens]
        mixed = [part["attn.qkv.weight"] @ t + part["attn.qkv.bias"] for t in normed]
        gathered = []
        for one in mixed:
            heads = []
            for head in range(dim // 64):
                own_part = slice(64 * head, 64 * head + 64)
                query = one[:dim][own_part]
                scores = torch.stack(
                    [query @ t[dim : 2 * dim][own_part] / math.sqrt(64) for t in mixed]
                ).softmax(0)
                values = torch.stack([t[2 * dim :][own_part] for t in mixed])
                heads.append(scores @ values)
            gathered.append(torch.cat(heads))
        tokens = [
            t + part["ls1.gamma"] * (part["attn.proj.weight"] @ g + part["attn.proj.bias"])
            for t, g in zip(tokens, gathered, strict=True)
        ]
        after = []
        for t in tokens:
            x = norm(t, part["norm2.weight"], part["norm2.bias"])
            if gated:
                gate, value = (part["mlp.w12.weight"] @ x + part["mlp.w12.bias"]).chunk(2)
                x = gate * torch.sigmoid(gate) * value
                x = part["mlp.w3.weight"] @ x + part["mlp.w3.bias"]
            else:
                x = part["mlp.fc1.weight"] @ x + part["mlp.fc1.bias"]
                x = x * (1 + torch.erf(x / math.sqrt(2))) / 2
                x = part["mlp.fc2.weight"] @ x + part["mlp.fc2.bias"]
            after.append(t + part["ls2.gamma"] * x)
        tokens = after
    return norm(tokens[0], own["norm.weight"], own["norm.bias"])


@pytest.mark.parametrize(("dim", "gated"), [(64, False), (128, True)])
def test_the_class_token_is_that_of_the_definition(dim: int, gated: bool) -> None:
    weights = dinov2_weights(dim=dim, gated=gated)
    network = DinoTransformer(weights)
    assert (network.dim, network.patch, network.depth) == (dim, 4, 2)
    images = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    expected = torch.stack([by_definition(weights, image, gated) for image in images])
    torch.testing.assert_close(network(images), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("gated", [False, True])
def test_both_published_namings_are_the_same_network(gated: bool) -> None:
    weights = dinov2_weights(gated=gated)
    images = torch.randn(2, 3, 12, 12)
    other = DinoTransformer(as_transformers_names(weights))
    assert torch.equal(DinoTransformer(weights)(images), other(images))


def test_positions_are_resized_to_other_sizes_of_images() -> None:
    weights = dinov2_weights()
    weights["pos_embed"][:, 1:] = 0.5  # a constant stays itself however it is resized
    network = DinoTransformer(weights)
    torch.testing.assert_close(network._positions(5, 4)[:, 1:], torch.full((1, 20, 64), 0.5))
    assert torch.equal(network._positions(5, 4)[:, 0], weights["pos_embed"][:, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop("cls_token"), "lack cls_token"),
        (lambda w: w.pop("blocks.1.ls2.gamma"), "lack blocks.1.ls2.gamma"),
        (lambda w: w.update(register_tokens=torch.zeros(1, 4, 64)), "'register_tokens'"),
        (lambda w: w.update({"norm.bias": torch.zeros(3)}), r"norm.bias is \(3,\)"),
        (lambda w: w.update(pos_embed=torch.zeros(1, 6, 64)), "pos_embed has 6 places"),
        (
            lambda w: w.update({"patch_embed.proj.weight": torch.zeros(63, 3, 4, 4)}),
            "a multiple of 64",
        ),
    ],
)
def test_other_weights_are_refused_by_name(change: object, message: str) -> None:
    weights = dinov2_weights()
    change(weights)  # type: ignore[operator]
    with pytest.raises(WspaceError, match=message):
        DinoTransformer(weights)
    named = as_transformers_names(dinov2_weights())
    del named["encoder.layer.0.attention.attention.key.bias"]
    with pytest.raises(WspaceError, match=r"lack blocks.0.attn.key.bias"):
        DinoTransformer(named)
