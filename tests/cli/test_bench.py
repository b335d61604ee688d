"""`wspace bench` from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wspace.bench import hardware
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
