"""Clocks: seconds of repeated calls, floating-point operations, and the most memory taken."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

__all__ = ["PeakMemory", "Timing", "gflop_of", "time_calls", "waiter"]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds that each of several calls took.

    Attributes:
        wall: by the clock on the wall.
        cpu: of all threads of this process together; less than wall where others use the cores.
    """

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def best(self) -> float:
        """The fastest call, the least disturbed by what else runs here."""
        return min(self.wall)

    @property
    def best_cpu(self) -> float:
        """The fewest processor seconds that a call took."""
        return min(self.cpu)

    def percentile(self, percent: float) -> float:
        """Wall seconds that ``percent`` of the calls do not exceed, by the nearest rank."""
        rank = math.ceil(percent / 100 * len(self.wall))
        return sorted(self.wall)[max(rank, 1) - 1]


def time_calls(
    call: Callable[[], Any],
    device: torch.device,
    *,
    seconds: float,
    least: int = 3,
    most: int = 200,
    warm_up: int = 1,
) -> Timing:
    """Call something again and again.

    Args:
        call: what is timed.
        device: where it works; on CUDA each call is waited for.
        seconds: stop after this long, ...
        least: ... but not before this many calls, ...
        most: ... and after this many at the latest.
        warm_up: calls before the clock runs.

    Returns:
        The seconds of each call.
    """
    wait = waiter(device)
    for _ in range(warm_up):
        call()
    wait()
    wall: list[float] = []
    cpu: list[float] = []
    while len(wall) < least or (sum(wall) < seconds and len(wall) < most):
        start_cpu, start = time.process_time(), time.perf_counter()
        call()
        wait()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    return Timing(wall=tuple(wall), cpu=tuple(cpu))


def waiter(device: torch.device) -> Callable[[], None]:
    """What to call to wait until the device has finished."""
    return torch.cuda.synchronize if device.type == "cuda" else _nothing


def gflop_of(call: Callable[[], Any]) -> float:
    """Floating-point operations of a call's convolutions and matrix products, in 10⁹.

    A multiplication and an addition count as two. Inference mode hides them all.
    """
    with _OperationCounter() as counter:  # type: ignore[no-untyped-call]
        call()
    return float(counter.total) / 1e9


class PeakMemory:
    """The most memory that was taken between two moments, in GiB.

    On CUDA: what torch allocated there. Otherwise the resident memory of this process; only Linux
    can reset that peak, elsewhere it counts from the start of the process.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        elif sys.platform == "linux":
            with contextlib.suppress(OSError):  # where it is refused, the mark stays as it was
                Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from now

    def gib(self) -> float:
        """The most since this object was made."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / 2**30
        if sys.platform == "linux":
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 2**20
        import resource  # not on Windows

        unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


class _OperationCounter(TorchDispatchMode):
    """Adds up what torch's own formulas say; its FlopCounterMode refuses double backward."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


def _nothing() -> None:
    """Calls on a CPU return when they are done."""
