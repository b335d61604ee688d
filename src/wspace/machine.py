"""What this machine is good at: the device, precision and compiler of a whole run.

What a single operator does with its operands is chosen in `ops.choose`.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from wspace.errors import WspaceError
from wspace.files import cache_root
from wspace.ops.choose import bfloat16_units, has_matrix_units

__all__ = [
    "choose_device",
    "choose_precision",
    "compiled",
    "compiler_at_hand",
    "compiling_pays",
    "compiling_training_pays",
    "cpu_capability",
    "keep_freed_memory",
]

# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def choose_device(device: str) -> torch.device:
    """The device that a user named, or for "auto" CUDA where there is one.

    Raises:
        WspaceError: no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError):
        raise WspaceError(f"device={device!r} is not to be had here: give cpu or auto.") from None
    return chosen


@functools.cache
def choose_precision(device_type: str) -> str:
    """The precision that this machine is fast in.

    An x86 CPU says whether it has units for bfloat16: vectors take half of the time of float32,
    matrices less. On a CPU that does not say, a short measurement has to prove it: without them
    convolutions are emulated, many times slower.

    Args:
        device_type: "cpu" or "cuda".

    Returns:
        "fp32" or "bf16".
    """
    if device_type != "cpu":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if bfloat16_units():
        return "bf16"
    seconds = {dtype: _conv_seconds(dtype) for dtype in (torch.float32, torch.bfloat16)}
    return "bf16" if seconds[torch.bfloat16] < 0.6 * seconds[torch.float32] else "fp32"


def compiler_at_hand() -> bool:
    """Whether torch.compile finds the C++ compiler that it needs on a CPU."""
    return any(shutil.which(name) for name in ("g++", "c++", "clang++"))


def compiling_pays(device_type: str, precision: str) -> bool:
    """Whether torch.compile makes long work faster here, once it has compiled.

    In fp32 on a CPU convolutions take four fifths of a step, which compiling leaves as they are,
    and it gives up `ops.winograd`: measured, nothing is gained (benchmarks/RESULTS.md). With
    bfloat16 units the convolutions are quick, and what lies between them counts.
    """
    return device_type != "cpu" or (precision == "bf16" and compiler_at_hand())


def compiling_training_pays(device_type: str, precision: str) -> bool:
    """Whether torch.compile makes a long training run faster here.

    Without matrix units a CPU gains a tenth at most, with the smallest networks, and loses as much
    with larger ones: a compiler gets the plain form of their blurs (see `choose.blur_takes_box`;
    benchmarks/RESULTS.md).
    """
    pays = compiling_pays(device_type, precision)
    return pays and (device_type != "cpu" or has_matrix_units())


def compiled(network: nn.Module, mode: str | None = None) -> Any:
    """A network that torch compiles when it is first called, for each shape of its inputs.

    What it compiles is kept in `files.cache_root`, a folder of the user's own, for processes to
    come, or in a passing one where there is none; torch's default is a folder that all users share.

    Args:
        network: of any kind.
        mode: see `torch.compile`.
    """
    if "TORCHINDUCTOR_CACHE_DIR" not in os.environ:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(_compiled_folder())
    return torch.compile(network, dynamic=False, mode=mode)


def _compiled_folder() -> Path:
    """A folder of the user's own; where none can be kept, one that goes when the process ends."""
    root = cache_root()
    if root is not None:
        with contextlib.suppress(OSError):
            kept = root / "compiled"
            kept.mkdir(parents=True, exist_ok=True, mode=0o700)
            if os.access(kept, os.W_OK | os.X_OK):
                return kept
    passing = Path(tempfile.mkdtemp(prefix="wspace-compiled-"))
    atexit.register(shutil.rmtree, passing, ignore_errors=True)
    return passing


def cpu_capability() -> str:
    """The instruction set that torch's own kernels use here, and units for bfloat16.

    Such as "AVX2", "AVX512", "AVX512 BF16" (products of vectors) or "AVX512 BF16 AMX" (matrices).
    """
    return " ".join([str(torch.backends.cpu.get_cpu_capability()), *bfloat16_units()])


def keep_freed_memory() -> bool:
    """Have this process keep the memory it frees, to use again, instead of giving it back.

    glibc takes every large block from the system anew and gives it back when it is freed, so that
    each tensor pays for fresh pages: a tenth of a training step on a CPU, and more of a large
    picture. The most that the process takes stays what it was; it keeps that until it ends.

    Returns:
        Whether that was possible: only with glibc, on Linux.
    """
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # some versions refuse thresholds above 32 MiB
    kept = any(mallopt(_M_MMAP_THRESHOLD, size) for size in (2**30, 2**25))
    return kept and bool(mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def _conv_seconds(dtype: torch.dtype) -> float:
    """Best of five runs of a small convolution."""
    with torch.no_grad():
        x = torch.ones(2, 128, 16, 16, dtype=dtype).to(memory_format=torch.channels_last)
        weight = torch.ones(128, 128, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            F.conv2d(x, weight, padding=1)
            best = min(best, time.perf_counter() - start)
    return best
