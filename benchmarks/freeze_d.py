"""What Freeze-D (`--set freeze_d=N`) does for fine-tuning on few pictures: its table.

    python benchmarks/freeze_d.py                             a base of 100 kimg, then 2 x 4 runs
    python benchmarks/freeze_d.py --base-kimg 20 --kimg 2     a quick look

The bundled models come without their discriminators, so the base is trained here: avatars of 32²
against the preset's own discriminator. It is fine-tuned on 400 avatars of one kind (hijab and
glasses), each time for --kimg thousand images and with --set augment=none, and measured against
2,000 others of that kind. Budgets are in images, so other work on the machine changes no figure.
What lies in --out is not made again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["main", "table"]

KIND = ("--option", "topVariant=hijab", "--option", "accessoriesProbability=100")
OWN = ("--set", "discriminator=preset", "--set", "measure=false")
COMMAND = "from wspace.cli.main import main; main()"


def wspace(*words: object) -> str:
    """What a command prints; ends the script where it fails."""
    ran = [sys.executable, "-c", COMMAND, *map(str, words)]
    return subprocess.run(ran, check=True, stdout=subprocess.PIPE, text=True).stdout


def avatars(path: Path, count: int, seed: int, *options: str) -> Path:
    """A dataset of 32², drawn where it is not there."""
    if not path.exists():
        wspace("data", "avatars", path, "--count", count, "--size", 32, "--seed", seed, *options)
    return path


def trained(data: Path, out: Path, *options: object) -> Path:
    """The run in a folder of its own, trained where it is not there."""
    if not list(out.glob("*/model.safetensors")):
        wspace("train", data, "--out", out, "--no-labels", *OWN, *options)
    return next(out.glob("*/model.safetensors")).parent


def table(rows: Sequence[tuple[int, int, float, float, float]]) -> str:
    """Markdown: blocks that rest, seed, FD (lite), precision, recall."""
    lines = [
        "| freeze_d | seed | FD (lite) | precision | recall |",
        "| --: | --: | --: | --: | --: |",
    ]
    lines += [f"| {n} | {s} | {fd:.1f} | {p:.2f} | {r:.2f} |" for n, s, fd, p, r in rows]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Train, measure, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base-kimg", type=float, default=100.0, help="[100]")
    parser.add_argument("--kimg", type=float, default=10.0, help="of each fine-tuning [10]")
    parser.add_argument("--blocks", default="0,1,2,3", metavar="N,N", help="that rest [0,1,2,3]")
    parser.add_argument("--seeds", default="0,1", metavar="N,N", help="[0,1]")
    parser.add_argument("--pictures", type=int, default=400, help="to learn from [400]")
    parser.add_argument("--num", type=int, default=2000, help="to measure [2000]")
    parser.add_argument("--out", type=Path, default=Path("freeze-d"))
    given = parser.parse_args(argv)
    out = given.out
    out.mkdir(parents=True, exist_ok=True)
    many = avatars(out / "avatars.zip", 4000, 0)
    few = avatars(out / f"few-{given.pictures}.zip", given.pictures, 100_000, *KIND)
    unseen = avatars(out / f"unseen-{given.num}.zip", given.num, 200_000, *KIND)
    base = trained(many, out / f"base-{given.base_kimg:g}", "--kimg", given.base_kimg)
    rows = []
    for blocks in map(int, given.blocks.split(",")):
        for seed in map(int, given.seeds.split(",")):
            run = trained(
                few,
                out / f"{base.parent.name}-{given.pictures}-{given.kimg:g}-{blocks}-{seed}",
                "--from", base, "--kimg", given.kimg, "--seed", seed,
                "--set", f"freeze_d={blocks}", "--set", "augment=none",
            )  # fmt: skip
            found = json.loads(wspace("measure", run, unseen, "--num", given.num, "--json"))
            rows.append((blocks, seed, found["fd_lite"], found["precision"], found["recall"]))
            print(table(rows[-1:]).splitlines()[-1], file=sys.stderr, flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()
