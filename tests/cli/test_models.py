"""``wspace models``: what comes with the package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


def test_models_are_listed_with_what_they_say(
    run_wspace: Run, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.formats.model_file.bundled_models", lambda: {"tiny": tiny_model})
    ran = run_wspace("models")
    assert ran.status == 0
    assert ran.out == "tiny: 16 x 16 pixels, adain\n  trained on: nothing\n"
    found = json.loads(run_wspace("models", "--json").out)
    assert found["tiny"]["metadata"] == {"trained_on": "nothing"}


def test_without_models_it_says_how_to_get_one(
    run_wspace: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.formats.model_file.bundled_models", dict)
    assert "wspace train" in run_wspace("models").out
