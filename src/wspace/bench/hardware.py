"""The most that this machine can do, by plain convolutions and a matrix product; what it is."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from wspace.bench.timing import Timing, time_calls
from wspace.machine import cpu_capability

__all__ = ["CONVOLUTIONS", "DTYPES", "Peak", "describe_machine", "measure_peaks"]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
# (channels, side), each with as many operations
CONVOLUTIONS = ((512, 32), (256, 64), (128, 128), (64, 256))
MATRIX_SIDE = {"cpu": 2048, "cuda": 8192}
CONVOLUTION_BATCH = {"cpu": 1, "cuda": 32}


@dataclass(frozen=True, kw_only=True)
class Peak:
    """What plain operations reach here.

    Attributes:
        precision: "fp32" or "bf16".
        operation: such as "conv 3x3 512 at 32²", or "matrix 2048²".
        gflops: 10⁹ floating-point operations a second, best of several calls.
        cpu_gflops: the same for each processor second; None on CUDA.
    """

    precision: str
    operation: str
    gflops: float
    cpu_gflops: float | None


def measure_peaks(precision: str, device: torch.device, *, seconds: float) -> list[Peak]:
    """Time 3x3 convolutions in channels-last layout, forward, and a matrix product.

    Args:
        precision: "fp32" or "bf16".
        device: where.
        seconds: about the most that each may take.

    Returns:
        One entry for each of `CONVOLUTIONS`, and one for the matrix product.
    """
    dtype, kind = DTYPES[precision], device.type
    peaks = []
    with torch.inference_mode():
        for c, s in CONVOLUTIONS:
            n = CONVOLUTION_BATCH[kind]
            x, weight = (
                torch.randn(*shape, device=device, dtype=dtype).to(
                    memory_format=torch.channels_last
                )
                for shape in ((n, c, s, s), (c, c, 3, 3))
            )
            work = 2 * 9 * c * c * s * s * n / 1e9
            timing = time_calls(partial(F.conv2d, x, weight, padding=1), device, seconds=seconds)
            peaks.append(_peak(precision, f"conv 3x3 {c} at {s}²", work, timing, kind))
        side = MATRIX_SIDE[kind]
        matrix = torch.randn(side, side, device=device, dtype=dtype)
        timing = time_calls(partial(torch.mm, matrix, matrix), device, seconds=seconds)
        peaks.append(_peak(precision, f"matrix {side}²", 2 * side**3 / 1e9, timing, kind))
    return peaks


def describe_machine(device: torch.device) -> dict[str, Any]:
    """What measured numbers depend on, as plain data."""
    return {
        "device": "cpu" if device.type == "cpu" else torch.cuda.get_device_name(device),
        "cpu": _cpu_name(),
        "capability": cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def _peak(precision: str, operation: str, work: float, timing: Timing, kind: str) -> Peak:
    return Peak(
        precision=precision,
        operation=operation,
        gflops=work / timing.best,
        cpu_gflops=None if kind == "cuda" else work / timing.best_cpu,
    )


def _cpu_name() -> str:
    """The processor's name where the system tells it, otherwise its architecture."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
