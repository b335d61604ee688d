"""Every command takes models of one, three and four channels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_generators import make_tiny_generator

from wspace.formats.model_file import save

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@pytest.fixture(params=[1, 3, 4], ids=["grey", "colour", "alpha"])
def channels(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def model(channels: int, tmp_path: Path) -> Path:
    save(make_tiny_generator(0, image_channels=channels), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def mode_of(path: Path) -> str:
    with Image.open(path) as picture:
        return picture.mode


def test_pictures_and_sheets_are_drawn_and_come_back(
    run_wspace: Callable[..., Any], model: Path, channels: int, tmp_path: Path
) -> None:
    sheets = [tmp_path / f"{name}.png" for name in ("grid", "psi", "mix")]
    commands: list[tuple[object, ...]] = [
        ("generate", model, "--seeds", "1,2", "--out", tmp_path, "--grid", sheets[0]),
        ("generate", model, "--seeds", 1, "--psi-sheet=-1,0,1", "--grid", sheets[1]),
        ("mix", model, "--rows", "1,2", "--cols", "3,4", "--layers", "coarse", "--out", sheets[2]),
        ("noise", model, "--seed", 1, "--realisations", 3, "--out", tmp_path / "noise"),
        ("generate", model, "--mean", "--out", tmp_path, "--noise", "none"),
    ]
    for command in commands:
        ran = run_wspace(*command)
        assert (ran.status, ran.err) == (0, ran.err), ran.err
    assert mode_of(tmp_path / "seed0001.png") == mode_of(tmp_path / "mean.png") == MODES[channels]
    sheets += sorted((tmp_path / "noise").glob("*.png"))
    assert len(sheets) >= 4
    assert {mode_of(sheet) for sheet in sheets} == {"RGB"}
    for picture in (tmp_path / "seed0001.png", tmp_path / "mean.png", *sheets):
        ran = run_wspace("reproduce", picture, "--model", model, "--verify", "--json")
        assert ran.status == 0, ran.err
        assert json.loads(ran.out)["largest"] == 0
        assert run_wspace("show", picture).status == 0


@pytest.mark.parametrize("suffix", [".webp", ".gif", ".mp4", ""])
def test_films_are_written(
    run_wspace: Callable[..., Any], model: Path, channels: int, tmp_path: Path, suffix: str
) -> None:
    film = tmp_path / f"walk{suffix}"
    ran = run_wspace("interpolate", model, "--seeds", "1,2", "--frames", 3, "--out", film)
    assert ran.status == 0, ran.err
    if suffix == "":
        assert {mode_of(path) for path in film.iterdir()} == {MODES[channels]}
    elif suffix == ".webp":
        with Image.open(film) as frames:
            assert (frames.convert("RGBA").getextrema()[3][0] < 255) == (channels == 4)


def test_a_model_and_data_of_its_channels_are_measured(
    run_wspace: Callable[..., Any],
    model: Path,
    channels: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    for i in range(6):
        pixels = np.random.RandomState(i).randint(0, 256, (16, 16, 4), dtype=np.uint8)
        Image.fromarray(pixels).convert(MODES[channels]).save(tmp_path / "data" / f"{i}.png")
    sheet = tmp_path / "near.png"
    ran = run_wspace(
        "measure", model, tmp_path / "data", "--num", 6, "--metrics", "pr", "--neighbours", sheet,
        "--json",
    )  # fmt: skip
    assert ran.status == 0, ran.err
    assert ("black" in json.loads(ran.out)["extractor"]) == (channels == 4)
    assert mode_of(sheet) == "RGB"
