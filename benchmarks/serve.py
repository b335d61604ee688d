"""How much `wspace serve` draws for many clients at once: python benchmarks/serve.py

The command in a process of its own, asked by clients of another over loopback: each asks for the
next picture when it has the last. Every answer is read: it must be the picture that was asked for.
Before and after, the same model is drawn without a server, as benchmarks/generation.py does. A
processor second is one of the server's own process: clients on the same cores cost the rest.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/helpers"))

import torch
from many_clients import Client, metrics
from running_server import RunningServer

import wspace
from wspace.bench.generation import GenerationSpeed, measure_generation
from wspace.bench.hardware import describe_machine
from wspace.machine import keep_freed_memory

MODEL, BATCH = "avatars", 8  # as in benchmarks/generation.py
WARM_SECONDS, PLAIN_SECONDS = 8.0, 10.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """What clients had of the server.

    Attributes:
        asked: pictures at once, a client.
        answers: that came, each of them right.
        lost: requests without an answer, or with another one than was asked for.
        fewest, most: answers of a client.
        p50_ms, p95_ms: from question to answer.
        together: pictures that went through the networks at once, on average.
        speed, cpu_speed: pictures a second, and a processor second of the server.
        memory_mib: of the server, when all clients had begun, and at the end.
    """

    asked: int
    answers: int
    lost: int
    fewest: int
    most: int
    p50_ms: float
    p95_ms: float
    together: float
    speed: float
    cpu_speed: float
    memory_mib: tuple[float, float]


def measure(server: RunningServer, clients: int, asked: int, seconds: float) -> Row:
    """Have clients ask for so long, after a while in which nothing counts."""
    counts_from = time.monotonic() + WARM_SECONDS
    made = [Client(server.port, number, asked, counts_from) for number in range(clients)]
    for client in made:
        client.start()
    time.sleep(WARM_SECONDS)
    before, started = metrics(server.port), time.monotonic()
    time.sleep(seconds)
    after, wall = metrics(server.port), time.monotonic() - started
    for client in made:
        client.ends.set()
    for client in made:
        client.join(120)

    def grown(name: str) -> float:
        return after[name] - before[name]

    lost = [what for client in made for what in client.lost]
    lost += ["no answer at the end"] * sum(client.is_alive() for client in made)
    for what in lost[:5]:
        print(what, file=sys.stderr)
    all_ms = sorted(ms for client in made for ms in client.milliseconds)
    drawn = grown("wspace_drawn_together_sum")
    return Row(
        asked=asked,
        answers=len(all_ms),
        lost=len(lost),
        fewest=min(len(client.milliseconds) for client in made),
        most=max(len(client.milliseconds) for client in made),
        p50_ms=statistics.median(all_ms),
        p95_ms=all_ms[int(0.95 * len(all_ms))],
        together=drawn / grown("wspace_drawn_together_count"),
        speed=drawn / wall,
        cpu_speed=drawn / grown("process_cpu_seconds_total"),
        memory_mib=(
            before["process_resident_memory_bytes"] / 2**20,
            after["process_resident_memory_bytes"] / 2**20,
        ),
    )


def plain_speed() -> GenerationSpeed:
    """The model drawn without a server."""
    return measure_generation(wspace.load(MODEL), "fp32", BATCH, seconds=PLAIN_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="that torch draws with")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--asked", type=int, nargs="+", default=[1, 16], help="pictures at once")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)  # of the server
    keep_freed_memory()
    plain = [plain_speed()]
    server = RunningServer(MODEL, "--queue", 64 * arguments.clients)
    measured = [
        measure(server, arguments.clients, asked, arguments.seconds) for asked in arguments.asked
    ]
    status, said = server.end()
    plain.append(plain_speed())
    if status:
        sys.exit(f"the server ended with {status}: {said}")
    speed = statistics.mean(BATCH / one.p50_seconds for one in plain)
    cpu_speed = statistics.mean(1 / one.cpu_seconds_per_picture for one in plain)
    if arguments.json:
        rows = [asdict(row) for row in measured]
        print(json.dumps({"plain": [asdict(one) for one in plain], "served": rows}))
        return
    print(f"{describe_machine(torch.device('cpu'))}\n")
    print(
        f"{MODEL} drawn without a server, batch {BATCH}: {speed:.0f} pictures a second, "
        f"{cpu_speed:.0f} a processor second (before {BATCH / plain[0].p50_seconds:.0f}, after "
        f"{BATCH / plain[1].p50_seconds:.0f})\n"
    )
    for row in measured:
        print(
            f"{arguments.clients} clients, {row.asked} at once, {arguments.seconds:.0f} s: "
            f"{row.answers} answers ({row.fewest} to {row.most} a client), {row.lost} lost, "
            f"p50 {row.p50_ms:.0f} ms, p95 {row.p95_ms:.0f} ms\n"
            f"  {row.speed:.0f} pictures a second ({row.speed / speed:.2f} times), "
            f"{row.cpu_speed:.0f} a processor second ({row.cpu_speed / cpu_speed:.2f} times), "
            f"{row.together:.1f} drawn together; memory {row.memory_mib[0]:.0f} to "
            f"{row.memory_mib[1]:.0f} MiB"
        )


if __name__ == "__main__":
    main()
