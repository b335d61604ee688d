"""docs/scaling.md says what the code computes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import scaling_tables


def test_every_table_is_what_the_code_computes() -> None:
    document = scaling_tables.DOCUMENT.read_text(encoding="utf-8")
    made = scaling_tables.tables()
    assert all(table in document for table in made.values())
    assert scaling_tables.filled(document, made) == document


def test_a_table_without_a_place_is_refused() -> None:
    with pytest.raises(SystemExit, match="no place for the table 'other'"):
        scaling_tables.filled("<!-- table: step -->\n<!-- end -->", {"other": "| a |"})


def test_what_the_text_says_of_cards_is_what_is_assumed() -> None:
    text = scaling_tables.DOCUMENT.read_text(encoding="utf-8")
    h100, v100 = scaling_tables.H100, scaling_tables.V100
    row = f"| arithmetic, dense | {h100.flops / 1e12:g} TFLOP/s | {v100.flops / 1e12:g} TFLOP/s |"
    assert row in text
    assert f"| {h100.memory_bytes / 1e12:g} TB/s, maps in {h100.number_bytes} bytes" in text
    assert f"{v100.memory_bytes / 1e12:g} TB/s, maps in {v100.number_bytes} bytes |" in text
    assert f"| {h100.achieved * 100:g} % | {v100.achieved * 100:g} % |" in text
    calls = [f"{card.call_seconds * 1e6:g} µs" for card in (h100, v100)]
    assert f"| {' | '.join(calls)} |" in text
