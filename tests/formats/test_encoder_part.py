"""The encoder that a model file may hold, for those who ask for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from wspace.errors import WspaceError
from wspace.formats.difference import packed
from wspace.formats.model_file import (
    add_encoder,
    load,
    load_encoder,
    load_model_file,
    model_sha256,
    read_metadata,
    save,
    save_tuned,
)
from wspace.networks.config import EncoderConfig
from wspace.networks.encoder import Encoder
from wspace.networks.generator import Generator


@pytest.fixture(scope="module")
def encoder(tiny_generator: Generator) -> Encoder:
    own = EncoderConfig(first_width=8, max_width=16, hidden_dim=4)
    return Encoder(tiny_generator.config, own=own).eval().requires_grad_(False)


def same(one: Encoder | None, other: Encoder) -> bool:
    images = torch.randn(2, 3, 16, 16)
    return one is not None and torch.allclose(one(images), other(images), atol=1e-2)


def test_it_is_loaded_only_when_asked_for(
    tiny_generator: Generator, encoder: Encoder, tmp_path: Path
) -> None:
    path = tmp_path / "model.safetensors"
    save(tiny_generator, path, encoder=encoder)
    assert load_model_file(path).encoder is None
    file = load_model_file(path, encoder=True)
    assert same(file.encoder, encoder)
    assert file.encoder is not None
    assert file.encoder.config == encoder.config
    assert not any(parameter.requires_grad for parameter in file.encoder.parameters())
    assert model_sha256(load(path)) == model_sha256(tiny_generator)


def test_a_model_gets_one_and_stays_as_it_was(
    tiny_model: Path, encoder: Encoder, tmp_path: Path
) -> None:
    assert load_model_file(tiny_model, encoder=True).encoder is None
    path = tmp_path / "model.safetensors"
    shutil.copy(tiny_model, path)
    for _ in range(2):  # the second takes the place of the first
        add_encoder(path, encoder, path)
        assert same(load_model_file(path, encoder=True).encoder, encoder)
    assert model_sha256(load(path)) == model_sha256(load(tiny_model))
    assert read_metadata(path)["metadata"] == read_metadata(tiny_model)["metadata"]


def test_a_tuned_model_has_its_bases(tiny_model: Path, encoder: Encoder, tmp_path: Path) -> None:
    base, path = tmp_path / "base.safetensors", tmp_path / "mine.safetensors"
    add_encoder(tiny_model, encoder, base)
    save_tuned(packed({}, None), path, base=base)
    assert same(load_model_file(path, encoder=True).encoder, encoder)
    assert same(load_encoder(path), encoder)
    assert same(load_encoder(base), encoder)
    assert load_encoder(tiny_model) is None
    with pytest.raises(WspaceError, match="is a tuned model"):
        add_encoder(path, encoder, path)
