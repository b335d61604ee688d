"""The script behind the claims of several models, on the smallest work that it takes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from labelled_pictures import write_shades

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import claims
from quality_data import Task
from wspace.claims.series import read_series
from wspace.data.dataset import Dataset
from wspace.metrics import judge


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(judge, "SEEN", 10 * judge.BATCH)
    paths = [
        write_shades(tmp_path / f"{part}.zip", count, seed, attributes=True)
        for seed, (part, count) in enumerate((("train", 24), ("heldout", 40), ("judged", 90)))
    ]
    return Task(name="t", title="tiny", train=paths[0], heldout=paths[1], judged=paths[2])


def test_a_series_has_each_depth_and_each_probability_once(task: Task) -> None:
    pairs = [(one.depth, one.mixing) for one in claims.cells("t", task, [0, 1], 1, 10)]
    assert len(pairs) == 14
    assert set(pairs) == {(0, 0.9), (2, 0.9), (4, 0.9), (8, 0.9), (8, 0), (8, 0.5), (8, 1)}


@pytest.mark.filterwarnings("ignore::wspace.metrics.frechet.FewSamplesWarning")
def test_the_shallowest_model_is_trained_measured_and_kept(task: Task, tmp_path: Path) -> None:
    cell = next(claims.cells("t", task, [0], 0.01, 8))
    assert cell.depth == 0
    with Dataset.open(task.heldout) as heldout, Dataset.open(str(task.judged)) as labelled:
        judging = judge.judging_of(heldout, labelled)
    out = tmp_path / "out"
    found = claims.run_cell(cell, out, judging)
    assert {"fd_lite", "separability_z", "separability_w", "fd_mixed_4"} <= set(found["found"])
    # without layers w is z, scaled
    assert found["found"]["separability_w"] == pytest.approx(found["found"]["separability_z"], 0.3)
    kept = out / f"{cell.label}.json"
    kept.write_text(json.dumps(found | {"found": {"fd_lite": -1.0}}))
    assert claims.run_cell(cell, out, judging)["found"] == {"fd_lite": -1.0}
    again = claims.run_cell(replace(cell, num=9), out, judging)  # only measured again
    assert again["found"]["fd_lite"] > 0
    claims.write_series(out / "SERIES-t.json", [again])
    assert read_series(out / "SERIES-t.json")[0]["depth"] == 0
    assert "| t | 0 | 90% | 0 |" in claims.table([again])
