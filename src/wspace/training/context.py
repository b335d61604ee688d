"""What every objective works with: the networks, their optimizers, chance, and one way to update.

It knows no objective; each file in `stages` takes a `Context` and a `Batch` and takes a step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from wspace import machine
from wspace.group import ALONE, Group
from wspace.images import BACKGROUNDS
from wspace.networks.generator import Generator
from wspace.networks.projected import ProjectedDiscriminator
from wspace.steering.mixing import mix_styles
from wspace.training.optimizers import gradients, update
from wspace.training.real_maps import RealMaps
from wspace.training.schedule import Part

__all__ = ["SECTIONS", "Batch", "Context", "Objective", "Section", "StepResult", "place"]

_Network = TypeVar("_Network", bound=nn.Module)

# What a step is made of, as torch's profiler shows it, or whatever else `Context.section` is set
# to. "augment" comes where pictures are changed, "r1", "r2" and "path length" on their steps only,
# "reconstruction" and "matching" with an encoder, "flow" while the mapping network learns from one.
Section = Callable[[str], AbstractContextManager[Any]]
SECTIONS = (
    "discriminator: generate",
    "augment",
    "discriminator: forward",
    "discriminator: backward",
    "r1",
    "r2",
    "discriminator: update",
    "generator: forward",
    "generator: judge",
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
    """Real images, and what is known of them: of a step, or this process's own share of it.

    Attributes:
        images: (N, C, H, W), float32, in [-1, 1], channels-last.
        c: (N, num_classes), one-hot classes, which generated images share; None without classes.
        values: (N, attributes), int64, one value of each attribute as the encoder takes it; or
            None.
        which: (N,), int64, as `RealMaps.of` takes it; None where they are of no dataset.
    """

    images: Tensor
    c: Tensor | None = None
    values: Tensor | None = None
    which: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> Batch:
        """The first ``count`` images."""
        return Batch(
            images=self.images[:count],
            c=None if self.c is None else self.c[:count],
            values=None if self.values is None else self.values[:count],
            which=None if self.which is None else self.which[:count],
        )


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What one step measured.

    Attributes:
        losses: by name: "generator" and "discriminator" unless one learns alone; "r1", "r2" and
            "path_length" on their steps; "reconstruction" and "mismatch" with an encoder,
            "perceptual" if its discriminator is projected; "flow" and "matching" where the
            mapping network learns from a flow.
        finite: whether all losses and gradients were; a network whose gradients were not is left
            unchanged, and so are those that come after it in the step.
        right: shares of real images that the discriminator took for real, and of generated ones
            that it took for generated, in [0, 1]; None where it was not asked.
        generator_learned: whether the generator was to learn in this step.
        augmented: the strength of `augment`, and how sure the discriminator has been of real images
            (None before that was first worked out); None without it.
    """

    losses: dict[str, float]
    finite: bool
    right: tuple[float, float] | None = None
    generator_learned: bool = True
    augmented: tuple[float, float | None] | None = None


class Objective(Protocol):
    """What a stage does with a batch; a file in `stages` each."""

    def step(self, context: Context, batch: Batch, part: Part, number: int) -> StepResult:
        """Learn from a batch.

        Args:
            context: the networks.
            batch: real images.
            part: where the run stands in its plan.
            number: of the step in its run.
        """
        ...


class Context:
    """The networks in training, and what a step does with them whatever its objective.

    In a group of processes each learns from its own images, every world_size-th of a batch. What is
    drawn by chance is drawn for the whole batch on each, from the same stream, so that a run does
    not depend on how many they are; gradients, running means and what is logged are of all images.
    A ``count`` of images is of this process's own.

    Args:
        generator: trains; moved to ``device`` in channels-last layout.
        discriminator: trains beside it; likewise.
        device: where everything lies.
        seed: of latents, noise and mixing.
        half: multiplies in bfloat16 (autocast).
        compile_synthesis: see `machine.compiled`.
        compile_discriminator: likewise.
        mixing: share of generated images whose styles come from two z, in [0, 1].
        mix_batches: decides that, and draws the crossover, once for each batch.
        group: the processes that each batch is divided among.

    Attributes:
        optimizers: by name; objectives add theirs with `add_optimizers`.
        rate_factor: of all learning rates; halved when numbers went wrong.
        rate_factors: of single optimizers, by name, where they differ.
        w_settled: W is laid out: mapping and encoder rest, and synthesis learns alone.
            A discriminator would pull mapping away from the real images' w, to what lies between
            them.
        section: called with each of `SECTIONS` in turn.
        real_maps: what the discriminator's pretrained network sees in real images; or None.
        lod: level of detail, where networks grow; images are then 2^⌊lod⌋ times smaller.
        size_rate: of all learning rates, at the size that they have grown to.
        background: brightness that images with alpha are laid on in this step, where a pretrained
            network sees them.
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
        mix_batches: bool,
        group: Group = ALONE,
    ) -> None:
        self.device, self.half, self.group = device, half, group
        self.mixing, self.mix_batches = mixing, mix_batches
        self.generator = place(generator, device)
        self.discriminator = place(discriminator, device)
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self._full_rates: dict[str, float] = {}
        self.random = torch.Generator(device).manual_seed(seed)
        self.rate_factor = 1.0
        self.rate_factors: dict[str, float] = {}
        self.w_settled = False
        self.section: Section = record_function
        self.real_maps: RealMaps | None = None
        self.background = 1.0
        self.lod: float | None = None
        self.size_rate = 1.0
        self._synthesize = machine.compiled(generator.synthesis) if compile_synthesis else None
        self._judge = machine.compiled(discriminator) if compile_discriminator else None

    @property
    def working_type(self) -> torch.dtype:
        """What products are computed in: bfloat16 or float32."""
        return torch.bfloat16 if self.half else torch.float32

    def autocast(self) -> torch.autocast:
        """Context manager: within it networks multiply in `working_type`."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half)

    def synthesize(self, ws: Tensor, *, update_emas: bool = False) -> Tensor:
        """Images of ws with fresh noise: (N, num_ws, w_dim) to (N, C, H, W).

        ``update_emas``: see `stylegan3.synthesis`.
        """
        synthesis = self._synthesize or self.generator.synthesis
        images: Tensor = synthesis(
            ws, self.noise(len(ws)), update_emas=update_emas, **self.at_this_size
        )
        return images

    @property
    def at_this_size(self) -> dict[str, Any]:
        """What networks that grow are told beside their inputs; nothing where none does."""
        return {} if self.lod is None else {"lod": self.lod, "full_size": False}

    @property
    def _layers_in_use(self) -> int:
        """Layers of ws that a network draws with, however far it has grown."""
        return self.generator.num_ws - 2 * math.floor(self.lod or 0.0)

    def judge(
        self,
        images: Tensor,
        c: Tensor | None,
        seen: list[Tensor] | None = None,
        *,
        compiled: bool = True,
    ) -> Tensor:
        """The discriminator's logits of images, (N,) or one for each place that it judges.

        Args:
            images: (N, C, H, W).
            c: (N, num_classes), or None.
            seen: what `perceive` makes of them, where that is at hand.
            compiled: by the compiled discriminator where there is one, whose gradients have none.
        """
        network = self.discriminator
        own: Any = (self._judge if compiled else None) or network
        if not isinstance(network, ProjectedDiscriminator):
            logits: Tensor = own(images, c, **self.at_this_size)
        elif seen is None:
            logits = own(images, c, background=self.background)
        else:
            logits = network.judge(images, seen, c)
        return logits

    def draw_background(self) -> None:
        """Choose what this step's images are laid on for a network that sees no alpha.

        All of a step are laid on the same, so that minibatch statistics compare images. Both
        backgrounds in every step would say no more in the long run, and cost twice as much.
        """
        projected = isinstance(self.discriminator, ProjectedDiscriminator)
        if projected and self.generator.image_channels == 4:
            (draw,) = self._uniform(1)
            self.background = BACKGROUNDS[int(draw * len(BACKGROUNDS))]

    def perceive(self, images: Tensor) -> list[Tensor] | None:
        """What the discriminator's pretrained network sees in images; None where it has none."""
        if not isinstance(self.discriminator, ProjectedDiscriminator):
            return None
        return self.discriminator.perceive(images, self.background)

    def perceive_real(self, images: Tensor, which: Tensor | None) -> list[Tensor] | None:
        """The same of real images, from what is kept of them where there is room for it.

        Args:
            images: (N, C, H, W).
            which: see `Batch`; None where they are not as the dataset has them, too.
        """
        if not isinstance(self.discriminator, ProjectedDiscriminator):
            return None
        if self.real_maps is not None and which is not None:
            return self.real_maps.of(which, self.background)
        with torch.no_grad():
            return self.discriminator.perceive(images, self.background)

    def latents(self, count: int) -> Tensor:
        """(count, z_dim), from N(0, I)."""
        return self._normal(count, self.generator.z_dim)

    def _normal(self, count: int, *shape: int) -> Tensor:
        """(count, ...), from N(0, 1): this process's own of what is drawn for the whole batch."""
        whole = (self.of_all(count), *shape)
        drawn = torch.randn(whole, generator=self.random, device=self.device)
        return self.group.own(drawn).contiguous()  # a copy, so that the rest is freed at once

    def directions(self, images: Tensor) -> Tensor:
        """Of images' shape, from N(0, 1)."""
        return self._normal(len(images), *images.shape[1:])

    def of_all(self, count: int) -> int:
        """How many images all processes have, where this one has ``count``."""
        return count * self.group.world_size

    def noise(self, count: int) -> list[Tensor | None]:
        """Fresh noise maps, (count, 1, H, W) a noise layer; None where it is not yet in use."""
        shapes = self.generator.noise_shapes
        unused = 2 * math.floor(self.lod or 0.0)
        drawn = [self._normal(count, 1, *shape) for shape in shapes[: len(shapes) - unused]]
        return [*drawn, *[None] * unused]

    def mixed_ws(self, count: int, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """ws of random z for a batch, of two z each in the share ``mixing`` of them.

        Source: Karras et al. 2019 (StyleGAN), Section 3.1, mixing regularisation.

        Returns:
            ws, (count, num_ws, w_dim), and the w of their first layer, (count, w_dim).
        """
        mapping, num_ws = self.generator.mapping, self.generator.num_ws
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.w_settled):
            w = mapping.w(self.latents(count), c)
            ws = w[:, None].expand(-1, num_ws, -1)
            if not self.mix_batches:
                return self._each_mixed(ws, c), w
            draw, crossover = self._uniform(2)
            if draw < self.mixing and num_ws > 1:
                other = mapping.w(self.latents(count), c)[:, None].expand(-1, num_ws, -1)
                first = 1 + int(crossover * (self._layers_in_use - 1))
                ws = mix_styles(ws, other, range(first, num_ws))
        return ws, w

    def _each_mixed(self, ws: Tensor, c: Tensor | None) -> Tensor:
        """ws whose layers from a crossover on come from another z, each image's its own."""
        count, num_ws, _ = ws.shape
        if not self.mixing or num_ws == 1:
            return ws
        other = self.generator.mapping.w(self.latents(count), c)[:, None]
        drawn = torch.rand(2, self.of_all(count), 1, 1, generator=self.random, device=self.device)
        draw, crossover = (self.group.own(numbers) for numbers in drawn.unbind())
        places = self._layers_in_use - 1
        first = torch.where(draw < self.mixing, 1 + (crossover * places).floor(), num_ws)
        layers = torch.arange(num_ws, device=self.device)[None, :, None]
        return torch.where(layers < first, ws, other)

    def _uniform(self, count: int) -> list[float]:
        numbers = torch.rand(count, generator=self.random, device=self.device)
        return [float(number) for number in numbers]

    def add_optimizers(self, **optimizers: torch.optim.Optimizer) -> None:
        """Register optimizers by name, each at its full learning rate."""
        self.optimizers |= optimizers
        self._full_rates |= {k: v.param_groups[0]["lr"] for k, v in optimizers.items()}

    def forget_moments(self) -> None:
        """Let every optimizer start anew, as where a new size comes."""
        for optimizer in self.optimizers.values():
            optimizer.state.clear()

    def halve_rate(self, name: str) -> None:
        """Train one network on at half its rate."""
        self.rate_factors[name] = self.rate_factors.get(name, 1.0) / 2

    def update(self, *names: str, share: float = 1.0) -> bool:
        """Step optimizers together at a share of their full rates.

        Returns:
            Whether every gradient was finite; else none of the optimizers has stepped. Gradients
            are cleared in any case.
        """
        for name in names:
            for group in self.optimizers[name].param_groups:
                group["lr"] = (
                    self._full_rates[name]
                    * share
                    * self.size_rate
                    * self.rate_factor
                    * self.rate_factors.get(name, 1.0)
                )
        optimizers = [self.optimizers[name] for name in names]
        self.group.average(gradients(*optimizers), f"the gradients of the {' and '.join(names)}")
        return update(*optimizers)

    def whole(self, w: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """w, (N, w_dim), and classes, (N, num_classes), of the images of all processes."""
        if self.group.alone:
            return w, c
        columns = [w.float()] if c is None else [w.float(), c.float()]
        rows = self.group.whole(torch.cat(columns, dim=1), "w of all images")
        parts = rows.split([column.shape[1] for column in columns], dim=1)
        return parts[0].to(w.dtype), None if c is None else parts[1]

    def update_w_avg(self, w: Tensor, c: Tensor | None) -> None:
        """Move the generator's running mean of w a step towards that of all images."""
        self.generator.mapping.update_w_avg(*self.whole(w.detach(), c))

    def floats(self, values: dict[str, Tensor]) -> dict[str, float]:
        """Scalars, each a mean over images, as plain numbers; of the images of all processes."""
        if self.group.alone or not values:
            return {name: float(value.detach()) for name, value in values.items()}
        own = torch.stack([value.detach().double() for value in values.values()])
        means = self.group.mean(own, "what a step measured").tolist()
        return dict(zip(values, means, strict=True))


def place(network: _Network, device: torch.device) -> _Network:
    """Move a network, its convolutions in channels-last layout, ready to train."""
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.train().requires_grad_()
