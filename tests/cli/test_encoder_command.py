"""``wspace encoder``: a model's file gets an encoder, and ``wspace invert`` starts from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from wspace.formats.model_file import load_model_file

Run = Callable[..., Any]


def test_a_model_gets_an_encoder_and_inversion_is_immediate(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.safetensors"
    shutil.copy(tiny_model, model)
    ran = run_wspace("encoder", model, "--minutes", 0.01)
    assert ran.status == 0, ran.err
    assert "dB near pictures of the model's own" in ran.out
    assert load_model_file(model, encoder=True).encoder is not None
    picture, sheet = tmp_path / "a.png", tmp_path / "sheet.png"
    Image.new("RGB", (16, 16), "tan").save(picture)
    out = tmp_path / "out"
    ran = run_wspace(
        "invert", model, picture, "--seconds", 0, "--out", out, "--sheet", sheet, "--json"
    )
    assert ran.status == 0, ran.err
    (row,) = json.loads(ran.out)
    assert row["steps"] == 0
    assert len(row["recipe"]["sources"]) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("avatars",), "say with --out where"),
        (("MODEL", "--minutes", "0"), "encoder: seconds=0"),
        (("MODEL", "--out", "a.zip"), "should end with .safetensors"),
        (("MODEL", "--data", "nothing"), "nothing"),
    ],
)
def test_bad_input_is_one_line(
    run_wspace: Run, tiny_model: Path, arguments: tuple[str, ...], says: str
) -> None:
    before = tiny_model.read_bytes()
    ran = run_wspace("encoder", *[tiny_model if word == "MODEL" else word for word in arguments])
    assert ran.status == 2
    assert says in ran.err
    assert ran.err.count("\n") == 1
    assert tiny_model.read_bytes() == before
