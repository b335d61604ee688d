"""``wspace push``: what arrives at a hub, and what is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from small_hub import SmallHub, small_hub

from wspace.formats.difference import difference, packed
from wspace.formats.directions import Direction, write_directions
from wspace.formats.finding import find_model
from wspace.formats.hub import hub_file
from wspace.formats.model_file import base_of, load, model_sha256, save, save_tuned
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit

# huggingface_hub says to its own HTTP library what that no longer wants to hear
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallHub]:
    """An empty hub, an empty cache, and somebody logged in."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    hub_file.cache_clear()
    with small_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_TOKEN", running.token)
        yield running
    hub_file.cache_clear()


def test_what_is_pushed_can_be_loaded_by_its_name(
    hub: SmallHub, run_wspace: Callable[..., Any], tiny_generator: Generator, tmp_path: Path
) -> None:
    model = tmp_path / "dots.safetensors"
    save(tiny_generator, model, metadata={"trained_on": "dots", "licence": "CC0"})
    edit = Edit(direction=(1.0,) * 8, name="up")
    directions = tmp_path / "dots.directions.safetensors"
    write_directions(directions, tiny_generator, {"up": Direction(edit=edit)})
    (tmp_path / "optimizer.pt").write_bytes(b"not for others")
    ran = run_wspace("push", model, "me/dots", "--private")
    assert ran.status == 0, ran.err
    commit = hub.heads["me/dots"]
    assert ran.out == f"hub:me/dots@{commit}\n"
    assert hub.private == {"me/dots": True}
    files = hub.commits["me/dots", commit]
    assert set(files) == {
        "model.safetensors",
        "model.directions.safetensors",
        "README.md",
        "README-samples.png",
        "README-mixing.png",
    }
    assert files["model.safetensors"] == model.read_bytes()
    assert files["model.directions.safetensors"] == directions.read_bytes()
    card = files["README.md"].decode()
    assert "license: cc0-1.0" in card
    assert "\n# dots\n" in card
    assert "wspace generate hub:me/dots --seeds" in card
    assert load(f"hub:me/dots@{commit}").w_avg.equal(tiny_generator.w_avg)


def test_a_second_push_is_another_commit(
    hub: SmallHub, run_wspace: Callable[..., Any], tiny_model: Path, other_model: Path
) -> None:
    names = [
        run_wspace("push", model, "me/dots").out.strip() for model in (tiny_model, other_model)
    ]
    assert len(set(names)) == 2
    first, second = map(load, names)
    assert not first.w_avg.equal(second.w_avg)


def test_a_tuned_model_arrives_whole(
    hub: SmallHub,
    run_wspace: Callable[..., Any],
    tiny_model: Path,
    loaded_generator: Generator,
    tmp_path: Path,
) -> None:
    tuned = copy.deepcopy(loaded_generator)
    with torch.no_grad():
        for weight in tuned.synthesis.parameters():
            weight.add_(0.01)
    path = tmp_path / "mine.safetensors"
    save_tuned(packed(difference(loaded_generator, tuned), None), path, base=tiny_model)
    ran = run_wspace("push", path, "me/mine")
    assert ran.status == 0, ran.err
    name = ran.out.strip()
    assert model_sha256(load(name)) == model_sha256(load(path))
    assert base_of(name) == find_model(name)


def test_without_a_token_it_is_one_line(
    hub: SmallHub,
    run_wspace: Callable[..., Any],
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    ran = run_wspace("push", tiny_model, "me/dots")
    assert ran.status == 2
    assert "cannot push to hub:me/dots" in ran.err
    assert "HF_TOKEN" in ran.err
    assert ran.err.count("\n") == 1
    assert "hf_wrong" not in ran.err
    assert hub.commits == {}


@pytest.mark.parametrize("name", ["dots", "me/dots@v1", "me/../dots", "/dots"])
def test_names_that_are_none_are_refused(
    name: str, hub: SmallHub, run_wspace: Callable[..., Any], tiny_model: Path
) -> None:
    ran = run_wspace("push", tiny_model, name)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert hub.asked == []


def test_a_hub_that_cannot_be_reached_is_one_line(
    hub: SmallHub, run_wspace: Callable[..., Any], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")  # where nobody answers
    ran = run_wspace("push", tiny_model, "me/dots")
    assert ran.status == 2
    (line,) = [line for line in ran.err.splitlines() if line.startswith("wspace: ")]
    assert line.startswith("wspace: cannot push to hub:me/dots: the hub cannot be reached (")
    assert line.endswith("): go online and push again.")
