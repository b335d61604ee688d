"""What every objective works with: the networks, their optimizers, chance, and one way to update.

It knows no objective; each file in `stages` takes a `Context` and a `Batch` and takes a step.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from wspace import machine
from wspace.networks.generator import Generator
from wspace.steering.mixing import mix_styles
from wspace.training.optimizers import update

__all__ = ["SECTIONS", "Batch", "Context", "Section", "StepResult", "floats", "place"]

_Network = TypeVar("_Network", bound=nn.Module)

# What a step is made of, as torch's profiler shows it, or whatever else `Context.section` is set
# to. "r1" and "path length" come on their steps only, "reconstruction" and "matching" with an
# encoder, "flow" while the mapping network learns from one.
Section = Callable[[str], AbstractContextManager[Any]]
SECTIONS = (
    "discriminator: generate",
    "discriminator: forward",
    "discriminator: backward",
    "r1",
    "discriminator: update",
    "generator: forward",
    "generator: backward",
    "path length",
    "reconstruction",
    "flow",
    "matching",
    "generator: update",
    "average",
)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Real images, and what is known of them.

    Attributes:
        images: (N, C, H, W), float32, in [-1, 1], channels-last.
        c: (N, num_classes), one-hot classes, which generated images share; None without classes.
        values: (N, attributes), int64, one value of each attribute as the encoder takes it; or
            None.
    """

    images: Tensor
    c: Tensor | None = None
    values: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> Batch:
        """The first ``count`` images."""
        return Batch(
            images=self.images[:count],
            c=None if self.c is None else self.c[:count],
            values=None if self.values is None else self.values[:count],
        )


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What one step measured.

    Attributes:
        losses: by name: "generator" and "discriminator" unless one learns alone; "r1" and
            "path_length" on their steps; "reconstruction" and "mismatch" with an encoder,
            "perceptual" if its discriminator is projected; "flow" and "matching" where the
            mapping network learns from a flow.
        finite: whether all losses and gradients were; a network whose gradients were not is left
            unchanged, and so are those that come after it in the step.
        right: shares of real images that the discriminator took for real, and of generated ones
            that it took for generated, in [0, 1]; None where it was not asked.
        generator_learned: whether the generator was to learn in this step.
    """

    losses: dict[str, float]
    finite: bool
    right: tuple[float, float] | None = None
    generator_learned: bool = True


class Context:
    """The networks in training, and what a step does with them whatever its objective.

    Args:
        generator: trains; moved to ``device`` in channels-last layout.
        discriminator: trains beside it; likewise.
        device: where everything lies.
        seed: of latents, noise and mixing.
        half: multiplies in bfloat16 (autocast).
        compile_synthesis: see `machine.compiled`.
        compile_discriminator: likewise.
        mixing: share of generated batches whose styles come from two z, in [0, 1].

    Attributes:
        optimizers: by name; objectives add theirs with `add_optimizers`.
        rate_factor: of all learning rates; halved when numbers went wrong.
        w_settled: W is laid out for good: mapping and encoder rest, and synthesis learns alone.
            A discriminator would pull mapping away from the real images' w, to what lies between
            them.
        section: called with each of `SECTIONS` in turn.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: nn.Module,
        device: torch.device,
        *,
        seed: int,
        half: bool,
        compile_synthesis: bool,
        compile_discriminator: bool,
        mixing: float,
    ) -> None:
        self.device, self.half, self.mixing = device, half, mixing
        self.generator = place(generator, device)
        self.discriminator = place(discriminator, device)
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self._full_rates: dict[str, float] = {}
        self.random = torch.Generator(device).manual_seed(seed)
        self.rate_factor = 1.0
        self.w_settled = False
        self.section: Section = record_function
        self._synthesize = machine.compiled(generator.synthesis) if compile_synthesis else None
        self._judge = machine.compiled(discriminator) if compile_discriminator else None

    @property
    def working_type(self) -> torch.dtype:
        """What products are computed in: bfloat16 or float32."""
        return torch.bfloat16 if self.half else torch.float32

    def autocast(self) -> torch.autocast:
        """Context manager: within it networks multiply in `working_type`."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half)

    def synthesize(self, ws: Tensor) -> Tensor:
        """Images of ws with fresh noise: (N, num_ws, w_dim) to (N, C, H, W)."""
        synthesis = self._synthesize or self.generator.synthesis
        images: Tensor = synthesis(ws, self.noise(len(ws)))
        return images

    def judge(self, images: Tensor, c: Tensor | None) -> Tensor:
        """The discriminator's logits of images, (N,) or one for each place that it judges."""
        logits: Tensor = (self._judge or self.discriminator)(images, c)
        return logits

    def latents(self, count: int) -> Tensor:
        """(count, z_dim), from N(0, I)."""
        shape = (count, self.generator.z_dim)
        return torch.randn(shape, generator=self.random, device=self.device)

    def noise(self, count: int) -> list[Tensor]:
        """Fresh noise maps, (count, 1, H, W) a noise layer."""
        return [
            torch.randn(count, 1, *shape, generator=self.random, device=self.device)
            for shape in self.generator.noise_shapes
        ]

    def mixed_ws(self, count: int, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """ws of random z for a batch, of two z each in the share ``mixing`` of batches.

        Source: Karras et al. 2019 (StyleGAN), Section 3.1, mixing regularisation.

        Returns:
            ws, (count, num_ws, w_dim), and the w of their first layer, (count, w_dim).
        """
        mapping, num_ws = self.generator.mapping, self.generator.num_ws
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.w_settled):
            w = mapping.w(self.latents(count), c)
            ws = w[:, None].expand(-1, num_ws, -1)
            draw, crossover = self._uniform(2)
            if draw < self.mixing and num_ws > 1:
                other = mapping.w(self.latents(count), c)[:, None].expand(-1, num_ws, -1)
                first = 1 + int(crossover * (num_ws - 1))
                ws = mix_styles(ws, other, range(first, num_ws))
        return ws, w

    def _uniform(self, count: int) -> list[float]:
        numbers = torch.rand(count, generator=self.random, device=self.device)
        return [float(number) for number in numbers]

    def add_optimizers(self, **optimizers: torch.optim.Optimizer) -> None:
        """Register optimizers by name, each at its full learning rate."""
        self.optimizers |= optimizers
        self._full_rates |= {k: v.param_groups[0]["lr"] for k, v in optimizers.items()}

    def update(self, *names: str, share: float = 1.0) -> bool:
        """Step optimizers together at a share of their full rates.

        Returns:
            Whether every gradient was finite; else none of the optimizers has stepped. Gradients
            are cleared in any case.
        """
        for name in names:
            for group in self.optimizers[name].param_groups:
                group["lr"] = self._full_rates[name] * share * self.rate_factor
        return update(*(self.optimizers[name] for name in names))


def place(network: _Network, device: torch.device) -> _Network:
    """Move a network, its convolutions in channels-last layout, ready to train."""
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.train().requires_grad_()


def floats(losses: dict[str, Tensor]) -> dict[str, float]:
    """Losses as plain numbers."""
    return {name: float(value.detach()) for name, value in losses.items()}
