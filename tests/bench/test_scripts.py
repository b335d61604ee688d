"""The scripts behind the README's tables run, on the smallest work that they take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def _run(script: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_generation() -> None:
    rows = _run("generation.py", "--most-side", "64", "--seconds", "0")
    assert [row["work"] for row in rows] == ["stylegan2 64², batch 8", "compact 64², batch 8"]
    assert all(row["speed"] > 0 and row["convolutions"] > 0 for row in rows)


@pytest.mark.slow
def test_training() -> None:
    (row,) = _run("training.py", "--rows", "1", "--batch", "4", "--seconds", "0")
    assert row["work"] == "compact 32², batch 4, eager"
    assert row["cpu_speed"] > 0


@pytest.mark.slow
def test_a_card_s_script_runs_without_a_card() -> None:
    results = _run(
        "gpu.py",
        *("--device", "cpu", "--preset", "compact", "--side", "16", "--batch", "4"),
        *("--seconds", "0", "--no-compile"),
    )
    for name in ("generation", "training"):
        assert results[name]["share_of_peak"] > 0


@pytest.mark.slow
def test_export() -> None:
    options = ("--side", "16", "--seconds", "0", "--batches", "1", "2", "--dtypes", "int8")
    rows = _run("export.py", *options)
    work = [(row["model"], row["batch"]) for row in rows]
    assert work == [("avatars", 1), ("avatars", 2), ("stylegan2 16²", 1), ("stylegan2 16²", 2)]
    assert all(row["wspace"] > 0 and row["onnxruntime"] > 0 for row in rows)
    assert all(row["psnr"] > 25 and row["megabytes"] > 0.1 for row in rows)
