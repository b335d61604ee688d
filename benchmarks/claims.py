"""Claims that need several models: trains a series, measures it, and makes the reports.

    python benchmarks/claims.py                      the whole series on avatars and clothes
    python benchmarks/claims.py --only avatars --minutes 30 --seeds 0,1
    python benchmarks/claims.py --kimg 30 --seeds 0  so many thousands of images each
    python benchmarks/claims.py --reports            docs/claims/ from the bundled models
    python benchmarks/claims.py --tiny --minutes 0.1 two models: a smoke, no figure to trust

Mapping depth 0, 2, 4 and 8 at a mixing probability of 90 %, and mixing probability 0, 50, 90 and
100 % at 8 layers: seven models a data set and seed, without classes (at depth 0 w is z). Each is
trained by the command that --commands prints, for --minutes (or on --kimg thousands of images,
which a machine that other work disturbs is fit for, too) of adversarial training from the start
(no reconstruction, no matching stage: these teach the mapping network in another way than the
article's training), and measured as `wspace measure --metrics fd,pr,ppl,separability,mixing` does,
by the same judge.

Each finished model is a JSON file in --out, beside its run; what is there is not made again, so
that the script goes on where it was stopped. SERIES-NAME.json in --out is what `wspace claims
--series` reads; --reports takes it from there, or from docs/claims/.

Data: 32² avatars (4,000 to learn, 5,000 to measure against, 12,000 for the judge) and Fashion-MNIST
(10,000, 10,000, 50,000), as `quality.py` makes them. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import wspace
from quality_data import Task, prepare
from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.files import atomic_write_text, cache_root
from wspace.formats.model_file import bundled_models, read_metadata
from wspace.metrics.comparison import compare
from wspace.metrics.features.generators import Drawing
from wspace.metrics.features.lite import LiteExtractor
from wspace.metrics.judge import Judging, judging_of
from wspace.metrics.table import measure
from wspace.sizes import size_of
from wspace.training.config import ONE_STAGE

__all__ = ["Cell", "cells", "labelled_pictures", "main", "run_cell", "write_series"]

ROOT = Path(__file__).parents[1]
WSPACE = [sys.executable, "-c", "from wspace.cli.main import main; main()"]
DATA = {"avatars": "b", "clothes": "a"}  # the names that quality_data.py has for them
DEPTHS, MIXINGS = (0, 2, 4, 8), (0.0, 0.5, 0.9, 1.0)
USUAL_DEPTH, USUAL_MIXING = 8, 0.9
METRICS = ("fd", "pr", "ppl", "separability", "mixing")
VERSION = 1  # of the series' file, see wspace.claims.series


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One model of a series.

    Attributes:
        name: of the data.
        task: the data.
        depth: layers of mapping.
        mixing: probability of style mixing in training.
        seed: of the training.
        minutes: of the training.
        num: pictures to measure.
        kimg: the budget in thousands of images, in place of minutes; or None.
    """

    name: str
    task: Task
    depth: int
    mixing: float
    seed: int
    minutes: float
    num: int
    kimg: float | None = None

    @property
    def label(self) -> str:
        """Of its files."""
        mixing = f"{self.mixing:.0%}".rstrip("%")
        return f"{self.name}-depth{self.depth}-mixing{mixing}-seed{self.seed}"

    def command(self, out: Path) -> list[str]:
        """The whole command line that trains it into ``out``."""
        settings = {
            "mapping_layers": self.depth,
            "adversarial.style_mixing_probability": self.mixing,
            "labels": "false",
            "saving.measure": "false",  # the last model counts, not the best one on the way
            "saving.report": "false",
            **ONE_STAGE,
        }
        options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        budget = ["--minutes", f"{self.minutes:g}"]
        if self.kimg is not None:
            budget = ["--kimg", f"{self.kimg:g}"]
        return [
            *WSPACE, "train", str(self.task.train), *budget,
            "--seed", str(self.seed), *options, "--out", str(out),
        ]  # fmt: skip

    def settings(self) -> dict[str, Any]:
        """What a model that is kept must have in common with this one."""
        budget = {"minutes": self.minutes} if self.kimg is None else {"kimg": self.kimg}
        return {
            "data": self.name,
            "depth": self.depth,
            "mixing": self.mixing,
            "seed": self.seed,
            **budget,
            "num": self.num,
        }


def cells(
    name: str,
    task: Task,
    seeds: Sequence[int],
    minutes: float,
    num: int,
    kimg: float | None = None,
) -> Iterator[Cell]:
    """The models of a series: each depth at the usual mixing, each mixing at the usual depth."""
    pairs = [(depth, USUAL_MIXING) for depth in DEPTHS] + [(USUAL_DEPTH, m) for m in MIXINGS]
    for seed in seeds:
        for depth, mixing in dict.fromkeys(pairs):
            yield Cell(
                name=name,
                task=task,
                depth=depth,
                mixing=mixing,
                seed=seed,
                minutes=minutes,
                num=num,
                kimg=kimg,
            )


def run_cell(cell: Cell, out: Path, judging: Judging) -> dict[str, Any]:
    """Train and measure a model, or read what was measured before.

    Args:
        cell: the model.
        out: LABEL.json and the folder LABEL are written in here.
        judging: the judge of the series.

    Returns:
        The content of LABEL.json.

    Raises:
        WspaceError: training failed; its output is in LABEL/output.txt.
    """
    path = out / f"{cell.label}.json"
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text())
        if kept["settings"] == cell.settings():
            return kept
    run = _trained(cell, out / cell.label)
    generator = wspace.load(run)
    with Dataset.open(cell.task.heldout) as heldout:
        drawing = Drawing(generator=generator, num=cell.num)
        comparison = compare(
            drawing, heldout, extractor=LiteExtractor(), judging=judging, cache=_cache()
        )
        found = measure(comparison, METRICS)
    numbers = {key: value for key, value in found.items() if isinstance(value, float)}
    whole = {**cell.settings(), "settings": cell.settings(), "found": numbers}
    atomic_write_text(path, json.dumps(whole, indent=1) + "\n")
    return whole


def _trained(cell: Cell, folder: Path) -> Path:
    """The run folder of a model, trained now if it is not there whole."""
    done, command = folder / "done.json", cell.command(folder / "runs")
    if not (done.exists() and json.loads(done.read_text()) == command):
        shutil.rmtree(folder, ignore_errors=True)  # a training that was stopped is begun again
        folder.mkdir(parents=True)
        with open(folder / "output.txt", "w") as output:
            status = subprocess.run(
                command, stdout=output, stderr=subprocess.STDOUT, env=os.environ, check=False
            ).returncode
        if status != 0:
            raise WspaceError(f"{shlex.join(command)} ended with {status}: {folder}/output.txt")
        atomic_write_text(done, json.dumps(command) + "\n")
    (run,) = (path.parent for path in (folder / "runs").glob("*/config.json"))
    return run


def write_series(path: Path, found: Sequence[dict[str, Any]]) -> None:
    """What `wspace claims --series` reads, from what `run_cell` gave."""
    kept = ("depth", "mixing", "seed", "found")
    models = [{key: one[key] for key in kept} for one in found]
    atomic_write_text(path, json.dumps({"version": VERSION, "models": models}, indent=1) + "\n")


def table(found: Sequence[dict[str, Any]]) -> str:
    """Markdown: a row a model."""
    keys = (
        "fd_lite", "separability_z", "separability_w", "ppl_z_full", "ppl_w_full", "fd_mixed_2",
        "fd_mixed_3", "fd_mixed_4",
    )  # fmt: skip
    lines = [
        f"| data | depth | mixing | seed | {' | '.join(keys)} |",
        "| --- " + "| --: " * (3 + len(keys)) + "|",
    ]
    for one in found:
        numbers = " | ".join(
            f"{one['found'][key]:.4g}" if key in one["found"] else "" for key in keys
        )
        lines.append(
            f"| {one['data']} | {one['depth']} | {one['mixing']:.0%} | {one['seed']} | {numbers} |"
        )
    return "\n".join(lines)


def reports(folder: Path, series: Path, num: int) -> None:
    """The report of each bundled model that says which data it is of: docs/claims/MODEL.html."""
    for model in bundled_models():
        resolution = size_of(read_metadata(model)["generator"]["resolution"])
        if model not in DATA:
            print(f"{model}: no data is known for it")
            continue
        data = labelled_pictures(model, resolution.short)
        command = [
            *WSPACE,
            "claims",
            model,
            str(data),
            "--num",
            str(num),
            "--out",
            str(folder / model),
        ]
        for place in (series, folder):  # of this machine, or as committed
            own = place / f"SERIES-{model}.json"
            if own.exists():
                command += ["--series", str(own)]
                break
        print(shlex.join(command), flush=True)
        if subprocess.run(command, check=False).returncode != 0:
            raise WspaceError(f"no report of {model}: see above.")


def labelled_pictures(model: str, size: str) -> Path:
    """Labelled pictures of a bundled model's kind and size, none that it learned from."""
    cache = cache_root()
    assert cache is not None
    if model == "clothes":
        return prepare("a", cache / "benchmarks").heldout
    path = cache / "benchmarks" / f"avatars-{size}-claims.zip"
    if not path.exists():
        command = [*WSPACE, "data", "avatars", str(path), "--count", "10000", "--size", size,
                   "--seed", "5000000"]  # fmt: skip
        subprocess.run(command, check=True)
    return path


def _cache() -> Path | None:
    root = cache_root()
    return None if root is None else root / "features"


def main(argv: Sequence[str] | None = None) -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="avatars,clothes", metavar="NAME,NAME")
    parser.add_argument("--minutes", type=float, default=60.0, help="of each training [60]")
    parser.add_argument("--kimg", type=float, help="thousands of images instead")
    parser.add_argument("--seeds", default="0,1", metavar="S,S", help="of training [0,1]")
    parser.add_argument("--num", type=int, default=10_000, help="pictures to measure [10000]")
    parser.add_argument("--out", type=Path, default=Path("claims-series"))
    parser.add_argument("--data-cache", type=Path, help="where quality.py keeps its data")
    parser.add_argument("--commands", action="store_true", help="only print the commands")
    parser.add_argument("--reports", action="store_true", help="docs/claims/ of bundled models")
    parser.add_argument("--tiny", action="store_true", help="two models, seconds each: a smoke")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    try:
        if arguments.reports:
            reports(ROOT / "docs/claims", arguments.out, min(arguments.num, 4000))
            return
        print(_series(arguments))
    except WspaceError as error:
        parser.exit(2, f"{error}\n")


def _series(arguments: argparse.Namespace) -> str:
    root = cache_root()
    cache = arguments.data_cache or (root and root / "benchmarks")
    if cache is None:
        raise WspaceError("there is no home folder to keep data in: give --data-cache.")
    found = []
    for name in arguments.only.split(","):
        if name not in DATA:
            raise WspaceError(f"--only {name}: the data are {', '.join(DATA)}.")
        task = prepare(DATA[name], cache)
        seeds = [int(seed) for seed in arguments.seeds.split(",")]
        budget = arguments.minutes, arguments.num, arguments.kimg
        wanted = list(cells(name, task, seeds, *budget))
        if arguments.tiny:
            wanted = [cell for cell in wanted if cell.mixing == USUAL_MIXING][:2]
        if arguments.commands:
            found += [shlex.join(cell.command(arguments.out / cell.label)) for cell in wanted]
            continue
        assert task.judged is not None
        with Dataset.open(task.heldout) as heldout, Dataset.open(task.judged) as labelled:
            judging = judging_of(heldout, labelled, cache=_cache())
        own = []
        for cell in wanted:
            own.append(run_cell(cell, arguments.out, judging))
            write_series(arguments.out / f"SERIES-{name}.json", own)
            print(f"{cell.label}: {own[-1]['found']}", flush=True)
        found.append(table(own))
    return "\n".join(found)


if __name__ == "__main__":
    main()
