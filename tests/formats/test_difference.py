"""Tuned models: a difference beside its base, found, added, and refused where it does not fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.formats.difference import MAX_RANK, difference, packed, with_changes
from wspace.formats.model_file import (
    base_of,
    load,
    load_model_file,
    model_sha256,
    read_metadata,
    save_tuned,
)
from wspace.networks.generator import Generator


@pytest.fixture
def tuned(loaded_generator: Generator) -> Generator:
    """`tiny_generator` with other synthesis weights."""
    with torch.no_grad():
        for k, weight in enumerate(loaded_generator.synthesis.parameters()):
            random = torch.Generator().manual_seed(k)
            weight += 0.01 * torch.randn(weight.shape, generator=random)
    return loaded_generator


@pytest.fixture
def changes(tiny_generator: Generator, tuned: Generator) -> dict[str, Tensor]:
    return packed(difference(tiny_generator, tuned), None)


def test_what_is_added_is_the_tuned_model_again(
    tiny_generator: Generator, tuned: Generator, changes: dict[str, Tensor]
) -> None:
    before = model_sha256(tiny_generator)
    again = with_changes(tiny_generator, changes)
    for name, tensor in again.state_dict().items():
        torch.testing.assert_close(tensor, tuned.state_dict()[name], atol=3e-5, rtol=0)
    assert model_sha256(tiny_generator) == before
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_what_did_not_change_is_left_out(tiny_generator: Generator, tuned: Generator) -> None:
    own = difference(tiny_generator, tuned)
    assert set(own) == {name for name, _ in tuned.synthesis.named_parameters()}
    assert difference(tiny_generator, tiny_generator) == {}


def test_low_rank_takes_less_space_and_is_the_nearest_of_its_rank(
    tiny_generator: Generator, tuned: Generator
) -> None:
    own = difference(tiny_generator, tuned)
    name = "layers.3.conv.weight"
    stored = packed(own, 2)
    assert sum(t.nbytes for t in stored.values()) < sum(
        t.nbytes for t in packed(own, None).values()
    )
    added = with_changes(tiny_generator, stored).synthesis.state_dict()[name]
    found = (added - tiny_generator.synthesis.state_dict()[name]).flatten(1)
    u, s, v = torch.linalg.svd(own[name].flatten(1), full_matrices=False)
    torch.testing.assert_close(found, (u[:, :2] * s[:2]) @ v[:2], atol=1e-4, rtol=1e-2)


def test_factors_give_the_same_numbers_in_any_order_of_their_sums() -> None:
    random = torch.Generator().manual_seed(0)
    left = (torch.rand(16, MAX_RANK, generator=random) * 2 - 1).half().double()
    right = (torch.rand(MAX_RANK, 40, generator=random) * 2 - 1).half().double()
    left[0], right[:, 0] = 1, 1
    left[1], right[:, 1] = 2.0**-24, 2.0**-24
    order = torch.randperm(MAX_RANK, generator=random)
    one_by_one = torch.zeros(16, 40, dtype=torch.float64)
    for k in order.tolist():
        one_by_one += left[:, k : k + 1] * right[k]
    assert torch.equal(left @ right, one_by_one)


def test_a_tuned_model_is_a_model_that_finds_its_base(
    tiny_model: Path, changes: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    save_tuned(changes, path, base=tiny_model, metadata={"tuned_for": ["me"]})
    file = load_model_file(path)
    assert file.generator.name == "mine.safetensors"
    assert file.metadata == {"tuned_for": ["me"]}
    assert model_sha256(file.generator) == model_sha256(with_changes(load(tiny_model), changes))
    assert read_metadata(path)["generator"] == file.generator.config.to_dict()
    assert base_of(path).samefile(tiny_model)
    assert base_of(tiny_model) == tiny_model
    assert path.stat().st_size < tiny_model.stat().st_size


def test_what_is_tuned_again_has_the_same_base(
    tiny_model: Path, changes: dict[str, Tensor], tmp_path: Path
) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    save_tuned(changes, first, base=tiny_model)
    save_tuned(changes, second, base=first)
    assert base_of(second).samefile(tiny_model)


def test_the_base_may_lie_beside_it_or_in_a_run_folder_there(
    tiny_model: Path, changes: dict[str, Tensor], tmp_path: Path
) -> None:
    (tmp_path / "a" / "run").mkdir(parents=True)
    shutil.copy(tiny_model, tmp_path / "a" / "run" / "model.safetensors")
    path = tmp_path / "a" / "mine.safetensors"
    save_tuned(changes, path, base=tmp_path / "a" / "run")
    moved = tmp_path / "b" / "mine.safetensors"
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.rmtree(tmp_path / "a")
    assert base_of(moved).samefile(tmp_path / "b" / "run" / "model.safetensors")
    shutil.move(tmp_path / "b" / "run" / "model.safetensors", tmp_path / "b" / "model.safetensors")
    assert load(moved).name == "mine.safetensors"


def test_without_its_base_or_with_another_it_is_one_line(
    tiny_model: Path, other_model: Path, changes: dict[str, Tensor], tmp_path: Path
) -> None:
    base = tmp_path / "base.safetensors"
    path = tmp_path / "mine.safetensors"
    shutil.copy(tiny_model, base)
    save_tuned(changes, path, base=base)
    shutil.copy(other_model, base)
    with pytest.raises(WspaceError, match=r"tuned from base.safetensors .* has other weights"):
        load(path)
    base.unlink()
    with pytest.raises(WspaceError, match=r"it is not found: put that model beside it"):
        load(path)


def test_the_model_itself_is_not_overwritten(tiny_model: Path, changes: dict[str, Tensor]) -> None:
    before = tiny_model.read_bytes()
    with pytest.raises(WspaceError, match="is the model itself"):
        save_tuned(changes, tiny_model, base=tiny_model)
    assert tiny_model.read_bytes() == before


WEIGHT = "layers.3.conv.weight"
HALF = {"dtype": torch.float16}


@pytest.mark.parametrize(
    "stored",
    [
        {"change.nothing": torch.zeros(1, **HALF)},
        {"other": torch.zeros(1, **HALF)},
        {f"change.{WEIGHT}": torch.zeros(2, 2, **HALF)},
        {f"change.{WEIGHT}": torch.full((8, 8, 3, 3), torch.nan, **HALF)},
        {f"change.{WEIGHT}": torch.zeros(8, 8, 3, 3)},
        {f"left.{WEIGHT}": torch.zeros(8, 2, **HALF)},
        {f"right.{WEIGHT}": torch.zeros(2, 72, **HALF)},
        {
            f"left.{WEIGHT}": torch.zeros(8, 0, **HALF),
            f"right.{WEIGHT}": torch.zeros(0, 72, **HALF),
            f"scale.{WEIGHT}": torch.zeros(1),
        },
        {
            f"left.{WEIGHT}": torch.full((8, 2), 2.0, **HALF),
            f"right.{WEIGHT}": torch.zeros(2, 72, **HALF),
            f"scale.{WEIGHT}": torch.zeros(1),
        },
        {
            f"left.{WEIGHT}": torch.zeros(8, 2, **HALF),
            f"right.{WEIGHT}": torch.zeros(2, 72, **HALF),
            f"scale.{WEIGHT}": torch.full((1,), torch.inf),
        },
    ],
)
def test_changes_that_do_not_fit_are_refused_in_one_line(
    tiny_model: Path, changes: dict[str, Tensor], stored: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    save_tuned(changes, path, base=tiny_model)
    with safetensors.safe_open(path, framework="pt") as file:
        header = file.metadata()
    safetensors.torch.save_file(stored, path, metadata=header)
    with pytest.raises(
        WspaceError, match=r"is damaged: its tensor .*: tune the model again"
    ) as error:
        load(path)
    assert "\n" not in str(error.value)
