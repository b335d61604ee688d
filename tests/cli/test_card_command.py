"""``wspace card``: what it writes and refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_a_card_is_written(
    run_wspace: Callable[..., Any],
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run_wspace("card", tiny_model)
    assert ran.status == 0, ran.err
    assert ran.out == "README.md\nREADME-samples.png\nREADME-mixing.png\n"
    assert "| data set | nothing |" in (tmp_path / "README.md").read_text()
    again = run_wspace("card", tiny_model)
    assert (again.status, again.err.count("\n")) == (2, 1)
    assert "README.md is there already" in again.err


def test_another_ending_is_refused(
    run_wspace: Callable[..., Any], tiny_model: Path, tmp_path: Path
) -> None:
    ran = run_wspace("card", tiny_model, "--out", tmp_path / "card.html")
    assert ran.status == 2
    assert "should end with .md" in ran.err
    assert list(tmp_path.iterdir()) == []
