"""CLIP and its tokens, against what the transformers library (5.24.0) makes of the same weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_clip import GRID, MERGES, PATCH, clip_weights, vocabulary
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.pretrained.clip import ClipNetwork
from wspace.networks.pretrained.tokens import END, START, Tokenizer, pieces

EXPECTED = json.loads((Path(__file__).parents[2] / "fixtures" / "clip-tiny.json").read_text())


@pytest.fixture(scope="module")
def network() -> ClipNetwork:
    return ClipNetwork(clip_weights())


@pytest.mark.parametrize("told", EXPECTED["texts"], ids=lambda told: told["text"])
def test_texts_have_the_same_tokens_and_lie_in_the_same_place(
    network: ClipNetwork, told: dict[str, Any]
) -> None:
    tokens = Tokenizer(vocabulary(), MERGES).tokens(told["text"])
    assert tokens == told["tokens"]
    padded = torch.tensor([tokens + [tokens[-1]] * 3, [tokens[0], tokens[-1], *tokens[1:], 5, 5]])
    vectors = network.of_texts(padded)
    torch.testing.assert_close(vectors[0], torch.tensor(told["vector"]), atol=1e-5, rtol=0)
    assert not torch.allclose(vectors[1], vectors[0], atol=1e-2)


def test_images_lie_in_the_same_place(network: ClipNetwork) -> None:
    side = GRID * PATCH
    pixels = np.random.RandomState(1).rand(2, 3, side, side).astype(np.float32) * 2 - 1
    images = torch.from_numpy(pixels).requires_grad_()
    found = network.of_images(images)
    torch.testing.assert_close(found, torch.tensor(EXPECTED["images"]), atol=1e-5, rtol=0)
    found[0, 0].backward()
    assert images.grad is not None
    assert images.grad[0].abs().min() > 0
    assert not images.grad[1].any()


def test_images_of_any_size_are_scaled(network: ClipNetwork) -> None:
    flat = torch.full((1, 3, 40, 24), 0.3)
    small = torch.full((1, 3, network.side, network.side), 0.3)
    torch.testing.assert_close(network.of_images(flat), network.of_images(small))


def test_other_activations_are_others() -> None:
    tokens = torch.tensor([EXPECTED["texts"][0]["tokens"]])
    found = ClipNetwork(clip_weights(), "gelu").of_texts(tokens)
    assert not torch.allclose(found[0], torch.tensor(EXPECTED["texts"][0]["vector"]), atol=1e-4)


def changed(name: str, tensor: Tensor | None) -> dict[str, Tensor]:
    weights = clip_weights()
    del weights[name]
    return weights if tensor is None else weights | {name: tensor}


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (changed("visual_projection.weight", None), "lack visual_projection"),
        (changed("text_model.final_layer_norm.bias", None), "lack text_model.final"),
        (changed("text_model.final_layer_norm.bias", torch.zeros(3)), "ask for"),
        (changed("text_projection.weight", torch.zeros(4, 128)), "ask for"),
        (changed("visual_projection.weight", torch.zeros(0, 64)), "a CLIP has another"),
        (
            changed("vision_model.embeddings.patch_embedding.weight", torch.zeros(60, 3, 4, 4)),
            "multiples of 64",
        ),
        (
            changed("vision_model.embeddings.position_embedding.weight", torch.zeros(7, 64)),
            "7 places",
        ),
        (clip_weights() | {"lora.weight": torch.zeros(1)}, "no CLIP has"),
    ],
)
def test_other_weights_are_refused(weights: dict[str, Tensor], says: str) -> None:
    with pytest.raises(WspaceError, match=says):
        ClipNetwork(weights)


def test_text_falls_into_words_digits_and_the_rest() -> None:
    found = pieces("it's 2026: élan-vital, x_y!!'s")
    assert found == ["it", "'s", "2", "0", "2", "6", ":", "élan", "-", "vital", ",", "x", "_", "y",
                     "!!'", "s"]  # fmt: skip


@pytest.mark.parametrize(
    ("vocabulary", "merges", "says"),
    [
        ({}, MERGES, "numbers no tokens"),
        ({START: 0, END: 2}, MERGES, "numbers no tokens"),
        ({START: 0, END: "1"}, MERGES, "numbers no tokens"),
        ({START: 1, END: 0}, MERGES, "not the last"),
        ({START: 0, END: 1}, ["#version: 0.2", ""], "no pairs"),
    ],
)
def test_what_is_no_vocabulary_is_refused(vocabulary: Any, merges: Any, says: str) -> None:
    with pytest.raises(WspaceError, match=says):
        Tokenizer(vocabulary, merges)


def test_a_text_needs_words_that_the_vocabulary_has() -> None:
    with pytest.raises(WspaceError, match="says nothing"):
        Tokenizer(vocabulary(), MERGES).tokens(" \n ")
    with pytest.raises(WspaceError, match="lacks"):
        Tokenizer({START: 0, END: 1}, MERGES).tokens("red")
