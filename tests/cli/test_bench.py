"""`wspace bench` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wspace.bench import hardware
from wspace.bench.report import BenchConfig
from wspace.bench.scaling_here import measure_scaling
from wspace.cli.bench import scaling_table
from wspace.cli.main import main


def test_json_is_all_of_stdout(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.bench.report.SECONDS", 0.01)
    monkeypatch.setattr("wspace.bench.report.PEAK_SECONDS", 0.0)
    monkeypatch.setattr("wspace.bench.report.FIRST_PICTURES", 1)
    monkeypatch.setattr("wspace.bench.hardware.CONVOLUTIONS", ((16, 8),))
    monkeypatch.setitem(hardware.MATRIX_SIDE, "cpu", 128)
    with pytest.raises(SystemExit) as ended:
        main(["bench", str(tiny_model), "--quick", "--json"])
    assert ended.value.code == 0
    printed = capsys.readouterr()
    data = json.loads(printed.out)
    assert {"fp32"} <= {entry["precision"] for entry in data["generation"]}
    assert "measuring plain convolutions" in printed.err

    with pytest.raises(SystemExit):
        main(["bench", str(tiny_model), "--quick"])
    table = capsys.readouterr().out
    assert "tiny.safetensors: adain, 16 x 16" in table
    assert "not measured: training: left out by --quick" in table


def test_a_wrong_preset_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--preset", "huge"])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_scaling_is_measured_and_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wspace.bench.scaling_here.SECONDS", 0.01)
    said: list[str] = []
    config = BenchConfig(preset="compact", resolution=8, train_batch=8, device="cpu")
    report = measure_scaling(config, said.append)
    data = json.loads(json.dumps(report.to_dict()))
    assert data["reducing"]["workers"] == 2
    assert data["reducing"]["large_bytes"] == 4 * data["costs"]["generator"]
    assert set(data["steps"]) == {"4", "8"}
    slow, fast = (data["each"][link] for link in ("100 Mbit/s", "100 Gbit/s"))
    assert [one["workers"] for one in slow] == [2, 4, 8, 16, 64]
    assert all(0 < a["efficiency"] < b["efficiency"] < 1 for a, b in zip(slow, fast, strict=True))
    assert [one["workers"] for one in data["split"]["1 Gbit/s"]] == [2]
    assert said[-1] == "gradients between two processes of this machine"
    table = scaling_table(report)
    assert "compact-8: a training step takes" in table
    assert "8 pictures for all of them together" in table
    first = report.split["1 Gbit/s"][0]
    assert f"{first.pictures_per_second:.2f}{first.efficiency:6.0%}" in table
    assert f"one machine: {8 / report.steps[8]:.2f} pictures/s" in table


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--train-batch", "4"], "train_batch=4 cannot be split"),
        (["--compile"], "leave out --compile"),
    ],
)
def test_scaling_refuses_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", "--preset", "compact", "--resolution", "8", "--scaling", *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
