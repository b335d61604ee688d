"""All that a training step changes, and how it is saved and restored."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from wspace.group import ALONE, Group
from wspace.networks.config import AdaINConfig
from wspace.networks.generator import Generator
from wspace.networks.stylegan1.synthesis import AdaINSynthesis
from wspace.training.config import TrainConfig
from wspace.training.context import Batch, Context, Objective, StepResult, place
from wspace.training.ema import ema_decay, update_ema
from wspace.training.growing import Growth
from wspace.training.losses import LOSSES
from wspace.training.optimizers import load_optimizer_state, optimizer_state
from wspace.training.plan import Plan
from wspace.training.schedule import Part, Stage, part_at
from wspace.training.stages.adversarial import Adversarial
from wspace.training.stages.autoencoder import Autoencoder
from wspace.training.stages.flow import Flow
from wspace.training.stages.flow_pairs import FlowPairs
from wspace.training.stages.matching import Matching
from wspace.training.stages.reconstruction import Reconstruction

__all__ = ["TrainingState", "upgraded"]

# Optimizers as checkpoints of the first version call them.
_FIRST_NAMES = {
    "g": "generator",
    "d": "discriminator",
    "e": "encoder",
    "f": "flow",
    "w": "matching weights",
    "b": "matching biases",
    "m": "reconstruction mapping",
    "k": "reconstruction convolutions",
    "s": "reconstruction others",
}


class TrainingState:
    """Networks, objectives, random state and counters.

    Args:
        generator: trains; in channels-last layout on ``device``.
        discriminator: trains beside it.
        config: precision, compile and device are decided, not "auto".
        device: where everything lies.
        num_values: values of all attributes of the images where the encoder is told them; else 0.
        group: the processes that each batch is divided among; all hold the same state.

    Attributes:
        growth: how far the networks have grown.
        grown: in a line, what the last step began: a new size that fades in or learns; or nothing.
        newly_seen: real images in the last step.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: nn.Module,
        config: TrainConfig,
        device: torch.device,
        num_values: int = 0,
        group: Group = ALONE,
    ) -> None:
        self.config = config
        compiled = config.compile == "on"
        # On a CPU the network that a projected one sees through is slower compiled
        # (benchmarks/RESULTS.md).
        frozen = config.discriminator == "projected" and device.type == "cpu"
        self.context = Context(
            generator,
            discriminator,
            device,
            seed=config.seed,
            half=config.precision == "bf16",
            compile_synthesis=compiled,
            compile_discriminator=compiled and not frozen,
            mixing=config.adversarial.style_mixing_probability,
            mix_batches=config.adversarial.mix_batches,
            group=group,
        )
        self.generator_ema = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.objectives: dict[Stage, Objective] = {}
        self.reconstruction: Reconstruction | None = None
        if config.reconstruction.weight:
            self.reconstruction = Reconstruction(self.context, config.reconstruction, num_values)
            self.objectives["reconstruction"] = self.reconstruction
        self.flow_pairs: FlowPairs | None = None
        if config.matching.on:
            assert self.reconstruction is not None  # the configuration has checked it
            autoencoder = self.reconstruction.autoencoder
            self.flow_pairs = place(FlowPairs(generator.config), device)
            shared = self.context, config.matching, self.flow_pairs, autoencoder
            self.objectives |= {"flow": Flow(*shared), "matching": Matching(*shared)}
        if self.reconstruction is not None and config.reconstruction.alone:
            self.reconstruction.add_own_optimizers(self.context)
        loss = config.adversarial.loss
        if loss == "auto":  # as each kind's own paper has it
            loss = "hinge" if config.discriminator == "projected" else "logistic"
        self.adversarial = Adversarial(
            self.context,
            config.adversarial,
            loss=LOSSES[loss],
            r1_gamma=config.r1_gamma_for(generator.resolution),
            reconstruction=self.reconstruction if config.reconstruction.beside else None,
        )
        self.objectives["adversarial"] = self.adversarial
        self.plan = Plan(config)
        self.step = 0
        self.seen_images = 0
        self.growth = Growth(config, generator.size)
        self._phase = self.growth.phase(self.lod)
        self.grown = ""
        self.newly_seen = 0
        self._grow()

    @property
    def generator(self) -> Generator:
        """The one that learns."""
        return self.context.generator

    @property
    def discriminator(self) -> nn.Module:
        """The one that learns."""
        return self.context.discriminator

    @property
    def lod(self) -> float:
        """The level of detail of the next batch; 0 where networks do not grow."""
        return self.growth.lod(self.seen_images)

    @property
    def batch_size(self) -> int:
        """Real images that the next batch should have, in all processes."""
        return self.growth.batch_size(self.lod)

    @property
    def device(self) -> torch.device:
        """Where everything lies."""
        return self.context.device

    @property
    def autoencoder(self) -> Autoencoder | None:
        """The encoder and what it remembers, where there is one."""
        return None if self.reconstruction is None else self.reconstruction.autoencoder

    def run(
        self,
        real: Tensor,
        c: Tensor | None,
        values: Tensor | None = None,
        which: Tensor | None = None,
    ) -> StepResult:
        """Take one step on a batch; on this process's own share of it.

        Args:
            real: (N, C, H, W), float32, in [-1, 1], on the state's device; of the size at hand
                where the networks grow, see `growing.real_images`.
            c: (N, num_classes), one-hot classes of ``real``; generated images share them.
            values: (N, attributes), what is said of ``real``, as the encoder takes it.
            which: (N,), which pictures of the dataset they are, see `Batch`.

        Returns:
            What the step measured.
        """
        images = real.contiguous(memory_format=torch.channels_last)
        batch = Batch(images=images, c=c, values=values, which=which)
        self.context.draw_background()
        lod, before = self.lod, self._phase
        self._phase = self.growth.phase(lod)
        self.grown = "" if self._phase == before else self.growth.describe(lod)
        if self.grown:
            self.context.forget_moments()
        result = self._follow(self._part(), batch)
        count = self.context.of_all(len(batch))
        if result.finite and result.generator_learned:
            self._average(count)
        self.step += 1
        self.newly_seen = count
        self.seen_images += count
        self._grow()
        return result

    def _grow(self) -> None:
        """Follow the images seen with the size of everything that draws or learns."""
        if not self.growth.on:
            return
        lod = self.lod
        self.context.lod, self.context.size_rate = lod, self.growth.rate(lod)
        for generator in (self.generator, self.generator_ema):
            cast(AdaINSynthesis, generator.synthesis).lod = lod
            synthesis = replace(cast(AdaINConfig, generator.config.synthesis), lod=lod)
            generator.config = replace(generator.config, synthesis=synthesis)

    def _part(self) -> Part:
        pairs = self.flow_pairs
        learned = pairs is not None and int(pairs.learned) > 0
        return part_at(self.config, self.plan, self.seen_images, flow_has_learned=learned)

    def _follow(self, part: Part, batch: Batch) -> StepResult:
        """A step towards the objective of this part of the run."""
        pairs, context = self.flow_pairs, self.context
        settled = pairs is not None and int(pairs.made) > 0
        learns_on = part.stage == "adversarial" and not self.config.adversarial.mapping_rests
        context.w_settled = settled and not learns_on
        if part.stage == "reconstruction" and pairs is not None and context.w_settled:
            pairs.forget()  # the run has gone back to this: the encoder's w move again
            context.w_settled = False
        return self.objectives[part.stage].step(context, batch, part, self.step)

    def _average(self, count: int) -> None:
        with self.context.section("average"):
            decay = ema_decay(
                count,
                self.config.average.half_life_kimg,
                seen_images=self.seen_images,
                ramp=self.config.average.ramp,
            )
            update_ema(self.generator_ema, self.generator, decay)

    def halve_learning_rate(self) -> None:
        """Train on at half the rate, as after numbers went wrong."""
        self.context.rate_factor /= 2

    def state_dict(self) -> dict[str, Any]:
        """Everything that a step depends on: nested dicts of tensors and plain data."""
        own = {"autoencoder": self.autoencoder, "flow": self.flow_pairs}
        return {k: v.state_dict() for k, v in own.items() if v is not None} | {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "generator_ema": self.generator_ema.state_dict(),
            "optimizers": {k: optimizer_state(v) for k, v in self.context.optimizers.items()},
            "random": self.context.random.get_state(),
            "path_mean": self.adversarial.path_mean,
            "augment": self.adversarial.augment.state_dict(),
            "step": self.step,
            "seen_images": self.seen_images,
            "learning_rate_factor": self.context.rate_factor,
            "rate_factors": dict(self.context.rate_factors),
            "plan": self.plan.state_dict(),
            "phase": list(self._phase),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`; takes those of earlier versions, too."""
        state = upgraded(state)
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.generator_ema.load_state_dict(state["generator_ema"])
        if self.autoencoder is not None:
            self.autoencoder.load_state_dict(state["autoencoder"])
        if self.flow_pairs is not None:
            self.flow_pairs.load_state_dict(state["flow"])
        for name, optimizer in self.context.optimizers.items():
            load_optimizer_state(optimizer, state["optimizers"][name])
        self.context.random.set_state(state["random"].cpu())
        self.adversarial.path_mean = state["path_mean"].to(self.device)
        if state["augment"]:
            self.adversarial.augment.load_state_dict(state["augment"])
        self.step = state["step"]
        self.seen_images = state["seen_images"]
        self.context.rate_factor = state["learning_rate_factor"]
        self.context.rate_factors = dict(state["rate_factors"])
        self.plan.load_state_dict(state["plan"])
        self._phase = (state["phase"][0], state["phase"][1])
        self._grow()


def upgraded(state: dict[str, Any]) -> dict[str, Any]:
    """A state as `TrainingState.state_dict` makes it today, from one of an earlier version."""
    optimizers = {_FIRST_NAMES.get(k, k): v for k, v in state["optimizers"].items()}
    earlier = {"plan": {}, "augment": {}, "rate_factors": {}, "phase": [0, 0]}
    state = earlier | state | {"optimizers": optimizers}
    if "matching" in state:
        state["flow"] = state.pop("matching")
    return state
