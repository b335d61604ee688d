"""What a training step costs, counted on networks without memory: operations, bytes, calls.

Nothing is computed. The networks lie on torch's device "meta", where every operator works out the
shape of its result alone, so that a step of 1024² is counted in seconds on any machine. Operators
take their plain form there, which is also a GPU's: a CPU's own forms take fewer products.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import DiscriminatorConfig, GeneratorConfig
from wspace.networks.generator import Generator
from wspace.training.config import AdversarialConfig
from wspace.training.losses import LOGISTIC
from wspace.training.regularizers import path_lengths, path_penalty, r1_penalty

__all__ = ["PHASES", "Cost", "StepCosts", "costs_by_batch", "count_step"]

META = torch.device("meta")
COUNTED = (4, 8)  # batches; the first is a group of minibatch deviation
# In their order; the two lazy ones run at their intervals alone.
PHASES = ("generate", "discriminator", "r1", "generator", "path length", "update")
# What is float32 whatever the precision.
ALWAYS_FLOAT = ("update", "draws of others")


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a part of a step costs.

    Attributes:
        flop: of convolutions and matrix products, a multiplication and an addition as two.
        bytes: that operators read and write, each its operands and its result once, in float32;
            what a compiler or a library fuses takes fewer.
        operators: calls of operators that read or write.
    """

    flop: float = 0.0
    bytes: float = 0.0
    operators: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            flop=self.flop + other.flop,
            bytes=self.bytes + other.bytes,
            operators=self.operators + other.operators,
        )

    def __mul__(self, share: float) -> Cost:
        return Cost(
            flop=self.flop * share, bytes=self.bytes * share, operators=self.operators * share
        )


@dataclass(frozen=True, kw_only=True)
class StepCosts:
    """What one worker's step costs.

    Attributes:
        batch: real images of it.
        generator, discriminator: numbers that learn, whose gradients are reduced.
        phases: by the names of `PHASES`, each in a step that it runs in.
        intervals: steps from one run of a phase to the next.
        draws: bytes of random numbers for a real image, on average.
    """

    batch: int
    generator: int
    discriminator: int
    phases: dict[str, Cost]
    intervals: dict[str, int]
    draws: float

    def among(self, batch: int) -> StepCosts:
        """The same as a worker's share of a batch: each draws the chance of all its images."""
        drawn = Cost(bytes=self.draws * (batch - self.batch))
        phases = self.phases | {"draws of others": drawn}
        return replace(self, phases=phases, intervals=self.intervals | {"draws of others": 1})

    @property
    def step(self) -> Cost:
        """A step on average: lazy phases by the share of steps that they run in."""
        shares = (self.phases[name] * (1 / self.intervals[name]) for name in self.phases)
        return sum(shares, start=Cost())

    @property
    def float_bytes(self) -> float:
        """Bytes of an average step that are float32 whatever the precision: of `ALWAYS_FLOAT`."""
        return sum(self.phases[name].bytes for name in ALWAYS_FLOAT if name in self.phases)

    @property
    def reduced_bytes(self) -> tuple[int, int]:
        """Bytes of gradients that workers add up in a step: the discriminator's, the generator's.

        Lazy phases add to gradients that are there anyway, so that every step reduces as much.
        """
        return 4 * self.discriminator, 4 * self.generator


def count_step(
    networks: tuple[GeneratorConfig, DiscriminatorConfig], config: AdversarialConfig, batch: int
) -> StepCosts:
    """Count a step of generator against discriminator.

    Args:
        networks: generator and discriminator.
        config: whether there are R1 and path length, and how often; images are generated once for
            both networks, as they are by default.
        batch: real images.
    """
    with META:
        generator = build_generator(networks[0]).to(META).train()
        discriminator = build_discriminator(networks[1]).to(META).train()
    step = _Step(generator, discriminator, config, batch)
    parts: dict[str, Callable[[], None]] = {
        "generate": step.generate,
        "discriminator": step.train_discriminator,
        "r1": step.penalise,
        "generator": step.train_generator,
        "path length": step.keep_path_length,
    }
    if config.r1_gamma == 0:
        del parts["r1"]
    if not config.path_length_weight:
        del parts["path length"]
    phases = {name: _cost_of(part) for name, part in parts.items()}
    of_generator, of_discriminator = _numbers(generator), _numbers(discriminator)
    phases["update"] = _update(of_generator, of_discriminator)
    intervals = {"r1": config.r1_interval, "path length": config.path_length_interval}
    numbers = sum(height * width for height, width in generator.noise_shapes)
    path = 1 / 2 / config.path_length_interval if config.path_length_weight else 0.0
    return StepCosts(
        batch=batch,
        generator=of_generator,
        discriminator=of_discriminator,
        phases=phases,
        intervals={name: intervals.get(name, 1) for name in phases},
        draws=4.0 * numbers * (1 + path),  # latents are few beside noise
    )


def _numbers(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _update(generator: int, discriminator: int) -> Cost:
    """Adam in one pass reads weight, gradient and both moments and writes all but the gradient.

    Before it, norms of gradients are read to see whether they are finite; after it, the average of
    the generator's weights takes two reads and a write. One call each.
    """
    return Cost(bytes=4.0 * (8 * (generator + discriminator) + 3 * generator), operators=5)


def costs_by_batch(
    networks: tuple[GeneratorConfig, DiscriminatorConfig], config: AdversarialConfig
) -> Callable[[int], StepCosts]:
    """What steps of any batch cost, from two that are counted: all grows evenly with the images.

    Args:
        networks: as in `count_step`.
        config: likewise.

    Returns:
        A function of the real images of a step, at least `COUNTED`'s first.
    """
    few, more = (count_step(networks, config, batch) for batch in COUNTED)

    def costs(batch: int) -> StepCosts:
        share = (batch - few.batch) / (more.batch - few.batch)
        phases = {
            name: few.phases[name] * (1 - share) + more.phases[name] * share for name in few.phases
        }
        return replace(few, batch=batch, phases=phases)

    return costs


class _Step:
    """The parts of `stages.adversarial`, without what asks for values: nothing here has any."""

    def __init__(
        self,
        generator: Generator,
        discriminator: torch.nn.Module,
        config: AdversarialConfig,
        batch: int,
    ) -> None:
        self.generator, self.discriminator = generator, discriminator
        self.config, self.batch = config, batch
        self.images = torch.empty(0, device=META)
        shape = (batch, generator.image_channels, *generator.size)
        self.real = torch.empty(shape, device=META).contiguous(memory_format=torch.channels_last)

    def ws(self, count: int) -> Tensor:
        generator = self.generator
        w = generator.mapping.w(self.latents(count), self.classes(count))
        ws = w[:, None].expand(-1, generator.num_ws, -1)
        if not self.config.style_mixing_probability:
            return ws
        other = generator.mapping.w(self.latents(count), self.classes(count))[:, None]
        layers = torch.empty(count, generator.num_ws, 1, device=META, dtype=torch.bool)
        return torch.where(layers, ws, other)

    def latents(self, count: int) -> Tensor:
        return torch.empty(count, self.generator.z_dim, device=META)

    def classes(self, count: int) -> Tensor | None:
        classes = self.generator.num_classes
        return torch.empty(count, classes, device=META) if classes else None

    def noise(self, count: int) -> list[Tensor]:
        shapes = self.generator.noise_shapes
        return [torch.randn(count, 1, *shape, device=META) for shape in shapes]

    def generate(self) -> None:
        self.images = self.generator.synthesis(self.ws(self.batch), self.noise(self.batch))

    def train_discriminator(self) -> None:
        self.discriminator.requires_grad_(True)
        both = torch.stack([self.real, self.images.detach()], dim=1).flatten(0, 1)
        both = both.contiguous(memory_format=torch.channels_last)
        logits = self.discriminator(both, self.classes(2 * self.batch))
        LOGISTIC.discriminator(logits[0::2], logits[1::2]).mean().backward()

    def penalise(self) -> None:
        images = self.real.detach().requires_grad_()
        logits = self.discriminator(images, self.classes(self.batch))
        r1_penalty(images, logits).mean().backward()

    def train_generator(self) -> None:
        self.discriminator.requires_grad_(False)
        logits = self.discriminator(self.images, self.classes(self.batch))
        LOGISTIC.generator(logits).mean().backward()

    def keep_path_length(self) -> None:
        count = max(self.batch // 2, 1)
        ws = self.ws(count)
        images = self.generator.synthesis(ws, self.noise(count))
        lengths = path_lengths(images, ws, torch.randn_like(images))
        penalty, _ = path_penalty(lengths, torch.empty((), device=META))
        penalty.mean().backward()


def _cost_of(part: Callable[[], None]) -> Cost:
    counter = _Counter()  # type: ignore[no-untyped-call]
    with counter:
        part()
    return counter.cost


class _Counter(TorchDispatchMode):
    """Adds up what operators cost."""

    cost = Cost()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        flop = 0 if count is None else count(*args, **(kwargs or {}), out_val=result)
        taken = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        if not func.is_view and taken:
            moved = sum(tensor.numel() * tensor.element_size() for tensor in taken)
            self.cost += Cost(flop=flop, bytes=moved, operators=1)
        return result
