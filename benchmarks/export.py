"""onnxruntime's speed beside wspace's own, in one run: python benchmarks/export.py [--json].

The bundled avatars and a random StyleGAN2 of 256², each exported, then drawn by wspace and by
onnxruntime in turns: z to bytes, by all that lies between. Needs ``wspace[onnx]``.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import wspace
from wspace.bench.hardware import describe_machine
from wspace.bench.timing import time_calls
from wspace.exporting.check import session
from wspace.exporting.facts import facts_of
from wspace.exporting.onnx_files import export_onnx
from wspace.machine import keep_freed_memory
from wspace.networks.build import build_generator
from wspace.networks.generator import Generator
from wspace.networks.presets import preset

CPU = torch.device("cpu")
DTYPES = ("float32", "float16", "int16", "int8")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        model: which one.
        batch: pictures at once.
        dtype: of the exported weights.
        megabytes: of the exported file.
        largest, psnr: its pictures beside wspace's, in steps of 1/255 and dB (None: the same).
        load_seconds: until onnxruntime has it ready.
        wspace, onnxruntime: pictures a second of the fastest batch; wspace draws in float32.
        wspace_cpu, onnxruntime_cpu: likewise a processor second, which other work on the machine
            leaves alone but for the caches.
    """

    model: str
    batch: int
    dtype: str
    megabytes: float
    largest: float
    psnr: float | None
    load_seconds: float
    wspace: float
    onnxruntime: float
    wspace_cpu: float
    onnxruntime_cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--side", type=int, default=256, help="of the random StyleGAN2")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=["float32", "int8"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    rows = [
        row
        for name, generator in models(arguments.side)
        for dtype in arguments.dtypes
        for row in measure(name, generator, dtype, arguments.batches, arguments.seconds)
    ]
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows]))
        return
    machine = describe_machine(CPU)
    print(f"{machine}, onnxruntime {onnxruntime.__version__}, {arguments.threads} threads\n")
    print("pictures a second, and a processor second\n")
    print("| model | batch | weights | MB | differs by | ready in | wspace | onnxruntime |")
    print("| --- | --: | --- | --: | --: | --: | --: | --: |")
    for row in rows:
        print(
            f"| {row.model} | {row.batch} | {row.dtype} | {row.megabytes:.1f} | "
            f"{row.largest:.0f}/255, {row.psnr or math.inf:.0f} dB | {row.load_seconds:.1f} s | "
            f"{row.wspace:.1f}, {row.wspace_cpu:.1f} | "
            f"{row.onnxruntime:.1f}, {row.onnxruntime_cpu:.1f} |"
        )


def models(side: int) -> list[tuple[str, Generator]]:
    """The bundled avatars, and a StyleGAN2 that has learned nothing, but adds noise."""
    torch.manual_seed(0)
    random = build_generator(preset("stylegan2", resolution=side)[0]).eval()
    for name, parameter in random.requires_grad_(False).named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.1)
    return [("avatars", wspace.load("avatars")), (f"stylegan2 {side}²", random)]


def measure(
    name: str, generator: Generator, dtype: str, batches: list[int], seconds: float
) -> list[Row]:
    """A model exported with that type of weights, drawn in batches of several sizes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole.onnx"
        exported = export_onnx(generator, path, facts_of(generator, {}, {}), weights=dtype)
        content = path.read_bytes()
    ready = time_calls(lambda: session(content), CPU, seconds=0)
    run = session(content)
    found = exported.agreement
    rows = []
    for batch in batches:
        recipes = wspace.recipes(seeds=range(batch), psi=0.7)
        z = wspace.latents(generator, seeds=range(batch)).numpy()
        inputs = {"z": z, "psi": np.full((1, 1), 0.7, dtype=np.float32)}
        own = time_calls(
            lambda: wspace.render(generator, recipes, batch_size=len(recipes)),  # noqa: B023
            CPU,
            seconds=seconds,
        )
        other = time_calls(lambda: run.run(["picture"], inputs), CPU, seconds=seconds)  # noqa: B023
        rows.append(
            Row(
                model=name,
                batch=batch,
                dtype=dtype,
                megabytes=len(content) / 1e6,
                largest=found.largest,
                psnr=found.psnr if found.largest else None,
                load_seconds=ready.best,
                wspace=batch / own.best,
                onnxruntime=batch / other.best,
                wspace_cpu=batch / own.best_cpu,
                onnxruntime_cpu=batch / other.best_cpu,
            )
        )
    return rows


if __name__ == "__main__":
    main()
