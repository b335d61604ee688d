"""Models on a hub: fetched whole, pinned, checked, from the cache without a network."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants
from small_hub import SmallHub, small_hub

import wspace
from wspace.errors import WspaceError, WspaceWarning
from wspace.formats.directions import Direction, directions_path, read_directions, write_directions
from wspace.formats.finding import find_model
from wspace.formats.hub import HubName, hub_file
from wspace.formats.model_file import load
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit


@pytest.fixture
def hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path, other_model: Path
) -> Iterator[SmallHub]:
    """A hub with me/tiny, an empty cache, and nobody logged in."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    hub_file.cache_clear()
    with small_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        running.commit("me/tiny", {"model.safetensors": tiny_model.read_bytes()})
        running.tags["me/tiny", "v1"] = running.heads["me/tiny"]
        yield running
    hub_file.cache_clear()


def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    hub_file.cache_clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def test_a_name_with_a_commit_is_fetched_once_and_serves_offline(
    hub: SmallHub, tiny_generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"hub:me/tiny@{hub.heads['me/tiny']}"
    generator = load(name)
    assert generator.name == "tiny"
    for key, tensor in tiny_generator.state_dict().items():
        assert tensor.equal(generator.state_dict()[key])
    fetched = [path for method, path in hub.asked if method == "GET"]
    assert fetched == [f"/me/tiny/resolve/{hub.heads['me/tiny']}/model.safetensors"]
    offline(monkeypatch)
    count = len(hub.asked)
    assert load(name).w_avg.equal(tiny_generator.w_avg)
    assert len(hub.asked) == count


def test_a_name_without_one_says_which_it_is(hub: SmallHub, other_model: Path) -> None:
    first = hub.heads["me/tiny"]
    with pytest.warns(WspaceWarning, match=f"hub:me/tiny@{first} stays"):
        path = find_model("hub:me/tiny")
    hub_file.cache_clear()
    hub.commit("me/tiny", {"model.safetensors": other_model.read_bytes()})
    with pytest.warns(WspaceWarning, match=hub.heads["me/tiny"]):
        newer = find_model("hub:me/tiny")
    assert newer.read_bytes() == other_model.read_bytes()
    with pytest.warns(WspaceWarning, match="hub:me/tiny@v1 is"):
        assert find_model("hub:me/tiny@v1") == path
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_model(f"hub:me/tiny@{first}") == path


def test_directions_come_along(hub: SmallHub, tiny_generator: Generator, tmp_path: Path) -> None:
    edit = Edit(direction=tuple(np.arange(8.0).tolist()), name="up")
    own = tmp_path / "own.directions.safetensors"
    write_directions(own, tiny_generator, {"up": Direction(edit=edit)})
    commit = hub.commit("me/tiny", {"model.directions.safetensors": own.read_bytes()})
    name = f"hub:me/tiny@{commit}"
    assert list(read_directions(directions_path(name), load(name))) == ["up"]


def test_directions_of_the_hub_are_not_changed(
    hub: SmallHub, run_wspace: Callable[..., Any]
) -> None:
    name = f"hub:me/tiny@{hub.heads['me/tiny']}"
    ran = run_wspace("directions", "find", name, "--num", "1")
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "is the hub's: copy " in ran.err
    assert [path.name for path in find_model(name).parent.iterdir()] == ["model.safetensors"]


def test_nothing_but_safetensors_is_ever_asked_for(hub: SmallHub) -> None:
    hub.commit("me/tiny", {"model.pkl": b"evil", "config.json": b"{}"})
    load(f"hub:me/tiny@{hub.heads['me/tiny']}")
    assert {path.rsplit(".", 1)[1] for _, path in hub.asked} == {"safetensors"}


def test_a_file_that_was_changed_is_refused(hub: SmallHub) -> None:
    name = f"hub:me/tiny@{hub.heads['me/tiny']}"
    blob = find_model(name).resolve()
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    hub_file.cache_clear()
    with pytest.raises(WspaceError, match=r"is not what the hub has .* fetched again"):
        find_model(name)
    blob.unlink()
    assert find_model(name).is_file()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("hub:me/nothing", "is not there, or not for you"),
        ("hub:me/tiny@v2", "has no revision 'v2'"),
        ("hub:me/empty", "holds no model.safetensors"),
        ("hub:tiny", "is no name on a hub"),
        ("hub:me/tiny@", "is no name on a hub"),
        ("hub:me/../you/tiny", "is no name on a hub"),
        ("hub:me/tiny@a/../../b", "is no name on a hub"),
        ("hub:", "is no name on a hub"),
    ],
)
def test_what_cannot_be_had_is_one_line(
    name: str, problem: str, hub: SmallHub, run_wspace: Callable[..., Any]
) -> None:
    hub.commit("me/empty", {"README.md": b"nothing"})
    ran = run_wspace("generate", name, "--seeds", "1")
    assert ran.status == 2
    assert problem in ran.err
    assert ran.err.count("\n") == 1


def test_offline_with_an_empty_cache_is_one_line(
    hub: SmallHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    offline(monkeypatch)
    with pytest.raises(WspaceError, match="is not in the cache, and the hub cannot be reached"):
        find_model("hub:me/tiny")
    assert hub.asked == []


def test_commands_take_such_names(
    hub: SmallHub, run_wspace: Callable[..., Any], tmp_path: Path
) -> None:
    name = f"hub:me/tiny@{hub.heads['me/tiny']}"
    ran = run_wspace("generate", name, "--seeds", "1", "--out", tmp_path / "out")
    assert ran.status == 0, ran.err
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert wspace.load(name).name == "tiny"


def test_a_name_is_written_as_it_is_read() -> None:
    for text in ("hub:me/faces", "hub:me/faces@v1.0", "hub:A-b/c_d.e@refs/pr/1"):
        assert str(HubName.parse(text)) == text
