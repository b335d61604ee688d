"""``wspace export``: what it writes, prints and refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime
import pytest


def test_a_model_becomes_a_folder(
    run_wspace: Callable[..., Any], tiny_model: Path, tmp_path: Path
) -> None:
    ran = run_wspace("export", tiny_model, tmp_path / "out")
    assert ran.status == 0, ran.err
    assert "16 x 16 pixels, 3 channels, 6 layers of w, float32, opset 17" in ran.out
    assert "mapping.onnx" in ran.out
    assert "z (batch, 8) -> w (batch, 8)" in ran.out
    assert "against wspace, 24 pictures drawn by the files: largest difference " in ran.out
    facts = json.loads((tmp_path / "out/model.json").read_text())
    assert facts["model"]["name"] == "tiny.safetensors"
    assert facts["metadata"] == {"trained_on": "nothing"}
    assert len(list((tmp_path / "out").iterdir())) == 5


def test_directions_go_along(run_wspace: Callable[..., Any], tmp_path: Path) -> None:
    ran = run_wspace("export", "avatars", tmp_path / "avatars.onnx", "--dtype", "int8", "--json")
    assert ran.status == 0, ran.err
    found = json.loads(ran.out)
    assert found["files"] == {"avatars.onnx": (tmp_path / "avatars.onnx").stat().st_size}
    assert found["psnr"] > 48
    assert found["dtype"] == "int8"
    session = onnxruntime.InferenceSession(tmp_path / "avatars.onnx")
    facts = json.loads(session.get_modelmeta().custom_metadata_map["wspace"])
    assert "curly-hair" in {one["name"] for one in facts["directions"]}
    in_w = [one["direction"] for one in facts["directions"] if one["direction"] is not None]
    assert {len(direction) for direction in in_w} == {facts["w_dim"]}


@pytest.mark.parametrize("opset", ["9", "99"])
def test_an_opset_out_of_range_is_one_line(
    opset: str, run_wspace: Callable[..., Any], tiny_model: Path, tmp_path: Path
) -> None:
    ran = run_wspace("export", tiny_model, tmp_path / "out", "--opset", opset)
    assert ran.status == 2
    assert ran.err.startswith(f"wspace: opset={opset} is outside 13 to ")
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_exists_is_one_line(
    run_wspace: Callable[..., Any], tiny_model: Path, tmp_path: Path
) -> None:
    for out in (tmp_path / "folder", tmp_path / "file.onnx"):
        out.mkdir() if not out.suffix else out.write_text("mine")
        ran = run_wspace("export", tiny_model, out)
        assert (ran.status, ran.out) == (2, "")
        assert ran.err == (f"wspace: {out} is there already: remove it, or choose another name.\n")
    assert (tmp_path / "file.onnx").read_text() == "mine"


def test_a_folder_that_is_no_model_is_one_line(
    run_wspace: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    ran = run_wspace("export", tmp_path / "photos", tmp_path / "out")
    assert ran.status == 2
    assert "holds no model.safetensors" in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "name", "said"),
    [
        (("--format", "pt2", "--opset", "17"), "out", "--dtype and --opset are for ONNX"),
        (("--format", "pt2", "--dtype", "int8"), "out", "--dtype and --opset are for ONNX"),
        (("--format", "pt2"), "out.onnx", "give --format onnx"),
        ((), "out.pt2", "give --format pt2"),
    ],
)
def test_what_does_not_fit_the_format_is_one_line(
    options: tuple[str, ...],
    name: str,
    said: str,
    run_wspace: Callable[..., Any],
    tiny_model: Path,
    tmp_path: Path,
) -> None:
    ran = run_wspace("export", tiny_model, tmp_path / name, *options)
    assert ran.status == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
