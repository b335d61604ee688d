"""Inversion, measured: pictures that a bundled model never saw, found again and edited.

    python benchmarks/editing.py inversion --num 100
    python benchmarks/editing.py inversion --only clothes --num 20

For each picture: what the encoder says at once, then the optimiser in W, in W+ and in W+ with
noise maps of its own, then a model tuned for that picture alone, around its w in W. How near each
is: PSNR in dB, and the distance of features (EfficientNet-Lite1, the sum over four maps, each
relative to its size; it is part of what is minimised). Times are processor seconds a picture, so
that they hold beside other work.

Edits, on avatars: each direction that the model comes with, at strength 1.5. What it does is asked
of the model's own pictures first: the value of an attribute that appears most often in pictures
that lacked it. Then of the inverted ones: how often it appears there, and how often another
attribute changed that the judge sees clearly. The judge is that of the other half of the pictures
than the one that the directions were found by, as in `editing_directions.py`.

Rows are written to --out as they are there, and what is there is not made again.

Data: 10,000 drawn avatars of 64² as in `claims.py`, and Fashion-MNIST's test pictures, as
`quality.py` makes them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.files import atomic_write_text, cache_root
from wspace.formats.difference import with_changes
from wspace.formats.directions import directions_path, read_directions
from wspace.formats.model_file import load, load_encoder
from wspace.images import from_uint8
from wspace.inversion.invert import InversionConfig, Inverted, invert, psnr
from wspace.inversion.judge import Judge, Seen
from wspace.inversion.tuning import TuningConfig, smallest_changes, tune
from wspace.metrics.features.datasets import cache_folder
from wspace.metrics.judge import Judging, judging_of
from wspace.networks.encoder import Encoder
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe, recipes
from wspace.rendering.render import render

__all__ = ["main"]

DATA = {"avatars": "avatars-64-claims.zip", "clothes": "fashion-heldout.zip"}
WAYS = ("encoder", "W", "W+", "W+ noise", "tuned")
STRENGTH = 1.5
OWN = 200  # of the model's own pictures, to see what a direction does
FIRST_SEED = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Way:
    """Pictures as one way draws them."""

    pixels: Tensor  # (N, H, W, C), uint8
    seconds: float  # of a processor, a picture
    models: tuple[Generator, ...]  # one a picture
    recipes: tuple[Recipe, ...]
    kilobytes: float = 0.0  # of a model's file, on average


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num", type=int, default=100, help="pictures of each model")
    parser.add_argument("--only", choices=list(DATA), action="append")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--together", type=int, default=5, help="pictures inverted in a batch")
    parser.add_argument("--no-edits", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("editing-inversion.jsonl"))
    arguments = parser.parse_args(argv)
    done = _read(arguments.out)
    for start in range(0, arguments.num, arguments.together):
        for name in arguments.only or DATA:
            key = [name, start, arguments.steps]
            if any(row["key"] == key for row in done):
                continue
            count = min(arguments.together, arguments.num - start)
            row = {"key": key, "count": count} | _measure(
                name, range(start, start + count), arguments.steps, not arguments.no_edits
            )
            done.append(row)
            atomic_write_text(arguments.out, "".join(json.dumps(one) + "\n" for one in done))
    _print_table([row for row in done if row["key"][2] == arguments.steps])


def _measure(name: str, which: range, steps: int, edits: bool) -> dict[str, Any]:
    generator = load(name)
    encoder = load_encoder(name)
    with Dataset.open(_data(name), image_channels=generator.image_channels) as data:  # type: ignore[arg-type]
        order = np.random.RandomState(0).permutation(len(data))
        given = data.images(order[list(which)])  # (N, C, H, W)
    target = from_uint8(given)
    pixels = given.permute(0, 2, 3, 1).contiguous()
    ways = _ways(generator, encoder, pixels, steps)
    seen = Seen(Judge(generator.image_channels, target.device), target)
    rows = {}
    for way, made in ways.items():
        with torch.no_grad():
            _, features = seen.parts(from_uint8(made.pixels.permute(0, 3, 1, 2)))
        rows[way] = {
            "psnr": [psnr(one, other) for one, other in zip(made.pixels, pixels, strict=True)],
            "features": features.tolist(),
            "seconds": made.seconds,
            "kilobytes": made.kilobytes,
        }
    known = read_directions(directions_path(name), generator) if edits else {}
    return {"ways": rows, "edits": _edits(generator, name, ways) if known else {}}


def _ways(
    generator: Generator, encoder: Encoder | None, pixels: Tensor, steps: int
) -> dict[str, Way]:
    def inverted(config: InversionConfig) -> Way:
        found: tuple[Inverted, ...]
        seconds, found = _timed(lambda: invert(generator, pixels, config, encoder=encoder))
        made = tuple(one.recipe for one in found)
        return Way(
            pixels=torch.from_numpy(render(generator, made).pixels),
            seconds=seconds / len(pixels),
            models=(generator,) * len(pixels),
            recipes=made,
        )

    ways = {}
    if encoder is not None:
        inverted(InversionConfig(seconds=0))  # the first call loads what it needs
        ways["encoder"] = inverted(InversionConfig(seconds=0))
    ways["W"] = inverted(InversionConfig(space="w", steps=steps))
    ways["W+"] = inverted(InversionConfig(steps=steps))
    ways["W+ noise"] = inverted(InversionConfig(steps=steps, noise=True))
    ways["tuned"] = _tuned(generator, pixels, ways["W"].recipes, steps)
    return ways


def _tuned(generator: Generator, pixels: Tensor, pivots: Sequence[Recipe], steps: int) -> Way:
    models, seconds, sizes = [], 0.0, 0
    for one, pivot in zip(pixels.split(1), pivots, strict=True):

        def learn(one: Tensor = one, pivot: Recipe = pivot) -> dict[str, Tensor]:
            tuned = tune(generator, one, [pivot], TuningConfig(steps=steps))
            return smallest_changes(generator, tuned, one, [pivot])

        took, changes = _timed(learn)
        seconds += took
        sizes += sum(tensor.nbytes for tensor in changes.values())
        models.append(with_changes(generator, changes))
    return Way(
        pixels=_drawn(models, pivots),
        seconds=seconds / len(pixels),
        models=tuple(models),
        recipes=tuple(pivots),
        kilobytes=sizes / 1000 / len(pixels),
    )


def _edits(generator: Generator, name: str, ways: dict[str, Way]) -> dict[str, Any]:
    """For each way and direction: pictures that lacked what it does, of them changed; others."""
    with Dataset.open(_data(name)) as data:
        judging = judging_of(data, other_half=True, cache=cache_folder())
    own = recipes(seeds=range(FIRST_SEED, FIRST_SEED + OWN))
    before = _decisions(judging, [generator] * OWN, own)
    found: dict[str, Any] = {}
    for direction, known in read_directions(directions_path(name), generator).items():
        edit = known.edit.replace(strength=STRENGTH)

        def edited(
            models: Sequence[Generator], given: Sequence[Recipe], edit: Any = edit
        ) -> Tensor:
            return _decisions(judging, models, [one.replace(edits=(edit,)) for one in given])

        after = edited([generator] * OWN, own)
        kind, value, share = _what_it_does(judging, before, after)
        if share < 0.5:
            continue  # nothing that this judge sees
        rows = {"own": _counts(judging, before, after, kind, value)}
        for way, made in ways.items():
            start = _decisions(judging, made.models, made.recipes)
            rows[way] = _counts(judging, start, edited(made.models, made.recipes), kind, value)
        found[direction] = rows
    return found


def _what_it_does(judging: Judging, before: Tensor, after: Tensor) -> tuple[int, int, float]:
    """The kind and value that appear in the largest share of pictures that lacked it."""
    kinds = list(judging.judge.values)
    best = (0, 0, -1.0)
    for kind in judging.clear:
        column = kinds.index(kind)
        for value in range(len(judging.judge.values[kind])):
            lacking = before[:, column] != value
            got = after[lacking, column] == value
            if lacking.sum() >= 20 and float(got.double().mean()) > best[2]:
                best = (column, value, float(got.double().mean()))
    return best


def _counts(judging: Judging, before: Tensor, after: Tensor, kind: int, value: int) -> list[float]:
    """Pictures that lacked it, those that got it, and the share of others that changed in them."""
    kinds = list(judging.judge.values)
    others = [kinds.index(one) for one in judging.clear if kinds.index(one) != kind]
    lacking = before[:, kind] != value
    got = int((after[lacking, kind] == value).sum())
    changed = (after[lacking][:, others] != before[lacking][:, others]).double()
    return [int(lacking.sum()), got, float(changed.mean()) if len(changed) else 0.0]


def _decisions(judging: Judging, models: Sequence[Generator], given: Sequence[Recipe]) -> Tensor:
    return judging.judge.look(_drawn(models, given).permute(0, 3, 1, 2)).decisions


def _drawn(models: Sequence[Generator], given: Sequence[Recipe]) -> Tensor:
    """(N, H, W, C), uint8; pictures of one model together."""
    if len(set(map(id, models))) == 1:
        return torch.from_numpy(render(models[0], given).pixels)
    pairs = zip(models, given, strict=True)
    return torch.cat([torch.from_numpy(render(model, [one]).pixels) for model, one in pairs])


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def _data(name: str) -> Path:
    root = cache_root()
    path = None if root is None else root / "benchmarks" / DATA[name]
    if path is None or not path.exists():
        raise WspaceError(f"{DATA[name]} is missing in {root}: run quality.py and claims.py first.")
    return path


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _print_table(rows: Sequence[dict[str, Any]]) -> None:
    for name in dict.fromkeys(row["key"][0] for row in rows):
        own = [row for row in rows if row["key"][0] == name]
        print(f"\n{name}, {sum(row['count'] for row in own)} unseen pictures")
        print("| way | PSNR mean | least | at least 30 dB | features | processor s | kB |")
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for way in WAYS:
            parts = [row["ways"][way] for row in own if way in row["ways"]]
            if not parts:
                continue
            near = np.array([value for part in parts for value in part["psnr"]])
            features = np.mean([value for part in parts for value in part["features"]])
            seconds, size = (
                np.mean([part[key] for part in parts]) for key in ("seconds", "kilobytes")
            )
            print(
                f"| {way} | {near.mean():.1f} | {near.min():.1f} | {(near >= 30).mean():.0%} "
                f"| {features:.2f} | {seconds:.2f} | {size:.0f} |"
            )
        _print_edits([row["edits"] for row in own])


def _print_edits(rows: Sequence[dict[str, Any]]) -> None:
    directions = sorted({direction for row in rows for direction in row})
    for way in ("own", *WAYS) if directions else ():
        parts = [row[d][way] for row in rows for d in directions if way in row.get(d, {})]
        lacking = sum(part[0] for part in parts)
        if not lacking:
            continue
        got = sum(part[1] for part in parts) / lacking
        others = sum(part[0] * part[2] for part in parts) / lacking
        print(
            f"edits ({', '.join(directions)}) of {way}: {got:.0%} of {lacking} change as asked, "
            f"{others:.1%} of other attributes change"
        )


if __name__ == "__main__":
    main()
