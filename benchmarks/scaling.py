"""Training over several machines, which are network namespaces.

    python benchmarks/scaling.py [speed|cut|join]

Needs root, iproute2 and util-linux. ``speed``: losses beside those of one process, and what it
takes to reduce gradients at several bandwidths, beside the prediction of `wspace.bench.scaling`;
``--write`` keeps it in benchmarks/scaling.json, for docs/scaling.md. ``cut``: a run over two
machines, of which one is cut off for 20 s, and then for good; ``join``: one comes later.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from scaling_network import Network, Node, inside, rerun_inside
from wspace.bench.scaling import Link, messages_of, ring_seconds
from wspace.bench.step_costs import costs_by_batch
from wspace.formats.model_file import load
from wspace.networks.presets import preset
from wspace.training.config import TrainConfig
from wspace.training.run.checkpoint import load_checkpoint, newest_checkpoint

HERE = Path(__file__).parent
DELAY = 50e-6  # one way, where the kernel can delay
LINKS: tuple[tuple[str, float | None], ...] = (
    ("no limit", None),
    ("10 Gbit/s", 1e10),
    ("1 Gbit/s", 1e9),
    ("100 Mbit/s", 1e8),
)
TIMEOUT_SECONDS = 900.0
CUT_SECONDS = 20.0
WAIT_SECONDS = 60.0  # of one machine for the other; more than that
PORT = 29400
# Without the second a machine that joins later is never told where the others are: torch 2.13 says
# so to those of its first rendezvous alone.
ENVIRONMENT = {"GLOO_SOCKET_IFNAME": "eth0", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
ELASTIC = ("--nnodes", "1:2", "--max-restarts", "20")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("speed", "cut", "join"), nargs="?", default="speed")
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 4], help="at speed")
    parser.add_argument("--preset", default="compact")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=6, help="at each link")
    parser.add_argument("--cores", default="0", help="that all machines share, such as 0 or 0,1")
    parser.add_argument(
        "--idle",
        action="store_true",
        help="nothing else runs here: one process has a thread a core, and speed is by the clock",
    )
    parser.add_argument("--write", action="store_true", help="benchmarks/scaling.json")
    arguments = parser.parse_args()
    if not inside():
        rerun_inside()
    os.sched_setaffinity(0, {int(core) for core in arguments.cores.split(",")})
    with tempfile.TemporaryDirectory(prefix="wspace-scaling-") as folder:
        if arguments.what != "speed":
            print(json.dumps(faults(Path(folder), arguments.what), indent=1))
            return
        found = speed(arguments, Path(folder))
    print(json.dumps(found, indent=1))
    if arguments.write:
        (HERE / "scaling.json").write_text(json.dumps(found, indent=1) + "\n")


# How fast


def speed(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Agreement with one process, and a row for each number of machines and link."""
    network = Network(max(arguments.nodes))
    cores = arguments.cores.split(",")
    delayed = network.limit(1e9, DELAY)
    losses: dict[int, Any] = {}
    measured: dict[int, list[list[dict[str, float]]]] = {}
    for count in (1, *arguments.nodes):
        say(f"{count} of {max(arguments.nodes)} machines")
        own = folder / str(count)
        own.mkdir()
        links = LINKS[:1] if count == 1 else LINKS
        words = [str(HERE / "scaling_worker.py"), arguments.preset, str(arguments.side)]
        words += [str(arguments.batch), str(arguments.steps), str(own), str(len(links))]
        threads = len(cores) if count == 1 and arguments.idle else 1
        with launched(network.nodes[:count], words, own, threads=threads) as agents:
            measured[count] = []
            for number, (name, bits) in enumerate(links):
                say(f"  {name}")
                network.limit(bits, DELAY)
                (own / f"{number}.go").touch()
                done = own / f"{number}.json"
                wait_for(done.exists, agents, own, f"steps at {name}")
                measured[count].append(json.loads(done.read_text()))
        losses[count] = json.loads((own / "losses.json").read_text())
    jolted = json.loads((folder / "1" / "jolted.json").read_text())
    return {
        "work": f"{arguments.preset} {arguments.side}², batch {arguments.batch}",
        "cores": arguments.cores,
        "idle": arguments.idle,
        "delay": DELAY if delayed else 0.0,
        # step by step; the last is one process whose weights began a rounding error apart
        "agreement": {str(n): furthest(losses[1], losses[n]) for n in arguments.nodes}
        | {"a rounding error": furthest(losses[1], jolted)},
        "alone": measured[1][0][0],
        "efficiency": [row for n in arguments.nodes for row in rows(arguments, n, measured)],
    }


def rows(
    arguments: argparse.Namespace,
    count: int,
    measured: dict[int, list[list[dict[str, float]]]],
) -> Iterator[dict[str, Any]]:
    """Measured and predicted at each link.

    A share of the work, and what the machine itself takes for a reduction, are measured without a
    limit; the prediction adds the ring's time at the limit to them.
    """
    config = TrainConfig(preset=arguments.preset, discriminator="preset").adversarial
    costs = costs_by_batch(preset(arguments.preset, resolution=arguments.side), config)
    sizes = [size for size in messages_of(costs(arguments.batch // count)) if size > 64]
    alone = measured[1][0][0]
    here, own = (slowest(measured[count][0], name) for name in ("reduce", "work"))
    for (name, bits), ranks in zip(LINKS, measured[count], strict=True):
        on_the_way = 0.0
        if bits is not None:
            link = Link(name=name, bits=bits, latency=0.0)
            on_the_way = sum(ring_seconds(size, count, link) for size in sizes)
        work, reduce = slowest(ranks, "work"), slowest(ranks, "reduce")
        predicted = here + on_the_way
        row = {
            "nodes": count,
            "link": name,
            "work_seconds": work,
            "wait_seconds": slowest(ranks, "wait"),
            "wall_seconds": slowest(ranks, "wall"),
            "reduce_seconds": reduce,
            "predicted_reduce_seconds": predicted,
            # of work in processor time, as if every process had a core to itself
            "efficiency": alone["work"] / count / (work + reduce),
            "predicted_efficiency": alone["work"] / count / (own + predicted),
        }
        if arguments.idle:  # one process on these cores, beside all of them on the same ones
            row["speed_on_these_cores"] = alone["wall"] / slowest(ranks, "wall")
        yield row


def slowest(ranks: list[dict[str, float]], name: str) -> float:
    """The step's: of the process that took longest."""
    return max(rank[name] for rank in ranks)


def furthest(one: list[dict[str, float]], other: list[dict[str, float]]) -> list[float]:
    """The largest relative difference of a loss, in each step."""
    return [
        max(abs(b[name] - a[name]) / max(abs(a[name]), 1e-6) for name in a)
        for a, b in zip(one, other, strict=True)
    ]


# What goes wrong


def faults(folder: Path, what: str) -> dict[str, Any]:
    """A run over two machines, one of which is cut off; or that begins with one.

    Args:
        folder: where the run is.
        what: "cut": one machine is cut off for 20 s, and then for good; "join": one comes later.
    """
    network = Network(2)
    network.limit(1e9, DELAY)
    watched = Watched(folder, write_noise(folder / "noise.zip"))
    first, second = network.nodes
    begin = network.nodes if what == "cut" else [first]
    with launched(begin, watched.words("runs"), folder, elastic=ELASTIC) as agents:
        watched.further(40, agents, f"{len(begin)} machines begin")
        if what == "cut":
            network.cut(second)
            time.sleep(CUT_SECONDS)
            network.mend(second)
            watched.further(40, agents, f"one was cut off for {CUT_SECONDS:g} s")
            network.cut(second)
            watched.further(40, agents, "one is cut off for good")
        else:
            words = watched.words("runs")
            agents.append(start_node(second, words, folder, "node2", elastic=ELASTIC))
            watched.further(40, agents, "a machine joins")
        codes = [agent.wait(TIMEOUT_SECONDS) for agent in agents[: 1 + (what == "join")]]
    (run,) = (folder / "runs").iterdir()
    newest, _ = newest_checkpoint(run / "checkpoints")
    processes = None if newest is None else load_checkpoint(newest)["machine"]["processes"]
    return {"events": watched.events, "exit": codes, "processes at the end": processes,
            "weights apart": watched.weights_apart(run)}  # fmt: skip


class Watched:
    """A run that is looked at from outside.

    Args:
        folder: where it is made.
        data: that it learns from.
    """

    def __init__(self, folder: Path, data: Path) -> None:
        self.folder, self.data = folder, data
        self.events: list[dict[str, Any]] = []

    def words(self, out: str) -> list[str]:
        """What starts it."""
        return [
            *("-m", "wspace", "train", str(self.data), "--out", str(self.folder / out)),
            *("--set", "total_kimg=1.28", "--set", "batch_size=8", "--set", "checkpoint_kimg=0.16"),
            *("--set", "preset=small", "--set", "discriminator=preset", "--set", "measure=false"),
            *("--set", "reconstruction.weight=0", "--set", "reconstruction.share=0"),
            *("--set", "matching.share=0", "--set", f"timeout_seconds={WAIT_SECONDS:g}"),
            *("--set", "report=false", "--set", "snapshot_kimg=1000"),
        ]

    def step(self) -> int:
        """The last one that its log tells."""
        found = 0
        for log in (self.folder / "runs").glob("*/log.jsonl"):
            with contextlib.suppress(ValueError, KeyError, IndexError):
                found = int(json.loads(log.read_text().splitlines()[-1])["step"])
        return found

    def further(self, by: int, agents: list[subprocess.Popen[bytes]], event: str) -> None:
        """Until it has come so many steps further after an event; notes how long the next took."""
        start, began = self.step(), time.monotonic()
        wait_for(lambda: self.step() > start, agents[:1], self.folder, event)
        first = time.monotonic() - began
        wait_for(lambda: self.step() >= start + by, agents[:1], self.folder, event)
        self.events.append({"event": event, "step": start, "seconds to the next record": first})
        say(json.dumps(self.events[-1]))

    def weights_apart(self, run: Path) -> float:
        """The furthest that a tensor is from that of one process's undisturbed run, relatively."""
        command = [sys.executable, *self.words("alone")]
        subprocess.run(command, check=True, capture_output=True)
        (other,) = (self.folder / "alone").iterdir()
        ours, theirs = (
            dict(load(one / "model.safetensors").named_parameters()) for one in (run, other)
        )
        return max(
            float((ours[name] - theirs[name]).abs().max() / theirs[name].abs().max().clamp(1e-6))
            for name in theirs
        )


def write_noise(path: Path, side: int = 16) -> Path:
    """64 pictures of colour noise."""
    import numpy as np
    from PIL import Image

    from wspace.data.writer import png_bytes, write_dataset

    random = np.random.RandomState(0)
    with write_dataset(path) as writer:
        for _ in range(64):
            writer.add(
                png_bytes(Image.fromarray(random.randint(0, 256, (side, side, 3), np.uint8)))
            )
        writer.finish({"labels": None})
    return path


# Starting and ending


@contextlib.contextmanager
def launched(
    nodes: Sequence[Node],
    words: Sequence[str],
    folder: Path,
    *,
    threads: int = 1,
    elastic: Sequence[str] = (),
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """One torchrun on each machine, all of the same launch; ended, whatever happens."""
    elastic = elastic or ("--nnodes", str(len(nodes)), "--max-restarts", "0")
    agents = [
        start_node(node, words, folder, node.name, threads=threads, elastic=elastic)
        for node in nodes
    ]
    try:
        yield agents
        for agent in agents:
            with contextlib.suppress(subprocess.TimeoutExpired):
                agent.wait(60)
    finally:
        for agent in agents:
            end(agent)


def start_node(
    node: Node,
    words: Sequence[str],
    folder: Path,
    log: str,
    *,
    threads: int = 1,
    elastic: Sequence[str],
) -> subprocess.Popen[bytes]:
    """Torchrun on one machine; what it says goes to LOG.log."""
    launch = [
        *(sys.executable, "-m", "torch.distributed.run", *elastic, "--nproc-per-node", "1"),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", f"10.77.0.1:{PORT}", "--rdzv-id", "scaling"),
        *("--rdzv-conf", f"is_host={int(node.number == 1)}", "--local-addr", node.address),
    ]
    with open(folder / f"{log}.log", "wb") as file:
        return subprocess.Popen(
            node.command([*launch, *words]),
            env=os.environ | ENVIRONMENT | {"OMP_NUM_THREADS": str(threads)},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def end(agent: subprocess.Popen[bytes]) -> None:
    """A machine loses its power."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(agent.pid, signal.SIGKILL)
    agent.wait()


def wait_for(
    there: Callable[[], bool], agents: Sequence[subprocess.Popen[bytes]], folder: Path, what: str
) -> None:
    """Until something has happened; exits with the logs where it cannot."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while not there():
        ended = [agent.poll() for agent in agents]
        if any(code not in (None, 0) for code in ended) or time.monotonic() > until:
            logs = [
                f"{log.name}:\n" + log.read_text(errors="replace")[-3000:]
                for log in sorted(folder.glob("*.log"))
            ]
            sys.exit("\n".join([f"{what} did not come (torchruns: {ended})", *logs]))
        time.sleep(0.2)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
