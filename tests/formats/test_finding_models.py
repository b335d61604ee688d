"""Which model a name means."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import wspace
from wspace.errors import WspaceError, WspaceWarning
from wspace.formats.model_file import find_model


@pytest.fixture
def bundled(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The model that comes with the package as "faces"."""
    path = tmp_path / "package" / "faces.safetensors"
    path.parent.mkdir()
    shutil.copy(tiny_model, path)
    for module in ("formats.finding", "formats.model_file", "rendering.reproduce"):
        monkeypatch.setattr(f"wspace.{module}.bundled_models", lambda: {"faces": path})
    return path


@pytest.fixture
def here(bundled: Path, other_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder of the same name in the working folder, with another model in it."""
    (tmp_path / "faces").mkdir()
    shutil.copy(other_model, tmp_path / "faces" / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "faces" / "model.safetensors"


def test_a_bundled_name_is_enough(bundled: Path) -> None:
    assert find_model("faces") == bundled
    with pytest.raises(WspaceError, match=r"there is no model 'places'.*bundled name \(faces\)"):
        find_model("places")


def test_what_is_named_as_a_bundled_model_is_told_and_can_be_asked_for(
    bundled: Path, here: Path
) -> None:
    with pytest.warns(WspaceWarning, match=r"faces is the bundled model; .* is \./faces"):
        assert find_model("faces") == bundled
    assert find_model("./faces").samefile(here)
    assert find_model(Path("faces")).samefile(here)
    assert wspace.load("./faces").name == "faces"


def test_commands_tell_it_on_a_line(
    run_wspace: Callable[..., Any], here: Path, tmp_path: Path
) -> None:
    ran = run_wspace("generate", "faces", "--seeds", 1, "--out", tmp_path / "a")
    assert ran.status == 0
    assert ran.err == (
        "warning: faces is the bundled model; what is called so in this folder is ./faces.\n"
    )
    ran = run_wspace("generate", "./faces", "--seeds", 1, "--out", tmp_path / "b")
    assert (ran.status, ran.err) == (0, "")
    a, b = ((tmp_path / name / "seed0001.png").read_bytes() for name in "ab")
    assert a != b
    for folder in "ab":  # either model is found again by what the picture says of it
        picture = tmp_path / folder / "seed0001.png"
        assert run_wspace("reproduce", picture, "--verify").status == 0
