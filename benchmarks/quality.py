"""How well `wspace train DATA` learns, by its default command: the table of quality.

    python benchmarks/quality.py --minutes 5 --seeds 0,1,2       five minutes each on a, b and c
    python benchmarks/quality.py --minutes 30,180 --only a,b     longer
    python benchmarks/quality.py --minutes 5,30 --baseline dcgan the baseline, on the same data
    python benchmarks/quality.py --table                         what lies in --out, nothing new

Nothing else may run on the machine. Data: (a) the first 10,000 training pictures of Fashion-MNIST
against its 10,000 test pictures, (b) 4,000 avatars against 5,000 of other seeds, (c) Google's
emoji, a tenth held out. (a) needs `apt-get install dataset-fashion-mnist`, (c) npm.

Each finished cell (data, budget, seed) is a JSON file in --out, beside its run, a sheet of 100
pictures and one of 100 mixed pictures; what is there is not made again, so that the script goes on
where it was stopped.

- FD (lite), precision, recall: as `wspace measure`, of --num pictures against all held-out ones.
  The rows "real" say what training pictures reach. (c) holds few pictures out, so that its FD is
  far too large: only compare it with the row "real".
- FD mixed: of pictures from two w, the crossover uniform over the layers; with classes, both w of
  one class, and in brackets each of its own.
- FD (judge): on the features of a small classifier (metrics/judge.py), scaled so that the
  variances of the held-out pictures' features add up to 100. It learns the classes of (a), and of
  (b) what can be seen at 32²: top, clothes, eyes, mouth, glasses, beard, colours of skin, hair and
  clothes.
- classes off: how far the shares of its classes are from those of held-out pictures (total
  variation; for (b) the mean over attributes): 0 = the same, 1 = nothing in common.
- distinct: the share of pictures that have no near copy among the others; real ones 0.99.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import dcgan
import wspace
from quality_data import TASKS, Task, prepare
from quality_measure import Reference
from wspace.data.dataset import Dataset
from wspace.errors import WspaceError
from wspace.files import atomic_path, atomic_write_text, cache_root
from wspace.metrics.features.datasets import dataset_indices
from wspace.metrics.features.generators import Drawing, generated_pixels
from wspace.metrics.features.lite import LiteExtractor
from wspace.metrics.mixing import draw_mixed

__all__ = ["Cell", "main", "run_cell", "run_folder", "table"]

ROOT = Path(__file__).parent
WSPACE = [sys.executable, "-c", "from wspace.cli.main import main; main()"]
SHEET_PICTURES, SHEET_COLUMNS = 100, 10
COLLAPSED_BELOW = 0.5  # distinct
LEAST_RECALL, RECALL_FROM_MINUTES = 0.1, 30  # less after so long is a collapse, too


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One training to make and to measure.

    Attributes:
        task: the data.
        by: "wspace", "dcgan", or "real": training pictures, which need no training.
        minutes: the budget.
        seed: of the training.
        options: more options of `wspace train`, to compare with its defaults.
        threads: of training and measuring.
        num: pictures to measure.
    """

    task: Task
    by: str
    minutes: float = 0.0
    seed: int = 0
    options: str = ""
    threads: int = 2
    num: int = 5000

    @property
    def name(self) -> str:
        """Of its files."""
        if self.by == "real":
            return f"{self.task.name}-real"
        options = re.sub(r"[^\w.]+", "-", self.options).strip("-")
        parts = (self.task.name, self.by, options, f"{self.minutes:g}min", f"seed{self.seed}")
        return "-".join(part for part in parts if part)

    @property
    def title(self) -> str:
        """Who made the pictures, for the table."""
        names = {"real": "real", "dcgan": "DCGAN", "wspace": "wspace"}
        return f"{names[self.by]} {self.options}".strip()

    def command(self, folder: Path) -> list[str]:
        """The whole command line that trains; it writes into ``folder``."""
        rest = ["--minutes", f"{self.minutes:g}", "--seed", str(self.seed), "--out", str(folder)]
        if self.by == "dcgan":
            return [sys.executable, str(ROOT / "dcgan.py"), str(self.task.train), *rest]
        return [*WSPACE, "train", str(self.task.train), *rest, *shlex.split(self.options)]

    def settings(self) -> dict[str, Any]:
        """What a cell that is kept must have in common with this one."""
        return {
            "task": self.task.name,
            "title": self.task.title,
            "by": self.by,
            "minutes": self.minutes,
            "seed": self.seed,
            "options": self.options,
            "threads": self.threads,
            "num": self.num,
        }


def run_cell(cell: Cell, out: Path, reference: Reference) -> dict[str, Any]:
    """Train and measure, or read what was measured before.

    Args:
        cell: what to do.
        out: NAME.json, NAME-sheet.png, NAME-mixed.png and the folder NAME are written in here.
        reference: of the cell's task.

    Returns:
        The content of NAME.json.

    Raises:
        WspaceError: training failed; its output is in NAME/output.txt.
    """
    path = out / f"{cell.name}.json"
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text())
        if kept["settings"] == cell.settings():
            return kept
    found: dict[str, Any] = {"settings": cell.settings()}
    if cell.by == "real":
        with Dataset.open(cell.task.train) as data:
            pixels = data.images(dataset_indices(data, min(cell.num, len(data))))
    else:
        found |= _train(cell, out / cell.name)
        pixels, mixed = _draw(cell, out / cell.name)
        for name, mixed_pixels in mixed.items():
            found[name] = reference.fd_lite(mixed_pixels)
        if mixed:
            write_sheet(mixed["fd_mixed"], out / f"{cell.name}-mixed.png")
    write_sheet(pixels, out / f"{cell.name}-sheet.png")
    found |= reference.measure(pixels)
    found["collapsed"] = found["distinct"] < COLLAPSED_BELOW or (
        cell.minutes >= RECALL_FROM_MINUTES and found["recall"] <= LEAST_RECALL
    )
    found |= {"machine": _machine(), "when": f"{datetime.now(UTC):%Y-%m-%d %H:%M}"}
    atomic_write_text(path, json.dumps(found, indent=1) + "\n")
    return found


def _train(cell: Cell, folder: Path) -> dict[str, Any]:
    """Run the training command, unless it has ended before: seconds, kimg and the like."""
    done = folder / "done.json"
    command = cell.command(folder / "runs")
    if done.exists():
        kept: dict[str, Any] = json.loads(done.read_text())
        if kept["command"] == command and kept["threads"] == cell.threads:
            return kept
    shutil.rmtree(folder, ignore_errors=True)  # a training that was stopped is begun again
    folder.mkdir(parents=True)
    load, start, cpu = os.getloadavg()[0], time.monotonic(), os.times()
    with open(folder / "output.txt", "w") as output:
        status = subprocess.run(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": str(cell.threads)},
            check=False,
        ).returncode
    seconds = time.monotonic() - start
    if status != 0:
        raise WspaceError(f"{shlex.join(command)} ended with {status}: {folder / 'output.txt'}")
    kimg, after = _kimg(cell, folder / "runs"), os.times()
    spent = after.children_user + after.children_system
    found = {
        "command": command,
        "threads": cell.threads,
        "seconds": round(seconds, 1),  # the whole command, its start included
        "cpu_seconds": round(spent - cpu.children_user - cpu.children_system, 1),
        "kimg": kimg,
        "pictures_per_second": round(1000 * kimg / seconds, 1),
        "load_before": load,  # what else ran on the machine
    }
    atomic_write_text(done, json.dumps(found) + "\n")
    return found


def _kimg(cell: Cell, runs: Path) -> float:
    """Thousands of real pictures that a training has seen."""
    if cell.by == "dcgan":
        return float(json.loads((runs / "trained.json").read_text())["kimg"])
    lines = (run_folder(runs) / "log.jsonl").read_text().splitlines()
    return max((float(json.loads(line).get("kimg", 0)) for line in lines), default=0.0)


def run_folder(runs: Path) -> Path:
    """The only run folder in ``runs``."""
    (run,) = (path.parent for path in runs.glob("*/config.json"))
    return run


def _draw(cell: Cell, folder: Path) -> tuple[Tensor, dict[str, Tensor]]:
    """Pictures of a trained model, and mixed ones by what their figure is called."""
    runs, seeds = folder / "runs", range(cell.num)
    if cell.by == "dcgan":
        return dcgan.draw(dcgan.load(runs), seeds), {}
    generator = wspace.load(run_folder(runs))
    with Dataset.open(cell.task.train) as data:
        labels = data.labels
    drawing = Drawing(generator=generator, num=cell.num, labels=labels)
    mixed = {"fd_mixed": torch.cat(list(draw_mixed(drawing)))}
    if generator.num_classes > 0:
        mixed["fd_mixed_across"] = torch.cat(list(draw_mixed(drawing, across=True)))
    return generated_pixels(generator, seeds, labels=labels), mixed


def write_sheet(pixels: Tensor, path: Path) -> None:
    """The first hundred pictures, enlarged to about 64 pixels each."""
    shown = pixels[:SHEET_PICTURES].expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()
    scale = max(1, 64 // shown.shape[1])
    shown = shown.repeat(scale, axis=1).repeat(scale, axis=2)  # (n, side, side, 3)
    side = shown.shape[1]
    rows = -(-len(shown) // SHEET_COLUMNS)
    sheet = np.full((rows * side, SHEET_COLUMNS * side, 3), 255, np.uint8)
    for i, picture in enumerate(shown):
        top, left = i // SHEET_COLUMNS * side, i % SHEET_COLUMNS * side
        sheet[top : top + side, left : left + side] = picture
    with atomic_path(path) as temporary:
        Image.fromarray(sheet).save(temporary)


def table(cells: Sequence[dict[str, Any]]) -> str:
    """Markdown: a row for each data, maker and budget, with the mean over seeds and its range."""
    lines = [
        "| pictures | by | budget | kimg | pictures/s | FD (lite) | FD mixed | precision | recall "
        "| FD (judge) | classes off | distinct |",
        "| --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for cell in cells:
        own = cell["settings"]
        key = (own["task"], own["by"] != "real", own["minutes"], own["by"], own["options"])
        groups.setdefault(key, []).append(cell)
    for key in sorted(groups):
        group = groups[key]
        own = group[0]["settings"]
        judges = [cell["judge"] for cell in group if cell["judge"] is not None]
        mixed = _range([cell.get("fd_mixed") for cell in group], 1)
        if "fd_mixed_across" in group[0]:
            mixed += f" [{_range([cell['fd_mixed_across'] for cell in group], 1)}]"
        by = replace(_NO_CELL, by=own["by"], options=own["options"]).title
        if any(cell["collapsed"] for cell in group):
            by += " (collapsed)"
        cells_of_row = [
            own["title"],
            by,
            f"{own['minutes']:g} min" if own["by"] != "real" else "",
            _range([cell.get("kimg") for cell in group], 0),
            _range([cell.get("pictures_per_second") for cell in group], 0),
            _range([cell["fd_lite"] for cell in group], 1),
            mixed,
            _range([cell["precision"] for cell in group], 2),
            _range([cell["recall"] for cell in group], 2),
            _range([judge["fd"] for judge in judges], 2),
            _range([judge["off"] for judge in judges], 2),
            _range([cell["distinct"] for cell in group], 2),
        ]
        lines.append("| " + " | ".join(cells_of_row) + " |")
    return "\n".join(lines)


_NO_CELL = Cell(task=Task(name="", title="", train=Path(), heldout=Path()), by="real")


def _range(values: Sequence[float | None], digits: int) -> str:
    """The mean, and of several values the smallest and the largest."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    mean = f"{np.mean(known):.{digits}f}"
    if len(known) == 1:
        return mean
    return f"{mean} ({min(known):.{digits}f} to {max(known):.{digits}f})"


def _machine() -> dict[str, Any]:
    """Where and by which code a cell was made."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists() and (match := re.search(r"model name\s*: (.*)", cpuinfo.read_text())):
        model = match[1]
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    code = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    torch_version = str(torch.__version__)
    return {"cpu": model, "cores": os.cpu_count(), "torch": torch_version, "code": code}


def _kept(out: Path) -> list[dict[str, Any]]:
    """All cells that lie in ``out``."""
    return [json.loads(path.read_text()) for path in sorted(out.glob("*.json"))]


def main(argv: Sequence[str] | None = None) -> None:
    """Make the cells that are asked for, then print all that lie in --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", default="5", metavar="M,M", help="budgets [5]")
    parser.add_argument("--seeds", default="0", metavar="S,S", help="of training [0]")
    parser.add_argument("--only", default="a,b,c", metavar="T,T", help="data [a,b,c]")
    parser.add_argument("--baseline", choices=["dcgan"], help="train this one instead")
    parser.add_argument("--options", default="", help="more options of `wspace train`, one string")
    parser.add_argument("--floors", action="store_true", help="only the rows of real pictures")
    parser.add_argument("--table", action="store_true", help="only print what lies in --out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--num", type=int, default=5000, help="pictures to measure [5000]")
    parser.add_argument("--out", type=Path, default=Path("quality"))
    parser.add_argument("--cache", type=Path, default=(cache_root() or Path(".")) / "benchmarks")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    if unknown := set(arguments.only.split(",")) - set(TASKS):
        parser.error(f"--only {sorted(unknown)[0]}: the data are {', '.join(TASKS)}.")
    if not arguments.table:
        try:
            _make_cells(arguments)
        except WspaceError as error:
            parser.exit(2, f"{error}\n")
    cells = _kept(arguments.out)
    print(json.dumps(cells) if arguments.json else table(cells))


def _make_cells(arguments: argparse.Namespace) -> None:
    lite = LiteExtractor()
    for name in arguments.only.split(","):
        task = prepare(name, arguments.cache)
        reference = Reference.of(task, arguments.cache, lite)
        floor = Cell(task=task, by="real", threads=arguments.threads, num=arguments.num)
        cells = [floor]
        if not arguments.floors:
            cells += [
                replace(
                    floor,
                    by=arguments.baseline or "wspace",
                    minutes=float(minutes),
                    seed=int(seed),
                    options="" if arguments.baseline else arguments.options,
                )
                for minutes in arguments.minutes.split(",")
                for seed in arguments.seeds.split(",")
            ]
        for cell in cells:
            print(f"{cell.name} ...", file=sys.stderr, flush=True)
            run_cell(cell, arguments.out, reference)


if __name__ == "__main__":
    main()
