"""How fast a generator draws, the way `render` draws."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from wspace.bench.timing import PeakMemory, gflop_of, time_calls
from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.recipe import recipes
from wspace.rendering.render import render
from wspace.rendering.synthesis_cache import RenderPath

__all__ = ["GenerationSpeed", "first_picture_seconds", "generation_gflop", "measure_generation"]


@dataclass(frozen=True, kw_only=True)
class GenerationSpeed:
    """Speed of `render` at one batch size.

    Attributes:
        precision: "fp32" or "bf16".
        path: as in `RenderedBy`.
        batch: pictures at once.
        pictures_per_second: of the fastest batch.
        cpu_seconds_per_picture: processor seconds, all threads together.
        p50_seconds, p95_seconds: what half of the batches, and 95 % of them, did not exceed.
        gflops: 10⁹ floating-point operations a second, in the reference count (`generation_gflop`).
        peak_memory_gib: see `PeakMemory`.
    """

    precision: str
    path: str
    batch: int
    pictures_per_second: float
    cpu_seconds_per_picture: float
    p50_seconds: float
    p95_seconds: float
    gflops: float
    peak_memory_gib: float


def generation_gflop(generator: Generator) -> float:
    """10⁹ floating-point operations a picture, as the network's plain definition counts them."""
    z = torch.zeros(1, generator.z_dim, device=generator.w_avg.device)
    c = torch.zeros(1, generator.num_classes, device=z.device) if generator.num_classes else None
    with torch.no_grad():
        return gflop_of(lambda: generator(z, c))


def measure_generation(
    generator: Generator,
    precision: str,
    batch: int,
    *,
    seconds: float,
    path: RenderPath = "folded",
) -> GenerationSpeed:
    """Render batch after batch, each from other seeds.

    Args:
        generator: in eval mode, on the device to measure.
        precision: "fp32" or "bf16".
        batch: pictures at once.
        seconds: stop after this long, see `time_calls`.
        path: see `render_path.choose_path`.
    """
    device = generator.w_avg.device
    memory = PeakMemory(device)
    drawn = 0

    def draw() -> None:
        nonlocal drawn
        made = recipes(
            seeds=range(drawn, drawn + batch),
            class_index=0 if generator.num_classes else None,
            precision=precision,  # type: ignore[arg-type]
        )
        render(generator, made, batch_size=batch, path=path)
        drawn += batch

    timing = time_calls(draw, device, seconds=seconds)
    return GenerationSpeed(
        precision=precision,
        path=path,
        batch=batch,
        pictures_per_second=batch / timing.best,
        cpu_seconds_per_picture=timing.best_cpu / batch,
        p50_seconds=timing.percentile(50),
        p95_seconds=timing.percentile(95),
        gflops=batch * generation_gflop(generator) / timing.best,
        peak_memory_gib=memory.gib(),
    )


def first_picture_seconds(model: Path, *, class_name: str | None, times: int) -> float:
    """Seconds from the start of a fresh ``wspace generate`` to its end with one picture written.

    Args:
        model: a model file.
        class_name: of a class, or its number, for models with classes.
        times: processes that are timed; the fastest counts.

    Raises:
        WspaceError: the command failed.
    """
    command = [sys.executable, "-c", "from wspace.cli.main import main; main()"]
    command += ["generate", str(model.resolve()), "--seeds", "0"]
    command += [] if class_name is None else ["--class", class_name]
    best = float("inf")
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(times):
            start = time.perf_counter()
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            best = min(best, time.perf_counter() - start)
            if done.returncode:
                raise WspaceError(f"wspace generate {model} failed: {done.stderr.strip()[-300:]}")
    return best
