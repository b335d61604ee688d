"""How fast processes of this machine add up gradients, without a network between them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from wspace.bench.timing import time_calls
from wspace.errors import WspaceError
from wspace.group import joined

__all__ = ["Reducing", "measure_reducing", "time_reducing"]

TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Reducing:
    """How `Group.average` does between processes of one machine.

    Attributes:
        workers: processes.
        small_seconds: of a single number, the best of several.
        large_seconds: of ``large_bytes``, likewise.
    """

    workers: int
    small_seconds: float
    large_bytes: int
    large_seconds: float

    @property
    def bits(self) -> float:
        """What a ring's links would carry a second for that: see `ring_seconds`."""
        passed = 2 * (self.workers - 1) / self.workers * 8 * self.large_bytes
        return passed / max(self.large_seconds - self.small_seconds, 1e-9)

    @property
    def latency(self) -> float:
        """Of such a link, in seconds."""
        return self.small_seconds / (2 * (self.workers - 1))


def time_reducing(device: torch.device, size: int, *, seconds: float) -> Reducing | None:
    """Time it in this process, one of several that all call this; None where it is the only one.

    Args:
        device: where the gradients lie.
        size: of the large message, in bytes.
        seconds: about how long each of the two may take.
    """
    with joined() as group:
        if group.alone:
            return None
        best = []
        for count in (1, size // 4):
            gradients = [torch.zeros(count, device=device)]

            def average(gradients: list[torch.Tensor] = gradients) -> None:
                group.average(gradients, "a measurement")

            average()
            # all have to call it equally often
            once = group.share(time_calls(average, device, seconds=0.0, least=2).best, "its time")
            calls = max(3, min(50, int(seconds / once)))
            best.append(time_calls(average, device, seconds=0.0, least=calls).best)
        return Reducing(
            workers=group.world_size,
            small_seconds=best[0],
            large_bytes=size,
            large_seconds=best[1],
        )


def measure_reducing(
    device: torch.device, size: int, *, seconds: float = 1.0, workers: int = 2
) -> Reducing:
    """Start processes that time it among themselves.

    Args:
        device: a CPU, or a GPU, of which each process then takes its own.
        size: of the large message, in bytes.
        seconds: about how long each of the two may take.
        workers: processes.

    Raises:
        WspaceError: they do not reach each other.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(workers)}
    command = [sys.executable, "-m", __name__, device.type, str(size), str(seconds)]
    with tempfile.TemporaryDirectory() as folder:
        outputs = [Path(folder) / str(rank) for rank in range(workers)]
        processes = []
        for rank, output in enumerate(outputs):
            own = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            with open(output, "wb") as file:
                process = subprocess.Popen(
                    command,
                    env=os.environ | shared | own,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                )
            processes.append(process)
        try:
            for process in processes:
                process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            for process in processes:
                process.kill()
                process.wait()
        said = [output.read_text(errors="replace") for output in outputs]
    failed = next((text for text, p in zip(said, processes, strict=True) if p.returncode), None)
    if failed is not None:
        raise WspaceError(
            f"{workers} processes of this machine do not reach each other "
            f"({failed.strip()[-200:] or 'no answer'}): look at its firewall for 127.0.0.1."
        )
    return Reducing(**json.loads(said[0].strip().splitlines()[-1]))


def main(arguments: list[str]) -> None:
    """What each process does."""
    kind, size, seconds = arguments
    reducing = time_reducing(torch.device(kind), int(size), seconds=float(seconds))
    print(json.dumps(None if reducing is None else asdict(reducing)))


if __name__ == "__main__":
    main(sys.argv[1:])
