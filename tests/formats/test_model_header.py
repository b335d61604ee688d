"""Headers of model files whose size begins like a pickle are still headers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from wspace.errors import WspaceError
from wspace.formats.model_file import load, read_metadata, save
from wspace.networks.build import build_generator
from wspace.networks.config import AdaINConfig, GeneratorConfig


def test_a_header_size_that_begins_with_the_byte_of_pickles_is_read(tmp_path: Path) -> None:
    generator = build_generator(
        GeneratorConfig(
            architecture="adain",
            resolution=4,
            z_dim=2,
            w_dim=2,
            synthesis=AdaINConfig(channels=(2,)),
        )
    )
    path = tmp_path / "model.safetensors"
    first_bytes = set()
    for padding in range(0, 256, 8):
        save(generator, path, metadata={"padding": "x" * padding})
        first_bytes.add(path.read_bytes()[0])
        assert read_metadata(path)["metadata"]["padding"] == "x" * padding
    assert 0x80 in first_bytes


def test_a_pickle_is_told_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"\x80\x04\x95\x8e\x09\x01\x00\x00\x00\x00\x00\x8c\x14" + bytes(100))
    with pytest.raises(WspaceError, match="wspace import"):
        read_metadata(path)


def test_half_precision_may_be_for_one_part_of_a_network(tmp_path: Path) -> None:
    config = GeneratorConfig(
        architecture="adain", resolution=8, z_dim=8, w_dim=8, synthesis=AdaINConfig(channels=(4, 2))
    )
    path = tmp_path / "model.safetensors"
    save(build_generator(config), path, dtype=torch.float16, part="generator.synthesis")
    dtypes = {name: tensor.dtype for name, tensor in load_file(path).items()}
    halved = {name for name, dtype in dtypes.items() if dtype == torch.float16}
    assert halved
    assert halved == {name for name in dtypes if name.startswith("generator.synthesis")}
    assert load(path).synthesis.const.dtype == torch.float32
