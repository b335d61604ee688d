"""``wspace explorer``: what it is given, and what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wspace.explorer import runtime as module
from wspace.explorer.runtime import FILES, Runtime

Run = Callable[..., Any]


@pytest.fixture
def small_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime without its weight."""
    made = Runtime(dict.fromkeys(FILES, b"var o=1;export{o as Tensor};"))
    monkeypatch.setattr(module, "find_runtime", lambda given, told: made)


@pytest.mark.usefixtures("small_runtime")
def test_a_folder_or_one_file_is_written(run_wspace: Run, tiny_model: Path, tmp_path: Path) -> None:
    ran = run_wspace("explorer", tiny_model, "--out", tmp_path / "site")
    assert ran.status == 0, ran
    assert "tiny: int16, 16 pictures against wspace's: largest difference" in ran.out
    assert (tmp_path / "site/index.html").is_file()
    ran = run_wspace(
        "explorer", tiny_model, "--out", tmp_path / "tiny.html", "--single-file", "--json"
    )
    assert ran.status == 0, ran
    said = json.loads(ran.out)
    assert said["loads"] == {"tiny.html": (tmp_path / "tiny.html").stat().st_size}
    assert said["models"][0]["largest_difference"] < 2


@pytest.mark.usefixtures("small_runtime")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{empty}", "--out", "{new}"], "holds no model.safetensors"),
        (["{model}", "--out", "{empty}"], "is there already"),
        (["{model}", "--out", "{new}.html"], "ends in .html with --single-file"),
        (["{model}", "--out", "{new}", "--single-file"], "ends in .html with --single-file"),
        (["{model}", "{model}", "--out", "{new}"], "give each model once"),
        (["nothing", "--out", "{new}"], "there is no model 'nothing'"),
        (["{model}"], "Missing option '--out'"),
        (["--out", "{new}"], "Missing argument"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_and_nothing_is_written(
    run_wspace: Run, tiny_model: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    places = {"empty": empty, "new": tmp_path / "new", "model": tiny_model}
    ran = run_wspace("explorer", *(one.format(**places) for one in arguments))
    assert ran.status == 2
    assert said in ran.err
    assert list(tmp_path.iterdir()) == [empty]


def test_a_runtime_that_is_none_is_said_and_nothing_is_written(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    ran = run_wspace(
        "explorer", tiny_model, "--out", tmp_path / "new", "--runtime", tmp_path / "empty"
    )
    assert ran.status == 2
    assert "holds no onnxruntime-web" in ran.err
    assert not (tmp_path / "new").exists()
