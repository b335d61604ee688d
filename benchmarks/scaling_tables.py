"""The tables of docs/scaling.md, counted and predicted: python benchmarks/scaling_tables.py.

Nothing is measured here but what it is given: `benchmarks/scaling.json`, by `scaling.py`.
It writes between the document's markers; ``--check`` says whether that would change anything.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wspace.bench.scaling import Card, Cluster, Link, Prediction, messages_of, predict
from wspace.bench.step_costs import StepCosts, costs_by_batch
from wspace.networks.presets import preset
from wspace.training.config import TrainConfig

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/scaling.md"
MEASURED = ROOT / "benchmarks/scaling.json"

PICTURES = 25_000_000  # of the papers' runs
CARDS = (8, 64, 512)
WORKERS = (2, 8, 64, 512)
LEAST = 4  # real images of a worker: a group of minibatch deviation


@dataclass(frozen=True, kw_only=True)
class Network:
    """What is trained, and with how many images a step in the papers."""

    name: str
    preset: str
    side: int
    batch: int

    @functools.cached_property
    def costs(self) -> Callable[[int], StepCosts]:
        """Of a worker's step, by its real images."""
        config = TrainConfig(preset=self.preset, discriminator="preset").adversarial
        networks = preset(self.preset, resolution=self.side)
        return costs_by_batch(networks, config)


NETWORKS = (
    Network(name="compact 64²", preset="compact", side=64, batch=32),
    Network(name="StyleGAN2 256²", preset="stylegan2", side=256, batch=64),
    Network(name="StyleGAN2 1024²", preset="stylegan2", side=1024, batch=32),
)

# What is assumed. Peaks and bandwidths are the makers'; the rest is said in the document.
V100 = Card(
    name="V100 in float32",
    flops=15.7e12,
    memory_bytes=0.9e12,
    number_bytes=4,
    achieved=0.7,
    call_seconds=6e-6,
)
H100 = Card(
    name="H100 in bfloat16",
    flops=989e12,
    memory_bytes=3.35e12,
    number_bytes=2,
    achieved=0.7,
    call_seconds=6e-6,
)
PUBLISHED_DAYS = 69 + 23 / 24  # StyleGAN2 1024², 25 million pictures on one V100
NVLINK = Link(name="NVLink", bits=3.6e12 * 0.8, latency=5e-6)


def network_of(bits: float, name: str) -> Link:
    """A network between machines, nine tenths of which carry gradients."""
    return Link(name=name, bits=bits * 0.9, latency=20e-6)


LINKS = (
    network_of(1e9, "1 Gbit/s"),
    network_of(1e10, "10 Gbit/s"),
    network_of(1e11, "100 Gbit/s"),
    network_of(4e11, "400 Gbit/s"),
)
FAST = LINKS[-1]


def tables() -> dict[str, str]:
    """Markdown by the names of the document's markers."""
    made = {
        "step": _step(),
        "phases": _phases(),
        "check": _check(),
        "each": _efficiency_each(),
        "split": _efficiency_split(),
        "limit": _limit(),
        "runs": _runs(),
        "example": _example(),
    }
    if MEASURED.exists():
        found = json.loads(MEASURED.read_text(encoding="utf-8"))
        made |= {"measured": _measured(found), "agreement": _agreement(found)}
    return made


def _step() -> str:
    rows = []
    for network in NETWORKS:
        costs = network.costs(network.batch)
        step, reduced = costs.step, costs.reduced_bytes
        rows.append(
            (
                network.name,
                network.batch,
                f"{costs.generator / 1e6:.1f} + {costs.discriminator / 1e6:.1f}",
                f"{step.flop / network.batch / 1e9:,.1f}",
                f"{step.flop / 1e12:,.2f}",
                f"{step.bytes / 1e9:,.1f}",
                f"{step.operators:,.0f}",
                f"{reduced[1] / 1e6:.1f} + {reduced[0] / 1e6:.1f}",
            )
        )
    head = (
        "network", "batch", "million numbers, G + D", "GFLOP a picture", "TFLOP a step",
        "GB read and written a step", "calls a step", "MB reduced a step, G + D",
    )  # fmt: skip
    return _table(head, rows)


def _phases() -> str:
    rows = []
    for network in NETWORKS:
        costs = network.costs(network.batch)
        for name, cost in costs.phases.items():
            interval = costs.intervals[name]
            rows.append(
                (
                    network.name,
                    name,
                    "every step" if interval == 1 else f"every {interval} steps",
                    f"{cost.flop / network.batch / 1e9:,.2f}",
                    f"{cost.bytes / network.batch / 1e9:,.3f}",
                    f"{cost.operators:,.0f}",
                )
            )
    head = ("network", "phase", "runs", "GFLOP a picture", "GB a picture", "calls")
    return _table(head, rows)


def _check() -> str:
    costs = NETWORKS[2].costs(LEAST)  # a card's share of the published run, 32 on 8 cards
    perfect = dataclasses.replace(V100, achieved=1.0).seconds(costs)
    published = PUBLISHED_DAYS * 86_400 / PICTURES * LEAST
    rows = [
        ("arithmetic alone, at the card's peak", f"{V100.parts(costs)['arithmetic'] * 0.7:.3f}"),
        ("and memory traffic, at the card's bandwidth", f"{perfect:.3f}"),
        ("published", f"{published:.3f}"),
        ("reached", f"{perfect / published:.0%}"),
        ("assumed from here on", f"{V100.achieved:.0%}"),
    ]
    return _table((f"{NETWORKS[2].name}, {LEAST} pictures on one V100", "seconds a step"), rows)


def _efficiency_each() -> str:
    rows = []
    for network in NETWORKS:
        for workers in WORKERS:
            share = network.batch // CARDS[0]
            found = [
                _of(network, workers, workers * share, _cluster(1, link)).busy_share
                for link in LINKS
            ]
            rows.append((network.name, workers, share, *(f"{one:.1%}" for one in found)))
    head = ("network", "machines", "pictures each", *(link.name for link in LINKS))
    return _table(head, rows)


def _efficiency_split() -> str:
    rows = []
    for network in NETWORKS:
        for workers in (2, 4, 8, 16):
            if network.batch < workers * LEAST:
                continue
            found = [
                _of(network, workers, network.batch, _cluster(1, link)).efficiency for link in LINKS
            ]
            share = network.batch // workers
            rows.append((network.name, workers, share, *(f"{one:.1%}" for one in found)))
    head = ("network", "machines", "pictures each", *(link.name for link in LINKS))
    return _table(head, rows)


def _limit() -> str:
    rows = []
    for network in NETWORKS:
        most = network.batch // LEAST
        busy = next(n for n in _shares() if _is_busy(network.costs(n)))
        found = []
        for link in LINKS:
            needed = next(
                (n for n in _shares() if _of(network, 64, 64 * n, _cluster(8, link)).network_share
                 <= 0.1), None,
            )  # fmt: skip
            found.append("over 4,096" if needed is None else f"{needed:,}")
        rows.append((network.name, network.batch, most, f"{busy:,}", *found))
    head = (
        "network", "batch", "workers that it feeds", "pictures that keep a card busy",
        *(f"that hide {link.name}" for link in LINKS),
    )  # fmt: skip
    return _table(head, rows)


def _runs() -> str:
    rows = []
    for network in NETWORKS:
        for cards in CARDS:
            batch = max(network.batch, cards * LEAST)
            batch -= batch % cards
            made = _of(network, cards, batch, _cluster(8, FAST))
            hours = PICTURES / made.pictures_per_second / 3600
            parts = H100.parts(network.costs(batch // cards)) | {"network": made.reduce_seconds}
            slowest = max(parts, key=lambda name: parts[name])
            rows.append(
                (
                    network.name,
                    cards,
                    f"{batch:,}" + (" (the papers')" if batch == network.batch else ""),
                    batch // cards,
                    f"{made.pictures_per_second:,.0f}",
                    _time(hours),
                    f"{hours * cards:,.0f}",
                    f"{made.network_share:.1%}",
                    slowest,
                )
            )
    head = (
        "network", "cards", "batch", "pictures a card", "pictures/s", "25 million pictures",
        "card hours", "network's share", "most goes into",
    )  # fmt: skip
    return _table(head, rows)


def _example() -> str:
    """The last network's first row of `_runs`, worked out."""
    network, cards, own = NETWORKS[-1], CARDS[0], LEAST
    costs = network.costs(own).among(own * cards)
    made = _of(network, cards, own * cards, _cluster(cards, FAST))
    parts, step = H100.parts(costs), costs.step
    floats = costs.float_bytes
    maps = step.bytes - floats
    speed = f"{H100.memory_bytes / 1e12:g} TB/s / {H100.achieved:.0%}"
    messages = messages_of(costs)
    rows = [
        (
            "arithmetic",
            f"{step.flop / 1e9:,.0f} GFLOP / {H100.flops / 1e12:g} TFLOP/s / {H100.achieved:.0%}",
            f"{parts['arithmetic'] * 1e3:.1f} ms",
        ),
        (
            "memory",
            f"({maps / 1e9:.1f} GB of maps × {H100.number_bytes} / 4 + {floats / 1e9:.1f} GB that "
            f"stay float32) / {speed}",
            f"{parts['memory'] * 1e3:.1f} ms",
        ),
        (
            "calls",
            f"{step.operators:,.0f} × {H100.call_seconds * 1e6:g} µs: less than those two, so that "
            "it does not count",
            f"({parts['calls'] * 1e3:.1f} ms)",
        ),
        (
            "network",
            f"2 × {cards - 1} turns of {sum(messages) / 1e6:.1f} MB / {cards} / "
            f"{NVLINK.bits / 8e9:g} GB/s, and of {len(messages)} messages × "
            f"{NVLINK.latency * 1e6:g} µs",
            f"{made.reduce_seconds * 1e3:.1f} ms",
        ),
        ("a step", "arithmetic + memory + network", f"{made.seconds * 1e3:.1f} ms"),
        (
            "25 million pictures",
            f"× {PICTURES:,} / {made.batch}",
            _time(PICTURES / made.pictures_per_second / 3600),
        ),
    ]
    return _table((f"{network.name}, {cards} cards, {own} pictures each", "", "takes"), rows)


def _measured(found: dict[str, Any]) -> str:
    rows = [
        (
            row["nodes"],
            row["link"],
            f"{row['reduce_seconds']:.2f}",
            f"{row['predicted_reduce_seconds']:.2f}",
            f"{row['efficiency']:.0%}",
            f"{row['predicted_efficiency']:.0%}",
            f"{row['predicted_efficiency'] / row['efficiency'] - 1:+.0%}",
            *([f"{row['speed_on_these_cores']:.0%}"] if found["idle"] else []),
        )
        for row in found["efficiency"]
    ]
    head = ["machines", "link", "reducing, s", "predicted", "efficiency", "predicted", "off by"]
    beside = ["speed beside one process with all of these cores"] if found["idle"] else []
    return _table(head + beside, rows)


def _agreement(found: dict[str, Any]) -> str:
    agreement = found["agreement"]
    steps = range(1, len(next(iter(agreement.values()))) + 1)
    rows = [
        (f"{name} machines" if name.isdigit() else name, *(f"{one:.0e}" for one in differences))
        for name, differences in agreement.items()
    ]
    return _table(("beside one process", *(f"step {step}" for step in steps)), rows)


def _of(network: Network, workers: int, batch: int, cluster: Cluster) -> Prediction:
    return predict(network.costs, H100.seconds, cluster, workers=workers, batch=batch)


def _cluster(per_machine: int, between: Link) -> Cluster:
    return Cluster(per_machine=per_machine, within=NVLINK, between=between)


def _shares() -> Iterable[int]:
    """Pictures of a card that are tried."""
    return (LEAST * 2**n for n in range(11))


def _is_busy(costs: StepCosts) -> bool:
    parts = H100.parts(costs)
    return parts["arithmetic"] + parts["memory"] >= parts["calls"]


def _time(hours: float) -> str:
    if hours < 1:
        return f"{hours * 60:.0f} min"
    return f"{hours / 24:.1f} days" if hours >= 48 else f"{hours:.1f} h"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def filled(document: str, made: dict[str, str]) -> str:
    """The document with every table in its place."""
    for name, table in made.items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        if not place.search(document):
            raise SystemExit(f"{DOCUMENT.name} has no place for the table {name!r}")
        document = place.sub(lambda found: f"{found[1]}{table}\n{found[2]}", document)  # noqa: B023
    return document


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    before = DOCUMENT.read_text(encoding="utf-8")
    after = filled(before, tables())
    if check and after != before:
        sys.exit(f"{DOCUMENT.name} is not what the code computes: run this without --check")
    if not check:
        DOCUMENT.write_text(after, encoding="utf-8")


if __name__ == "__main__":
    main()
