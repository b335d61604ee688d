"""How well `wspace train` learns from few pictures, with and without augmentation: its table.

    python benchmarks/few_pictures.py --minutes 30        100 and 1,000 avatars, 30 minutes each
    python benchmarks/few_pictures.py --kimg 20           so many images, however long it takes
    python benchmarks/few_pictures.py --table             what lies in --out, nothing new

Data: the first of the 4,000 avatars of `quality.py` (32²), against its 5,000 of other seeds. Each
finished cell is a JSON file in --out, beside its run and a sheet; what is there is not made again.
Budgets in minutes want a machine on which nothing else runs; those in kimg do not.

- projected: the plain command, `wspace train DATA`: stages, then the projected discriminator.
- preset: `--set discriminator=preset`: the same stages, then the preset's own discriminator.
- FD (lite), precision, recall: of --num pictures against the held-out ones.
- FD of training: against the training pictures. Far below the other one: they are repeated.
- nearest: the median distance of generated pictures to the nearest training picture, in features
  of EfficientNet-Lite0, relative to that of held-out ones, which were never seen: 1 = as far as
  those, 0 = copies. In brackets the same of the closest hundredth.
- changed: how often each change happens at the end (`augment_strength` in the log).
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import wspace
from quality import Cell, run_cell, run_folder
from quality_data import Task, avatars
from quality_measure import Reference
from wspace.data.dataset import Dataset
from wspace.data.writer import write_dataset
from wspace.errors import WspaceError
from wspace.files import atomic_write_text, cache_root
from wspace.metrics.features.datasets import dataset_features
from wspace.metrics.features.generators import generated_pixels
from wspace.metrics.features.lite import LiteExtractor
from wspace.metrics.neighbours import find_neighbours, summary

__all__ = ["FewCell", "few_of", "main", "measure", "table"]

DISCRIMINATORS = {"projected": "", "preset": "--set discriminator=preset"}


@dataclass(frozen=True, kw_only=True)
class FewCell(Cell):
    """One training from few pictures.

    Attributes:
        pictures: how many.
        discriminator: one of `DISCRIMINATORS`.
        augment: "none" or "ada".
        kimg: the budget, in place of minutes; or None.
    """

    pictures: int
    discriminator: str
    augment: str
    kimg: float | None = None

    @property
    def name(self) -> str:
        budget = f"{self.minutes:g}min" if self.kimg is None else f"{self.kimg:g}kimg"
        own = f"{self.pictures}-{self.discriminator}-{self.augment}-{budget}-seed{self.seed}"
        return own if not self.options else f"{own}-{re.sub(r'[^0-9A-Za-z.]+', '-', self.options)}"

    def command(self, folder: Path) -> list[str]:
        words = super().command(folder)
        if self.kimg is not None:
            at = words.index("--minutes")
            words[at : at + 2] = ["--kimg", f"{self.kimg:g}"]
        kind = shlex.split(DISCRIMINATORS[self.discriminator])
        return [*words, *kind, "--set", f"augment={self.augment}"]

    def settings(self) -> dict[str, Any]:
        return super().settings() | {
            "pictures": self.pictures,
            "discriminator": self.discriminator,
            "augment": self.augment,
            "kimg": self.kimg,
        }


def few_of(task: Task, count: int, cache: Path) -> Task:
    """The same task with the first ``count`` training pictures alone, and without a judge."""
    path = cache / f"{task.train.stem}-first-{count}.zip"
    if not path.exists():
        with zipfile.ZipFile(task.train) as archive:
            metadata = json.loads(archive.read("dataset.json"))
            pictures = sorted(name for name in archive.namelist() if name.endswith(".png"))[:count]
            if len(pictures) < count:
                raise WspaceError(f"{task.train} has {len(pictures)} pictures, not {count}.")
            with write_dataset(path) as writer:
                names = [(name, writer.add(archive.read(name))) for name in pictures]
                by_picture = metadata.get("attributes")
                if by_picture:
                    metadata["attributes"] = {new: by_picture[old] for old, new in names}
                metadata.pop("seeds", None)
                writer.finish(metadata)
    title = f"{count:,} {task.title}"
    return replace(task, name=f"few{count}", title=title, train=path, judged=None, kinds=())


def measure(cell: Cell, out: Path, reference: Reference) -> dict[str, Any]:
    """Train and measure one cell, or read what was measured before: the content of its JSON."""
    path = out / f"{cell.name}.json"
    found = run_cell(cell, out, reference)
    if "nearest" in found:
        return found
    run = run_folder(out / cell.name / "runs")
    lite = reference.extractor
    with Dataset.open(cell.task.train) as data:
        known = dataset_features(data, extractor=lite)
    drawn = lite(generated_pixels(wspace.load(run), range(cell.num), labels=None))
    unseen = summary(find_neighbours(reference.real, known))
    own = summary(find_neighbours(drawn, known))
    found["nearest"] = own.median / unseen.median
    found["nearest_first"] = own.first_percentile / unseen.first_percentile
    found["changed"] = _changed(run / "log.jsonl")
    atomic_write_text(path, json.dumps(found, indent=1) + "\n")
    return found


def _changed(log: Path) -> float | None:
    """The strength of augmentation in the last line that has one."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return next((v for line in reversed(lines) if (v := line.get("augment_strength"))), None)


def table(cells: Sequence[dict[str, Any]]) -> str:
    """Markdown: a row for each cell."""
    lines = [
        "| pictures | discriminator | augment | budget | seed | kimg | CPU s | FD (lite) "
        "| FD of training | precision | recall | nearest | changed |",
        "| --: | --- | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]

    def order(cell: dict[str, Any]) -> tuple[Any, ...]:
        own = cell["settings"]
        return own["pictures"], own["discriminator"], own["options"], own["augment"] != "none"

    for cell in sorted(cells, key=order):
        own = cell["settings"]
        budget = f"{own['minutes']:g} min" if own["kimg"] is None else f"{own['kimg']:g} kimg"
        changed = "" if cell["changed"] is None else f"{cell['changed']:.2f}"
        row = (
            f"{own['pictures']:,}",
            own["discriminator"],
            f"{own['augment']} {own['options']}".strip(),
            budget,
            str(own["seed"]),
            f"{cell['kimg']:.0f}",
            f"{cell['cpu_seconds']:.0f}",
            f"{cell['fd_lite']:.1f}",
            f"{cell['fd_train']:.1f}",
            f"{cell['precision']:.2f}",
            f"{cell['recall']:.2f}",
            f"{cell['nearest']:.2f} ({cell['nearest_first']:.2f})",
            changed,
        )
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Make the cells that are asked for, then print all that lie in --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="of each training [30]")
    parser.add_argument("--kimg", type=float, help="thousands of images instead")
    parser.add_argument("--pictures", default="100,1000", metavar="N,N", help="[100,1000]")
    parser.add_argument("--discriminators", default="projected,preset", metavar="D,D")
    parser.add_argument("--augment", default="none,ada", metavar="A,A")
    parser.add_argument("--options", default="", help="more options of `wspace train`, one string")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="only print what lies in --out")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--num", type=int, default=5000, help="pictures to measure [5000]")
    parser.add_argument("--out", type=Path, default=Path("few-pictures"))
    parser.add_argument("--cache", type=Path, default=cache_root() / "benchmarks")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    if not arguments.table:
        try:
            _make_cells(arguments)
        except WspaceError as error:
            parser.exit(2, f"{error}\n")
    kept = [json.loads(path.read_text()) for path in sorted(arguments.out.glob("*.json"))]
    print(table([cell for cell in kept if "nearest" in cell]))  # the others were interrupted


def _make_cells(arguments: argparse.Namespace) -> None:
    lite = LiteExtractor()
    whole = avatars(arguments.cache)
    for count in map(int, arguments.pictures.split(",")):
        task = few_of(whole, count, arguments.cache)
        reference = Reference.of(task, arguments.cache, lite)
        for discriminator in arguments.discriminators.split(","):
            for augment in arguments.augment.split(","):
                cell = FewCell(
                    task=task,
                    by="wspace",
                    minutes=arguments.minutes,
                    seed=arguments.seed,
                    options=arguments.options,
                    threads=arguments.threads,
                    num=arguments.num,
                    pictures=count,
                    discriminator=discriminator,
                    augment=augment,
                    kimg=arguments.kimg,
                )
                print(f"{cell.name} ...", file=sys.stderr, flush=True)
                measure(cell, arguments.out, reference)


if __name__ == "__main__":
    main()
