"""Claims that need several models: what a series of them says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wspace.claims.series import read_series, series_claims
from wspace.errors import WspaceError


def models(*, by_depth: dict[int, float], by_mixing: dict[float, float]) -> list[dict[str, Any]]:
    """Two seeds each, which differ a little."""

    def one(depth: int, mixing: float, seed: int) -> dict[str, Any]:
        separability = by_depth.get(depth, 8.0) * (1 + 0.05 * seed)
        distance = by_mixing.get(mixing, 16.0) * (1 + 0.05 * seed)
        found = {"separability_w": separability} | {f"fd_mixed_{k}": distance for k in (2, 3, 4)}
        return {"depth": depth, "mixing": mixing, "seed": seed, "found": found}

    cells = [(depth, 0.9) for depth in by_depth] + [(8, mixing) for mixing in by_mixing]
    return [one(*cell, seed) for cell in dict.fromkeys(cells) for seed in (0, 1)]


def test_each_halving_is_a_bit() -> None:
    found = series_claims(
        models(by_depth={0: 64.0, 2: 32.0, 8: 16.0}, by_mixing={0.0: 20.0, 0.5: 30.0, 0.9: 40.0})
    )
    depth, mixing = found
    assert depth.number is not None
    assert depth.number.value == pytest.approx(2)
    assert depth.verdict == "holds"
    assert mixing.number is not None
    assert mixing.number.value == pytest.approx(-1)
    assert mixing.verdict == "does not hold"
    assert list(depth.numbers["separability_w"]) == ["0", "2", "8"]


def test_one_seed_gives_no_verdict() -> None:
    some = models(by_depth={0: 64.0, 8: 16.0}, by_mixing={0.0: 40.0, 0.9: 20.0})
    found = series_claims([one for one in some if one["seed"] == 0])
    assert {claim.verdict for claim in found} == {"cannot tell"}
    assert all("One seed" in claim.remarks[0] for claim in found)


def test_seeds_that_disagree_cannot_tell() -> None:
    some = models(by_depth={0: 64.0, 8: 16.0}, by_mixing={0.0: 40.0, 0.9: 20.0})
    for one in some:
        if one["depth"] == 0 and one["seed"] == 1:
            one["found"]["separability_w"] = 1.0
    assert series_claims(some)[0].verdict == "cannot tell"


def test_a_series_is_read_as_it_was_written(tmp_path: Path) -> None:
    some = models(by_depth={0: 64.0, 8: 16.0}, by_mixing={0.0: 40.0, 0.9: 20.0})
    path = tmp_path / "series.json"
    path.write_text(json.dumps({"version": 1, "models": some}))
    assert read_series(path) == some


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is no series of models"),
        ('{"version": 1, "models": [{"depth": "deep"}]}', "is no series of models"),
        ('{"version": 2, "models": []}', "of version 2, not 1"),
        ("{", "is no series of models"),
    ],
)
def test_something_else_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "series.json"
    path.write_text(text)
    with pytest.raises(WspaceError, match=message):
        read_series(path)
    with pytest.raises(WspaceError, match="No such file"):
        read_series(tmp_path / "none.json")


def test_one_value_is_no_series() -> None:
    some = models(by_depth={8: 16.0}, by_mixing={0.0: 40.0, 0.9: 20.0})
    with pytest.raises(WspaceError, match="1 values of depth"):
        series_claims(some)
