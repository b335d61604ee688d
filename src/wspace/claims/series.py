"""Claims that need several models: how deep the mapping network is, how often styles are mixed.

`benchmarks/claims.py` trains them and writes what it measured; this reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wspace.claims.claim import Claim, Interval, Picture, decide
from wspace.errors import WspaceError
from wspace.figures.plots import Series, curves, written

__all__ = ["read_series", "series_claims"]

VERSION = 1


def read_series(path: Path) -> list[dict[str, Any]]:
    """The models of a series, as `benchmarks/claims.py` writes them.

    Returns:
        For each: ``depth``, ``mixing`` (the probability), ``seed`` and ``found``, what
        `table.measure` gave.

    Raises:
        WspaceError: no such file, or it holds something else.
    """
    advice = "give what benchmarks/claims.py wrote"
    try:
        content = json.loads(path.read_text())
        version, models = content["version"], content["models"]
        rows = [
            {
                "depth": int(one["depth"]),
                "mixing": float(one["mixing"]),
                "seed": int(one["seed"]),
                "found": {
                    str(key): float(value)
                    for key, value in one["found"].items()
                    if isinstance(value, int | float)
                },
            }
            for one in models
        ]
    except OSError as error:
        raise WspaceError(f"cannot read {path}: {error.strerror}: {advice}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise WspaceError(f"{path} is no series of models: {advice}.") from None
    if version != VERSION:
        raise WspaceError(f"{path} is of version {version!r:.40}, not {VERSION}: {advice}.")
    return rows


def series_claims(models: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """What a series says of mapping depth and of mixing in training."""
    mixed = [one for one in models if one["depth"] == _commonest(models, "depth")]
    deep = [one for one in models if one["mixing"] == _commonest(models, "mixing")]
    return [
        _claim(
            deep,
            "depth",
            ("separability_w",),
            name="mapping-depth",
            title="A deeper mapping network makes W less entangled",
            article="Separability of faces: 9.88 without mapping, 6.25 with 2 layers and 3.79 "
            "with 8 (Table 4).",
            measured="log2 of separability in W: the shallowest mapping less the deepest",
            across="layers of mapping",
        ),
        _claim(
            mixed,
            "mixing",
            ("fd_mixed_2", "fd_mixed_3", "fd_mixed_4"),
            name="mixing-probability",
            title="Mixing in training makes mixed styles work",
            article="FID of faces mixed from 2, 3 and 4 sources: 8.22, 12.88 and 17.41 where "
            "training never mixed, 5.11, 6.88 and 9.03 where it mixed 90 % of the time (Table 2).",
            measured="log2 of the Frechet distance of pictures mixed from 2 to 4 sources: trained "
            "without mixing less with the most of it",
            across="probability of mixing in training",
        ),
    ]


def _claim(
    models: Sequence[Mapping[str, Any]],
    setting: str,
    keys: tuple[str, ...],
    *,
    name: str,
    title: str,
    article: str,
    measured: str,
    across: str,
) -> Claim:
    claim = Claim(
        name=name,
        title=title,
        article=article,
        measured=f"{measured}; mean over seeds, and the range over them.",
        rule="Holds where the number is above 0.",
        verdict="cannot tell",
    )
    known = [one for one in models if all(key in one["found"] for key in keys)]
    values = sorted({one[setting] for one in known})
    if len(values) < 2:
        raise WspaceError(
            f"the series has {len(values)} values of {setting} with {', '.join(keys)}: it takes "
            "two of them."
        )

    def logs(value: float) -> dict[int, float]:
        return {
            one["seed"]: float(np.mean([np.log2(one["found"][key]) for key in keys]))
            for one in known
            if one[setting] == value
        }

    first, last = logs(values[0]), logs(values[-1])
    shared = sorted(set(first) & set(last))
    differences = [first[seed] - last[seed] for seed in shared]
    remarks, number = [], None
    if differences:
        number = Interval(
            value=float(np.mean(differences)), low=min(differences), high=max(differences)
        )
    if len(differences) < 2:
        remarks = ["One seed of training says nothing of how much chance does: no verdict."]

    def means(key: str) -> list[float]:
        own = [[one["found"][key] for one in known if one[setting] == value] for value in values]
        return [float(np.mean(one)) for one in own]

    figure = curves(
        values,
        [Series(name=key, values=means(key)) for key in keys],
        title=title,
        across=across,
        value=", ".join(keys) if len(keys) == 1 else "Frechet distance",
    )
    return replace(
        claim,
        verdict=decide(number, 0.0)
        if number is not None and len(differences) > 1
        else "cannot tell",
        number=number,
        numbers={key: dict(zip(map(str, values), means(key), strict=True)) for key in keys},
        pictures=[
            Picture(png=written(figure), caption=f"Means over seeds, by {across}.", alt=title)
        ],
        remarks=remarks,
    )


def _commonest(models: Sequence[Mapping[str, Any]], setting: str) -> Any:
    values = [one[setting] for one in models]
    return max(sorted(set(values)), key=values.count)
