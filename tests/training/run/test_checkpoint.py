import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from wspace.errors import WspaceError
from wspace.training.run.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint


def save(folder: Path, state: dict[str, Any], kimg: float = 1.0, **kept: int) -> Path:
    return save_checkpoint(folder, state, kimg=kimg, **({"keep": 2, "keep_every": 0} | kept))


def assert_same(a: Any, b: Any, where: str = "state") -> None:
    assert type(a) is type(b) or isinstance(a, dict), where
    if isinstance(a, Tensor):
        assert (a.dtype, a.shape, a.stride()) == (b.dtype, b.shape, b.stride()), where
        assert torch.equal(a, b), where
    elif isinstance(a, dict):
        assert list(a) == list(b), where
        for key in a:
            assert_same(a[key], b[key], f"{where}/{key}")
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b), where
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}/{i}")
    else:
        assert a == b, where


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_tensors_come_back_with_type_shape_layout_and_bits(tmp_path: Path) -> None:
    state = {
        "zero_dim": torch.tensor(7),
        "empty": torch.empty(0, 3),
        "bf16": torch.randn(3, 2).bfloat16(),
        "bytes": torch.arange(256, dtype=torch.uint8),
        "flags": torch.tensor([True, False]),
        "double": torch.tensor([math.pi], dtype=torch.float64),
        "transposed": torch.randn(3, 4).t(),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "one_by_one": torch.randn(8, 4, 1, 1).to(memory_format=torch.channels_last),
        "nested": {"a/b": torch.ones(1), "a": {"b": torch.zeros(1)}, "": {"": torch.ones(2)}},
    }
    assert_same(state, load_checkpoint(save(tmp_path, state)))


def test_tensors_that_share_memory_or_overlap_come_back_apart(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    state = {"a": shared, "b": shared, "part": shared[::2], "wide": torch.ones(1).expand(4)}
    loaded = load_checkpoint(save(tmp_path, state))
    for name, tensor in state.items():
        assert torch.equal(loaded[name], tensor)
    loaded["a"][0] = 9.0
    assert loaded["b"][0] == 0.0


def test_plain_data_comes_back_exactly(tmp_path: Path) -> None:
    state = {
        "generator": {"state": 2**128 + 1, "inc": -(2**64)},
        "floats": [0.1, 1e-323, -0.0, 1.7976931348623157e308, float("inf")],
        "text": 'Grüße "\n\0',
        "none": None,
        "flags": [True, False, 1, 0, 1.0],
        "tuple": (1, (2, [3])),
        "int_keys": {0: "a", 10: {"b": 1}, "0": "text"},
        "$tensor": "no reference",
        "$tuple": {"$items": []},
        "empty": [{}, [], ()],
    }
    loaded = load_checkpoint(save(tmp_path, state))
    assert_same(state, loaded)
    assert math.copysign(1, loaded["floats"][2]) == -1
    assert math.isnan(load_checkpoint(save(tmp_path, {"nan": float("nan")}))["nan"])


def test_an_optimizer_state_goes_through_as_it_is(tmp_path: Path) -> None:
    def train(network: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            network(torch.ones(2, 3, 5, 5)).square().sum().backward()
            optimizer.step()

    def make() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        return network, torch.optim.Adam(network.parameters(), lr=0.01, betas=(0.0, 0.99))

    straight, optimizer = make()
    train(straight, optimizer, 3)
    path = save(tmp_path, {"network": straight.state_dict(), "optimizer": optimizer.state_dict()})
    train(straight, optimizer, 3)
    resumed, optimizer = make()
    state = load_checkpoint(path)
    resumed.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    train(resumed, optimizer, 3)
    assert torch.equal(straight.weight, resumed.weight)


def test_what_is_neither_tensor_nor_plain_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="state/a/0"):
        save(tmp_path, {"a": [object()]})
    assert not tmp_path.exists() or names(tmp_path) == []


def test_the_newest_n_are_kept_and_every_mth_for_good(tmp_path: Path) -> None:
    for i in range(1, 8):
        save(tmp_path, {"i": i}, kimg=i, keep=2, keep_every=3)
    kept = [f"kimg-00000{i}.000" for i in (3, 6, 7)]
    assert names(tmp_path) == kept
    assert [load_checkpoint(tmp_path / name)["i"] for name in kept] == [3, 6, 7]


def test_more_kept_than_there_are_deletes_none(tmp_path: Path) -> None:
    for i in range(4):
        save(tmp_path, {"i": i}, kimg=i, keep=5)
    assert len(names(tmp_path)) == 4


def test_one_kept_is_the_newest(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path, {"i": i}, kimg=i, keep=1)
    assert names(tmp_path) == ["kimg-000002.000"]


def test_a_second_checkpoint_at_the_same_kimg_is_newer(tmp_path: Path) -> None:
    for i in range(12):
        save(tmp_path, {"i": i}, kimg=0.004, keep=20)
    newest, messages = newest_checkpoint(tmp_path)
    assert newest is not None
    assert newest.name == "kimg-000000.004-12"
    assert load_checkpoint(newest)["i"] == 11
    assert messages == []


def test_order_is_by_number_not_by_letter(tmp_path: Path) -> None:
    save(tmp_path, {}, kimg=999_999.999)
    save(tmp_path, {"newest": True}, kimg=1_000_000)
    newest, _ = newest_checkpoint(tmp_path)
    assert newest is not None
    assert load_checkpoint(newest) == {"newest": True}


def test_no_folder_and_an_empty_one_have_no_checkpoint(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path / "missing") == (None, [])
    (tmp_path / "kimg-notes.txt").write_text("mine")
    assert newest_checkpoint(tmp_path) == (None, [])


def tear(path: Path, how: str) -> None:
    tensors, plain, manifest = (
        path / name for name in ("state.safetensors", "state.json", "manifest.json")
    )
    if how == "cut tensors":
        tensors.write_bytes(tensors.read_bytes()[:-1])
    elif how == "a flipped bit":
        content = bytearray(tensors.read_bytes())
        content[-1] ^= 1
        tensors.write_bytes(content)
    elif how == "other plain data":
        plain.write_text(plain.read_text().replace("1", "2"))
    elif how == "no manifest":
        manifest.unlink()
    elif how == "an empty manifest":
        manifest.write_bytes(b"")
    elif how == "a manifest of nonsense":
        manifest.write_text("[" * 10_000)
    elif how == "a manifest without files":
        manifest.write_text(json.dumps({"version": 1, "number": 1, "files": {}}))
    elif how == "a newer format":
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 2}))
    elif how == "no tensors":
        tensors.unlink()
    elif how == "a file instead":
        shutil.rmtree(path)
        path.write_text("")
    elif how == "a huge manifest":
        manifest.write_bytes(b" " * 2**17)


TEARS = [
    "cut tensors",
    "a flipped bit",
    "other plain data",
    "no manifest",
    "an empty manifest",
    "a manifest of nonsense",
    "a manifest without files",
    "a newer format",
    "no tensors",
    "a file instead",
    "a huge manifest",
]


@pytest.mark.parametrize("how", TEARS)
def test_a_torn_checkpoint_is_named_and_skipped(tmp_path: Path, how: str) -> None:
    whole = save(tmp_path, {"i": 1, "t": torch.ones(3)}, kimg=1)
    torn = save(tmp_path, {"i": 1, "t": torch.ones(3)}, kimg=2)
    tear(torn, how)
    newest, messages = newest_checkpoint(tmp_path)
    assert newest == whole
    assert len(messages) == 1
    assert str(torn) in messages[0]
    with pytest.raises(WspaceError, match="not whole"):
        load_checkpoint(torn)


def test_torn_checkpoints_do_not_count_among_the_kept(tmp_path: Path) -> None:
    whole = save(tmp_path, {"i": 1}, kimg=1)
    (save(tmp_path, {"i": 2}, kimg=2) / "manifest.json").unlink()
    save(tmp_path, {"i": 3}, kimg=3)
    assert names(tmp_path) == [whole.name, "kimg-000003.000"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    for leftover in (".unfinished-0a", ".deleted-kimg-000000.001"):
        (tmp_path / leftover).mkdir()
        (tmp_path / leftover / "state.json").write_text("{}")
    save(tmp_path, {})
    assert names(tmp_path) == ["kimg-000001.000"]


def test_a_reference_to_a_missing_tensor_or_an_impossible_layout_is_damage(tmp_path: Path) -> None:
    for damage in (
        {"$tensor": "state/none"},
        {"$tensor": 3},
        {"$tensor": "state/t", "stride": [2**60]},
        {"$tensor": "state/t", "stride": [0]},
        {"$tensor": "state/t", "stride": "x"},
        {"$tuple": 3},
        {"$items": [[1]]},
        {"$items": [[None, 1]]},
    ):
        path = save(tmp_path, {"t": torch.ones(3)})
        (path / "state.json").write_text(json.dumps({"a": damage}))
        repair_manifest(path)
        with pytest.raises(WspaceError, match="not whole"):
            load_checkpoint(path)


def test_absurd_depth_and_an_absurd_tensor_header_are_damage(tmp_path: Path) -> None:
    path = save(tmp_path, {})
    (path / "state.json").write_text('{"a":' * 900 + "1" + "}" * 900)
    repair_manifest(path)
    with pytest.raises(WspaceError, match="nested"):
        load_checkpoint(path)
    path = save(tmp_path, {})
    header = b'{"t":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'
    content = len(header).to_bytes(8, "little") + header
    (path / "state.safetensors").write_bytes(content)
    repair_manifest(path)
    with pytest.raises(WspaceError, match="not whole"):
        load_checkpoint(path)


def repair_manifest(path: Path) -> None:
    """Make the manifest fit, as somebody who damages on purpose would."""
    from wspace.training.run.checkpoint import _describe

    manifest = json.loads((path / "manifest.json").read_text())
    manifest["files"] = {name: _describe(path / name) for name in manifest["files"]}
    (path / "manifest.json").write_text(json.dumps(manifest))


def test_the_tensors_are_a_plain_safetensors_file(tmp_path: Path) -> None:
    path = save(tmp_path, {"generator": {"weight": torch.ones(2)}})
    tensors = safetensors.torch.load_file(path / "state.safetensors")
    assert list(tensors) == ["state/generator/weight"]
