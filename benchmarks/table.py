"""What `generation.py` and `training.py` share: convolutions beside each row, scaled goals."""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import torch

from wspace.bench.generation import GenerationSpeed
from wspace.bench.hardware import measure_peaks
from wspace.bench.training import TrainingSpeed
from wspace.machine import keep_freed_memory

# 10⁹ operations a second of `wspace.bench.hardware.CONVOLUTIONS` where the goals were set.
REFERENCE = {"fp32": (342, 317, 292, 259), "bf16": (2322, 2899, 1595, 1022)}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; speeds in pictures a second, goals as measured convolutions allow.

    Attributes:
        work: what is done.
        precision: "fp32" or "bf16".
        speed: pictures a second by the clock on the wall.
        cpu_speed: pictures a processor second.
        convolutions: geometric mean of plain convolutions, as a share of the reference machine's.
        cpu_convolutions: the same a processor second, against half of the reference machine's.
        peer: NVIDIA's StyleGAN2-ADA code on the reference machine, fp32; None where unmeasured.
        goal: on the reference machine; None where there is none in this precision.
        gflops, peak_memory_gib: see `wspace.bench`.
    """

    work: str
    precision: str
    speed: float
    cpu_speed: float
    convolutions: float
    cpu_convolutions: float
    peer: float | None
    goal: float | None
    gflops: float
    peak_memory_gib: float

    @classmethod
    def of(
        cls,
        work: str,
        precision: str,
        speed: GenerationSpeed | TrainingSpeed,
        shares: tuple[float, float],
        *,
        peer: float | None,
        goal: float | None,
    ) -> Row:
        """A measured line; ``shares`` are `convolution_shares` taken right before it."""
        return cls(
            work=work,
            precision=precision,
            speed=speed.pictures_per_second,
            cpu_speed=1 / speed.cpu_seconds_per_picture,
            convolutions=shares[0],
            cpu_convolutions=shares[1],
            peer=peer if precision == "fp32" else None,
            goal=goal,
            gflops=speed.gflops,
            peak_memory_gib=speed.peak_memory_gib,
        )

    def share_of(self, figure: float) -> float:
        """Of so many pictures a second on the reference machine, as convolutions allow here.

        One thread is compared by processor seconds, whatever else runs on the machine; several
        threads, for which nothing else may run, by the clock: what a processor second is worth
        depends on whether its core's other half works, too.
        """
        if torch.get_num_threads() == 1:
            return self.cpu_speed / (figure / 2 * self.cpu_convolutions)
        return self.speed / (figure * self.convolutions)


def parse_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse what both scripts take beside their own options, and make torch ready for it.

    Returns:
        The arguments, ``precision`` ("fp32" or "bf16") among them.
    """
    parser.add_argument("--bf16", action="store_true", help="bfloat16, for machines with units.")
    parser.add_argument("--threads", type=int, help="of torch")
    parser.add_argument("--seconds", type=float, default=8.0, help="a row")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    arguments.precision = "bf16" if arguments.bf16 else "fp32"
    return arguments


def convolution_shares(precision: str, *, seconds: float = 0.4) -> tuple[float, float]:
    """Plain convolutions now, by wall and by processor seconds, as shares of the reference's."""
    peaks = measure_peaks(precision, torch.device("cpu"), seconds=seconds)
    wall, cpu = 0.0, 0.0
    for peak, reference in zip(peaks, REFERENCE[precision], strict=False):  # the matrix is last
        assert peak.cpu_gflops is not None
        wall += math.log(peak.gflops / reference)
        cpu += math.log(peak.cpu_gflops / (reference / 2))  # it had two cores
    count = len(REFERENCE[precision])
    return math.exp(wall / count), math.exp(cpu / count)


def show(rows: list[Row], *, as_json: bool) -> str:
    """The table in Markdown, or as JSON."""
    if as_json:
        return json.dumps([asdict(row) for row in rows])
    lines = [
        "| work | precision | pictures/s | a processor second | times the peer | of the goal "
        "| GFLOP/s | memory GiB |",
        "| --- | --- | --: | --: | --: | --: | --: | --: |",
    ]
    for row in rows:
        peer, goal = (
            None if figure is None else row.share_of(figure) for figure in (row.peer, row.goal)
        )
        cells: list[Any] = [
            row.work,
            row.precision,
            f"{row.speed:.2f}",
            f"{row.cpu_speed:.2f}",
            "" if peer is None else f"{peer:.1f}",
            "" if goal is None else f"{goal:.0%}",
            f"{row.gflops:.0f}",
            f"{row.peak_memory_gib:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
