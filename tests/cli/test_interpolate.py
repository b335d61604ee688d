"""``wspace interpolate``: films and how they end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from wspace.recipe.png import read_document

Run = Callable[..., Any]


@pytest.mark.parametrize("kind", ["linear", "spline", "slerp"])
def test_a_walk_becomes_a_film(
    run_wspace: Run, tiny_model: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "walk.webp"
    ran = run_wspace(
        "interpolate", tiny_model, "--seeds", "1,2,1", "--frames", 6, "--loop", "--path", kind,
        "--layers", "coarse", "--noise", "none", "--scale", 2, "--out", path,
    )  # fmt: skip
    assert ran.status == 0
    assert ran.out.strip() == str(path)
    assert ran.err.startswith("6 frames in")
    with Image.open(path) as film:
        assert (film.n_frames, film.size) == (6, (32, 32))  # type: ignore[attr-defined]


def test_several_walks_stand_beside_each_other(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "walk.gif"
    seeds = ["--seeds", "1,2", "--seeds", "3,4", "--seeds", "5,6"]
    run_wspace(
        "interpolate",
        tiny_model,
        *seeds,
        "--frames",
        2,
        "--columns",
        3,
        "--scale",
        1,
        "--out",
        path,
    )
    with Image.open(path) as film:
        assert film.size == (48, 16)


def test_ctrl_c_leaves_a_film_that_plays(tiny_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    # what a shell runs in the background ignores Ctrl-C, and so do its children: not this one
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from wspace.cli.main import main; main()"
    )
    command = [
        sys.executable, "-c", program, "interpolate",
        str(tiny_model), "--seeds", "1,2", "--frames", "20000", "--out", str(path),
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            started = list(tmp_path.glob(".walk.*.mp4"))
            if started and started[0].stat().st_size > 0:
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    with av.open(str(path)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    assert f"has {frames} of 20000 frames" in err
    assert [file.name for file in tmp_path.iterdir()] == ["walk.mp4"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seeds", "1"], "two pictures"),
        (["--seeds", "2-1"], "backwards"),
        (["--seeds", "1,2", "--out", "walk.avi"], "films are .mp4"),
        (["--seeds", "1,2", "--layers", "9"], "does not exist"),
        (["--seeds", "1,2", "--out", "frames", "--scale", "2"], "keep their size"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(
    run_wspace: Run,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run_wspace("interpolate", tiny_model, *arguments)
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert says in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_walk_goes_from_a_picture_to_the_same_one_edited(
    run_wspace: Run, tiny_model: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copy(tiny_model, tmp_path))
    run_wspace("directions", "find", model, "--num", 1, "--method", "pca")
    for name, more in (("plain", []), ("edited", ["--edit", "pca-1=2", "--psi", 0.7])):
        ran = run_wspace("generate", model, "--seeds", 3, "--out", tmp_path / name, *more)
        assert ran.status == 0, ran.err
    keys = f"{tmp_path}/plain/seed0003.png,{tmp_path}/edited/seed0003.png,5"
    frames = tmp_path / "frames"
    ran = run_wspace("interpolate", model, "--seeds", keys, "--frames", 5, "--out", frames)
    assert ran.status == 0, ran.err
    made = [read_document(path) for path in sorted(frames.glob("*.png"))]
    strengths = [[edit.strength for edit in one.recipe.edits] for one in made]
    assert strengths == [[], [1.0], [2.0], [1.0], []]
    again = run_wspace("reproduce", frames / "frame00001.png", "--model", model, "--verify")
    assert again.status == 0, again.err
