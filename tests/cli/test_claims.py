"""``wspace claims``: a whole report of a tiny model."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from labelled_pictures import write_shades
from small_pictures import write_pictures

import wspace
from wspace.claims import claim as claims
from wspace.metrics import judge
from wspace.rendering.identity import identity_of

NAMES = [
    "separability",
    "path-length",
    "layers",
    "adain",
    "noise-detail",
    "noise-frequency",
    "truncation",
]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(judge, "SEEN", 10 * judge.BATCH)
    monkeypatch.setattr(claims.bootstrap, "__kwdefaults__", {"resamples": 20, "seed": 0})


def series_file(path: Path) -> Path:
    found = {"separability_w": 4.0, "fd_mixed_2": 2.0, "fd_mixed_3": 2.0, "fd_mixed_4": 2.0}
    models = [
        {"depth": depth, "mixing": mixing, "seed": seed, "found": found}
        for depth, mixing in ((0, 0.9), (8, 0.9), (8, 0.0))
        for seed in (0, 1)
    ]
    path.write_text(json.dumps({"version": 1, "models": models}))
    return path


def test_a_report_has_a_section_a_claim_and_needs_nothing_else(
    run_wspace: Callable[..., Any], tiny_model: Path, tmp_path: Path
) -> None:
    data = write_shades(tmp_path / "data.zip", 120, attributes=True)
    series = series_file(tmp_path / "series.json")
    out = tmp_path / "out" / "tiny"
    ran = run_wspace("claims", tiny_model, data, "--num", 40, "--out", out, "--series", series)
    assert ran.status == 0, ran.err
    report = json.loads(out.with_name("tiny.json").read_text())
    assert report["model_sha256"] == identity_of(wspace.load(tiny_model)).sha256
    found = {one["name"]: one for one in report["claims"]}
    assert list(found) == [*NAMES, "mapping-depth", "mixing-probability"]
    for one in found.values():
        assert one["verdict"] in ("holds", "does not hold", "cannot tell")
        assert one["verdict"] in ran.out
    assert found["adain"]["verdict"] == "holds"  # it is arithmetic
    assert found["layers"]["numbers"]["groups"] == {"coarse": [0, 1, 2, 3], "middle": [4, 5]}
    assert set(found["layers"]["numbers"]["rates"]) == {
        "coarse", "middle", "all", *map(str, range(6))
    }  # fmt: skip
    assert report["judge"]["unclear"] == ["luck"]
    page = out.with_name("tiny.html").read_text()
    assert page.count("<section id=") == len(found)
    assert "http" not in page.replace("http-equiv", "")
    assert "data:image/png;base64," in page
    assert "<script" not in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num", 10], "10 is not in the range x>=40"),
        (["--series", "none.json"], "cannot read none.json"),
        (["--first-seed", 2**32 - 6], "seeds from 4294967290 on pass"),
        (["--out", "/dev/null/claims"], "/dev/null is a file"),
    ],
)
def test_wrong_input_is_told_in_a_line(
    run_wspace: Callable[..., Any],
    tiny_model: Path,
    tmp_path: Path,
    arguments: list[object],
    message: str,
) -> None:
    data = write_shades(tmp_path / "data.zip", 30, attributes=True)
    ran = run_wspace("claims", tiny_model, data, "--out", tmp_path / "out", *arguments)
    assert ran.status == 2
    assert message in ran.err
    assert not (tmp_path / "out.html").exists()


def test_data_without_labels_and_missing_plots_are_told(
    run_wspace: Callable[..., Any],
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = write_pictures(tmp_path / "data", count=8)
    ran = run_wspace("claims", tiny_model, data, "--out", tmp_path / "out")
    assert (ran.status, "says nothing of its pictures" in ran.err) == (2, True)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    ran = run_wspace("claims", tiny_model, data, "--out", tmp_path / "out")
    assert "pip install 'wspace[plots]'" in ran.err
