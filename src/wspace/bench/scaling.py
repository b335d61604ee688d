"""How training speeds up with workers: a step's costs, split among them, and a ring between them.

A step is the longest of what its arithmetic, its memory traffic and its calls take, and then the
gradients are added up: training reduces each network's once a step, after its last backward pass,
with nothing to hide behind. So what the network takes comes on top of what the worker takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from wspace.bench.step_costs import StepCosts
from wspace.group import BUCKET_BYTES

__all__ = [
    "Card",
    "Cluster",
    "Link",
    "Prediction",
    "messages_of",
    "predict",
    "reduce_seconds",
    "ring_seconds",
]

# Beside gradients, in a step: w for the running mean, what both networks measured, whether to
# stop (its length, then it), and the time (likewise).
NOTES = 7
NOTE_BYTES = 64.0


@dataclass(frozen=True, kw_only=True)
class Link:
    """What joins workers in a ring, each sending while it receives.

    Attributes:
        name: for people to read.
        bits: a second and direction.
        latency: seconds from one worker to the next, whatever the message.
    """

    name: str
    bits: float
    latency: float

    def beside(self, bits: float) -> Link:
        """This link where each byte also takes its time at both ends, at so many bits a second."""
        return Link(name=self.name, bits=1 / (1 / self.bits + 1 / bits), latency=self.latency)


@dataclass(frozen=True, kw_only=True)
class Card:
    """What one worker can do, and how much of that it is assumed to reach.

    Attributes:
        flops: multiplications and additions a second in the precision of training.
        memory_bytes: read or written a second.
        number_bytes: of a number in maps; weights, gradients and moments have 4.
        achieved: share of the speed that arithmetic and traffic, one after the other, allow.
        call_seconds: the least that a call of an operator takes, however little it does.
    """

    name: str
    flops: float
    memory_bytes: float
    number_bytes: int
    achieved: float
    call_seconds: float

    def parts(self, costs: StepCosts) -> dict[str, float]:
        """Seconds of a step by what they go into: "arithmetic", "memory", or "calls" in all."""
        step, floats = costs.step, costs.float_bytes
        maps = (step.bytes - floats) * self.number_bytes / 4
        return {
            "arithmetic": step.flop / self.flops / self.achieved,
            "memory": (maps + floats) / self.memory_bytes / self.achieved,
            "calls": step.operators * self.call_seconds,
        }

    def seconds(self, costs: StepCosts) -> float:
        """Seconds of a step: arithmetic and memory, or the calls where those take longer."""
        parts = self.parts(costs)
        return max(parts["arithmetic"] + parts["memory"], parts["calls"])


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Machines with several workers each.

    Attributes:
        per_machine: workers in one.
        within: joins those.
        between: joins machines, all workers of one together.
    """

    per_machine: int
    within: Link
    between: Link


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A step on several workers.

    Attributes:
        workers: how many.
        batch: real images of all together.
        alone_seconds: one worker's step with all of them.
        share_seconds: its step with its share.
        reduce_seconds: of adding up gradients.
    """

    workers: int
    batch: int
    alone_seconds: float
    share_seconds: float
    reduce_seconds: float

    @property
    def seconds(self) -> float:
        """Of the step."""
        return self.share_seconds + self.reduce_seconds

    @property
    def pictures_per_second(self) -> float:
        """Real images."""
        return self.batch / self.seconds

    @property
    def efficiency(self) -> float:
        """Speed as a share of what so many workers had, if none lost anything by the others."""
        return self.alone_seconds / self.workers / self.seconds

    @property
    def busy_share(self) -> float:
        """Of the step, in which workers work: efficiency where each had its share alone, too."""
        return self.share_seconds / self.seconds

    @property
    def network_share(self) -> float:
        """Of the step, in which gradients are added up."""
        return self.reduce_seconds / self.seconds


def ring_seconds(size: float, workers: int, link: Link) -> float:
    """Seconds to add up a message of all workers, and give the sum to all of them.

    Each passes 1 / workers of it on, workers - 1 times to sum and as often again to spread.

    Source: Patarasu and Yuan 2009 (Bandwidth optimal all-reduce), Section 3.

    Args:
        size: bytes of the message.
        workers: in the ring, >= 1.
        link: from each to the next.
    """
    turns = 2 * (workers - 1)
    return turns * (8 * size / workers / link.bits + link.latency)


def messages_of(costs: StepCosts) -> list[float]:
    """Bytes of what workers add up in a step, one after the other: pieces of gradients, and notes.

    Gradients travel as `Group.average` sends them.
    """
    sent: list[float] = [NOTE_BYTES] * NOTES
    for size in costs.reduced_bytes:
        pieces = math.ceil(size / BUCKET_BYTES)
        sent += [size / pieces] * pieces
    return sent


def reduce_seconds(messages: Sequence[float], workers: int, cluster: Cluster) -> float:
    """Seconds of one reduction after the other: a ring in each machine, then one of machines.

    Args:
        messages: bytes of each.
        workers: at most ``cluster.per_machine``, or a multiple of it.
        cluster: how they are joined.
    """
    inner = min(workers, cluster.per_machine)
    machines = workers // inner
    return sum(
        ring_seconds(size, inner, cluster.within) + ring_seconds(size, machines, cluster.between)
        for size in messages
    )


def predict(
    costs: Callable[[int], StepCosts],
    seconds: Callable[[StepCosts], float],
    cluster: Cluster,
    *,
    workers: int,
    batch: int,
) -> Prediction:
    """Split a batch among workers.

    Args:
        costs: of a worker's step, by its real images.
        seconds: that such a step takes a worker.
        cluster: how they are joined.
        workers: how many.
        batch: real images of all together, a multiple of that.
    """
    share = costs(batch // workers).among(batch)
    return Prediction(
        workers=workers,
        batch=batch,
        alone_seconds=seconds(costs(batch)),
        share_seconds=seconds(share),
        reduce_seconds=reduce_seconds(messages_of(share), workers, cluster),
    )
