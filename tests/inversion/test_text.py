"""A picture follows a text: nearer to what a CLIP says of it; and folders that hold no CLIP."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_clip import write_clip

import wspace
from wspace.errors import WspaceError
from wspace.images import rgb_of
from wspace.inversion.text import Clip, TextConfig, follow_text
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return Clip.read(write_clip(tmp_path_factory.mktemp("clip")))


def test_a_picture_comes_to_be_more_like_the_text(tiny_generator: Generator, clip: Clip) -> None:
    edits = (Edit(direction=(1.0,) * 8, strength=0.5, layers=(2,)),)
    (recipe,) = wspace.recipes(seeds=[1], psi=0.7)
    recipe = recipe.replace(edits=edits)
    seen: list[int] = []

    def watch(done: int, pixels: torch.Tensor) -> None:
        assert pixels.shape == (1, 16, 16, 3)
        seen.append(done)

    told = follow_text(
        tiny_generator, recipe, clip, "red glasses", TextConfig(steps=15), watch=watch
    )
    assert seen == list(range(1, 16))
    assert told.after > told.before + 0.01
    assert told.recipe.edits == edits
    pixels = torch.from_numpy(wspace.render(tiny_generator, [recipe, told.recipe]).pixels)
    images = pixels.permute(0, 3, 1, 2) / 127.5 - 1
    likeness = (clip.network.of_images(rgb_of(images)) @ clip.of_text("red glasses")[0]).tolist()
    assert likeness == pytest.approx([told.before, told.after], abs=0.02)


def test_what_is_held_changes_less(tiny_generator: Generator, clip: Clip) -> None:
    (recipe,) = wspace.recipes(seeds=[1])
    w = np.array(wspace.render(tiny_generator, [recipe]).pixels, dtype=float)
    moved = []
    for hold in (0.0, 100.0):
        config = TextConfig(steps=8, hold=hold)
        told = follow_text(tiny_generator, recipe, clip, "a hat", config)
        moved.append(np.abs(wspace.render(tiny_generator, [told.recipe]).pixels - w).mean())
    assert moved[1] < 0.5 * moved[0]


def test_without_steps_the_recipe_stays(tiny_generator: Generator, clip: Clip) -> None:
    (recipe,) = wspace.recipes(seeds=[1])
    told = follow_text(tiny_generator, recipe, clip, "red", TextConfig(steps=0))
    assert told.recipe == recipe
    assert told.before == told.after


def test_a_text_that_is_too_long_is_refused(clip: Clip) -> None:
    with pytest.raises(WspaceError, match="say it more shortly"):
        clip.of_text("glasses " * 30)


def test_weights_are_known_by_what_they_are(tmp_path: Path, tiny_model: Path) -> None:
    write_clip(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "z.safetensors")
    (tmp_path / "a.safetensors").write_bytes(tiny_model.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({"text_config": {"hidden_act": "gelu"}}))
    assert Clip.read(tmp_path).network.activation == "gelu"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("vocab.json", None, "cannot read"),
        ("vocab.json", b"{", "no JSON"),
        ("vocab.json", b"[1]", "no JSON object"),
        ("vocab.json", b'{"a": 0}', "numbers no tokens"),
        ("vocab.json", b'{"<|startoftext|>": 0, "<|endoftext|>": 1}', "has 2 tokens"),
        ("merges.txt", None, "cannot read"),
        ("merges.txt", b"\xff\xfe", "is no text"),
        ("merges.txt", b"", "no pairs"),
        ("model.safetensors", None, "no safetensors file with a CLIP"),
        ("model.safetensors", b"PK", "is no safetensors file"),
        ("config.json", b'{"vision_config": {"hidden_act": "relu"}}', "hidden_act"),
    ],
)
def test_folders_without_a_clip_are_told_in_one_line(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    write_clip(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WspaceError, match=says) as error:
        Clip.read(tmp_path)
    assert "\n" not in str(error.value)
