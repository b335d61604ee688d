"""One training step: the discriminator learns, then the generator, then its running average.

Source: Karras et al. 2019 (StyleGAN), Appendix C; lazy regularisation from Karras et al. 2020
(StyleGAN2), Section 3.1.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.profiler import record_function

from wspace import machine
from wspace.networks.generator import Generator
from wspace.networks.projected import ProjectedDiscriminator
from wspace.steering.mixing import mix_styles
from wspace.training.autoencoder import Autoencoder
from wspace.training.config import TrainConfig
from wspace.training.ema import ema_decay, update_ema
from wspace.training.losses import HINGE, LOGISTIC, perceptual_loss, reconstruction_loss
from wspace.training.matching import NEW_PAIRS, Matching
from wspace.training.optimizers import (
    Muon,
    adam,
    load_optimizer_state,
    matrices_and_others,
    optimizer_state,
    update,
)
from wspace.training.regularizers import path_lengths, path_penalty, r1_penalty

__all__ = ["PHASES", "StepResult", "TrainingState"]

_Network = TypeVar("_Network", bound=nn.Module)

BETAS = (0.0, 0.99)
# Reconstruction is plain regression: it wants momentum, and rates of its own, whatever those
# against a discriminator are (benchmarks/RESULTS.md).
REGRESSION_BETAS = (0.9, 0.99)
ENCODER_RATE, PRETRAINING_RATE, FLOW_RATE = 0.001, 0.003, 0.001
KERNEL_RATE = 0.03  # Muon's, of synthesis' convolutions and styles in pretraining
MATCHING_RATE = 0.1  # Muon's, of the mapping network's weights while it learns from a flow
SETTLING = 1 / 3  # of pretraining: over the last of it rates fall to 0
PERCEPTUAL_WEIGHT = 0.3  # of differences between features, beside those between pixels
MISMATCH_WEIGHT = 0.03  # of the mapping network's w from the encoder's, likewise
MATCHED = 512  # w that the flow learns from in an update, and pairs that mapping learns from
MATCHING_UPDATES = 4  # in a step, of either
MATCHING_ROUNDS = 3  # of Muon's, for mapping: a tenth closer in the same time than with 5
FLOW_SHARE = 1 / 3  # of matching, the first of it: there the flow learns, then mapping from it

# What a step is made of: as torch's profiler shows it, or whatever else `TrainingState.phase` is
# set to. "r1" and "path length" come on their steps only, "reconstruction" and "matching" with an
# encoder, "flow" while the mapping network learns from one.
Phase = Callable[[str], AbstractContextManager[Any]]
PHASES = (
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
class StepResult:
    """What one step measured.

    Attributes:
        losses: by name: "generator" and "discriminator" unless one learns alone; "r1" and
            "path_length" on their steps; "reconstruction" and "mismatch" with an encoder,
            "perceptual" if its discriminator is projected; "flow" and "matching" where the
            mapping network learns from a flow.
        finite: whether all losses and gradients were; a network whose gradients were not was left
            as it was, and so were those that come after it in the step.
        right: shares of real images that the discriminator took for real, and of generated ones
            that it took for generated, in [0, 1]; None where it was not asked.
    """

    losses: dict[str, float]
    finite: bool
    right: tuple[float, float] | None


class TrainingState:
    """Networks, optimizers, random state and counters: all that a step changes.

    Args:
        generator: trains; in channels-last layout on ``device``.
        discriminator: trains beside it.
        config: precision, compile and device are decided, not "auto".
        device: where everything lies.
        num_values: of all attributes of the images, where W is to know them; else 0.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: nn.Module,
        config: TrainConfig,
        device: torch.device,
        num_values: int = 0,
    ) -> None:
        self.config, self.device = config, device
        self.generator = _place(generator, device)
        self.discriminator = _place(discriminator, device)
        self.generator_ema = copy.deepcopy(self.generator).eval().requires_grad_(False)
        rate_d = config.learning_rate if config.learning_rate_d is None else config.learning_rate_d
        path_interval = config.path_length_interval if config.path_length_weight else None
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "g": adam(self.generator, config.learning_rate, BETAS, interval=path_interval),
            "d": adam(self.discriminator, rate_d, BETAS, interval=config.r1_interval),
        }
        self.autoencoder: Autoencoder | None = None
        if config.reconstruction_weight:
            self.autoencoder = _place(Autoencoder(generator.config, num_values), device)
            self.optimizers["e"] = adam(self.autoencoder, ENCODER_RATE, REGRESSION_BETAS)
        self.matching: Matching | None = None
        half = torch.bfloat16 if config.precision == "bf16" else torch.float32
        mapping = self.generator.mapping
        in_w = mapping.config.lr_multiplier  # what rates are divided by to be as fast in W
        if config.matching_kimg:
            self.matching = _place(Matching(generator.config), device)
            weights, biases = matrices_and_others(mapping)
            self.optimizers |= {
                "f": adam(self.matching.field, FLOW_RATE, REGRESSION_BETAS),
                "w": Muon(weights, MATCHING_RATE / in_w, dtype=half, rounds=MATCHING_ROUNDS),
                "b": adam(biases, PRETRAINING_RATE / in_w, REGRESSION_BETAS),
            }
        if config.pretraining_kimg:  # the generator's two halves, as long as that lasts
            kernels, others = matrices_and_others(self.generator.synthesis)
            self.optimizers |= {
                "m": adam(mapping, PRETRAINING_RATE / in_w, REGRESSION_BETAS),
                "k": Muon(kernels, KERNEL_RATE, dtype=half),
                "s": adam(others, PRETRAINING_RATE, REGRESSION_BETAS),
            }
        self._full_rates = {k: v.param_groups[0]["lr"] for k, v in self.optimizers.items()}
        self.random = torch.Generator(device).manual_seed(config.seed)
        self.step = 0
        self.seen_images = 0
        self.learning_rate_factor = 1.0  # halved by a rollback
        self.path_mean = torch.zeros((), device=device)
        # As each kind's own paper has it.
        self.loss = HINGE if config.discriminator == "projected" else LOGISTIC
        self.phase: Phase = record_function  # called with each of `PHASES` in turn
        self.r1_gamma = config.r1_gamma_for(generator.resolution)
        compiled = config.compile == "on"
        self._synthesize = _maybe_compile(self.generator.synthesis, compiled)
        # Compiled, what a projected one sees through is slower on a CPU (benchmarks/RESULTS.md).
        frozen = config.discriminator == "projected" and device.type == "cpu"
        self._judge = _maybe_compile(self.discriminator, compiled and not frozen)

    def run(self, real: Tensor, c: Tensor | None, values: Tensor | None = None) -> StepResult:
        """Take one step on a batch.

        Args:
            real: (N, C, H, W), float32, in [-1, 1], on the state's device.
            c: (N, num_classes), one-hot classes of ``real``; generated images share them.
            values: (N, attributes), what is said of ``real``, as the encoder takes it.

        Returns:
            What the step measured.
        """
        real = real.contiguous(memory_format=torch.channels_last)
        right: tuple[float, float] | None = None
        alone = self.config.warmup_kimg * 1000  # the discriminator, when its time has come
        generator_learns = not 0 <= self.seen_images - self._matching_end < alone
        if self.seen_images < self._pretraining_end:
            losses, finite = self._pretraining_step(real, c, values)
        elif self.seen_images < self._matching_end:
            losses, finite = self._matching_step(real, c, values)
        else:
            losses, finite, right = self._discriminator_step(real, c)
            if finite and generator_learns:
                generator_losses, finite = self._generator_step(real, c, values)
                losses |= generator_losses
        if finite and generator_learns:
            self._average(len(real))
        self.step += 1
        self.seen_images += len(real)
        return StepResult(losses=losses, finite=finite, right=right)

    def _pretraining_step(
        self, real: Tensor, c: Tensor | None, values: Tensor | None
    ) -> tuple[dict[str, float], bool]:
        """The generator learns from reconstructions alone, of all the real images."""
        if self.matching is not None and int(self.matching.made) > 0:
            self.matching.forget()  # the run has gone back to this: the encoder's w move again
        losses, w = self._learn_to_reconstruct(real, c, values)
        left = 1 - self.seen_images / self._pretraining_end
        fall = min(left / SETTLING, 1.0)
        with self.phase("generator: update"):
            finite = self._update("m", "k", "s", "e", share=fall)
        if finite:
            assert self.autoencoder is not None
            self.autoencoder.remember(w, c)
            with torch.no_grad():
                own = self.generator.mapping.w(self._latents(len(real)), c)
            self.generator.mapping.update_w_avg(own)
        return _floats(losses), finite

    def _matching_step(
        self, real: Tensor, c: Tensor | None, values: Tensor | None
    ) -> tuple[dict[str, float], bool]:
        """A flow learns where w lie, then mapping from it where each z belongs."""
        assert self.autoencoder is not None
        assert self.matching is not None
        length = self.config.matching_kimg * 1000
        left = (self._matching_end - self.seen_images) / length
        if left <= 1 - FLOW_SHARE and int(self.matching.learned) > 0:
            return self._learn_from_flow(len(real), c, left / (1 - FLOW_SHARE))
        with self.phase("flow"):
            with torch.no_grad(), self._autocast():
                w = self.autoencoder.encoder(real, values)
            if not w.isfinite().all():
                return {}, False
            self.autoencoder.remember(w, c)
            return self._learn_flow(max(1 - (1 - left) / FLOW_SHARE, 0.0))

    def _learn_flow(self, share: float) -> tuple[dict[str, float], bool]:
        """The flow learns from w remembered, at this share of its rate."""
        assert self.autoencoder is not None
        assert self.matching is not None
        losses: dict[str, Tensor] = {}
        for _ in range(MATCHING_UPDATES):
            w, classes = self.autoencoder.recall(MATCHED, self.random)
            with self._autocast():
                losses["flow"] = self.matching.flow_loss(w, classes, self.random)
            losses["flow"].backward()
            if not self._update("f", share=share):
                return _floats(losses), False
            self.matching.average_field()
        return _floats(losses), True

    def _learn_from_flow(
        self, batch: int, c: Tensor | None, share: float
    ) -> tuple[dict[str, float], bool]:
        """Mapping learns from the flow's paths, at this share of its rates."""
        assert self.autoencoder is not None
        assert self.matching is not None
        mapping, losses = self.generator.mapping, dict[str, Tensor]()
        with self.phase("matching"):
            _, classes = self.autoencoder.recall(NEW_PAIRS, self.random)
            with self._autocast():
                self.matching.make_pairs(classes, self.random)
            for _ in range(MATCHING_UPDATES):
                with self._autocast():
                    losses["matching"] = self.matching.mapping_loss(mapping, MATCHED, self.random)
                losses["matching"].backward()
                if not self._update("w", "b", share=share):
                    return _floats(losses), False
            with torch.no_grad():
                mapping.update_w_avg(mapping.w(self._latents(batch), c))
        return _floats(losses), True

    def _discriminator_step(
        self, real: Tensor, c: Tensor | None
    ) -> tuple[dict[str, float], bool, tuple[float, float]]:
        self.discriminator.requires_grad_(True)
        with self.phase("discriminator: generate"), torch.no_grad(), self._autocast():
            ws, w = self._mixed_ws(len(real), c)
            fake = self._synthesize(ws, self._noise(len(real)))
        with self.phase("discriminator: forward"), self._autocast():
            real_logits, fake_logits = self._judge_both(real, fake, c)
            loss = self.loss.discriminator(real_logits, fake_logits).mean()
        losses = {"discriminator": loss.detach()}
        with self.phase("discriminator: backward"):
            loss.backward()
        if self.r1_gamma and self.step % self.config.r1_interval == 0:
            with self.phase("r1"):
                penalty = self._r1(real, c)
                (penalty * (self.r1_gamma / 2 * self.config.r1_interval)).backward()
            losses["r1"] = penalty.detach()
        with self.phase("discriminator: update"):
            finite = self._update("d")
        if finite:
            self.generator.mapping.update_w_avg(w)
        right = (real_logits > 0).float().mean(), (fake_logits < 0).float().mean()
        return _floats(losses), finite, (float(right[0]), float(right[1]))

    def _generator_step(
        self, real: Tensor, c: Tensor | None, values: Tensor | None
    ) -> tuple[dict[str, float], bool]:
        self.discriminator.requires_grad_(False)
        batch = len(real)
        with self.phase("generator: forward"), self._autocast():
            ws, w = self._mixed_ws(batch, c)
            fake = self._synthesize(ws, self._noise(batch))
            loss = self.loss.generator(self._judge(fake, c)).mean()
        losses = {"generator": loss.detach()}
        with self.phase("generator: backward"):
            loss.backward()
        weight, interval = self.config.path_length_weight, self.config.path_length_interval
        path_mean = self.path_mean
        if weight and self.step % interval == 0:
            with self.phase("path length"):
                penalty = self._path_length(max(batch // 2, 1), c)
                (penalty * (weight * interval)).backward()
            losses["path_length"] = penalty.detach()
        if self.autoencoder is not None:
            half = batch // 2  # as much again as the step itself would be too much
            real, c = real[:half], None if c is None else c[:half]
            values = None if values is None else values[:half]
            regression_losses, encoded = self._learn_to_reconstruct(real, c, values)
            losses |= regression_losses
        with self.phase("generator: update"):
            names = ("g",) if self.autoencoder is None else ("g", "e")
            finite = self._update(*names)
        if finite:
            self.generator.mapping.update_w_avg(w)
            if self.autoencoder is not None:
                self.autoencoder.remember(encoded, c)
        else:
            self.path_mean = path_mean  # or one bad step would spoil all that follow
        return _floats(losses), finite

    def _average(self, batch: int) -> None:
        with self.phase("average"):
            decay = ema_decay(
                batch,
                self.config.ema_half_life_kimg,
                seen_images=self.seen_images,
                ramp=self.config.ema_ramp,
            )
            update_ema(self.generator_ema, self.generator, decay)

    def _judge_both(self, real: Tensor, fake: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits of real and generated images, in one pass where that changes nothing.

        Real and generated images alternate in the shared batch: image n belongs to minibatch
        deviation's group n mod (number of groups), so that an even number keeps the groups pure.
        """
        n = len(real)
        group = cast(Any, self.discriminator.config).mbstd_group_size
        if group is None or (2 * n // min(group, 2 * n)) % 2:
            return self._judge(real, c), self._judge(fake, c)
        both = torch.stack([real, fake], dim=1).flatten(0, 1)  # (2 N, C, H, W)
        classes = None if c is None else c.repeat_interleave(2, dim=0)
        logits = self._judge(both.contiguous(memory_format=torch.channels_last), classes)
        return logits[0::2], logits[1::2]

    def _r1(self, real: Tensor, c: Tensor | None) -> Tensor:
        images = real.detach().requires_grad_()
        with self._autocast():
            logits = self.discriminator(images, c)
        logits = logits.reshape(len(images), -1).mean(dim=1)  # of all places, as in the loss
        return r1_penalty(images, logits).mean()

    def _path_length(self, batch: int, c: Tensor | None) -> Tensor:
        with self._autocast():
            ws, _ = self._mixed_ws(batch, None if c is None else c[:batch])
            ws = ws if ws.requires_grad else ws.contiguous().requires_grad_()
            images = self.generator.synthesis(ws, self._noise(batch))
        direction = torch.randn(images.shape, generator=self.random, device=self.device)
        penalty, self.path_mean = path_penalty(path_lengths(images, ws, direction), self.path_mean)
        return penalty.mean()

    def _learn_to_reconstruct(
        self, real: Tensor, c: Tensor | None, values: Tensor | None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Gradients of reconstructing images, and of making w that are distributed as theirs.

        Returns the losses and the images' w, which are remembered for steps to come.
        """
        assert self.autoencoder is not None
        weight = self.config.reconstruction_weight
        settled = self._settled
        with self.phase("reconstruction"):
            with self._autocast():
                with torch.set_grad_enabled(not settled):
                    w = self.autoencoder.encoder(real, values)
                ws = w[:, None].expand(-1, self.generator.num_ws, -1)
                images = self._synthesize(ws, self._noise(len(real)))
                losses = {"reconstruction": reconstruction_loss(real, images).mean()}
                loss = losses["reconstruction"]
                if isinstance(self.discriminator, ProjectedDiscriminator):
                    perceive = self.discriminator.perceive
                    with torch.no_grad():
                        seen = perceive(real)
                    losses["perceptual"] = perceptual_loss(seen, perceive(images)).mean()
                    loss = loss + PERCEPTUAL_WEIGHT * losses["perceptual"]
            (loss * weight).backward()
        mapping = self.generator.mapping
        if not settled and self.autoencoder.remembered > 1:
            with self.phase("matching"):
                losses["mismatch"] = self.autoencoder.mismatch(mapping, self.random)
                (losses["mismatch"] * (MISMATCH_WEIGHT * weight)).backward()
        return {name: value.detach() for name, value in losses.items()}, w.detach()

    def _mixed_ws(self, batch: int, c: Tensor | None) -> tuple[Tensor, Tensor]:
        """ws with mixing regularisation (Karras et al. 2019, Section 3.1), and the first w."""
        mapping, num_ws = self.generator.mapping, self.generator.num_ws
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self._settled):
            w = mapping.w(self._latents(batch), c)
            ws = w[:, None].expand(-1, num_ws, -1)
            draw, crossover = self._draw(2)
            if draw < self.config.style_mixing_probability and num_ws > 1:
                other = mapping.w(self._latents(batch), c)[:, None].expand(-1, num_ws, -1)
                first = 1 + int(crossover * (num_ws - 1))
                ws = mix_styles(ws, other, range(first, num_ws))
        return ws, w

    def _draw(self, count: int) -> list[float]:
        uniform = torch.rand(count, generator=self.random, device=self.device)
        return [float(u) for u in uniform]

    def _latents(self, batch: int) -> Tensor:
        shape = (batch, self.generator.z_dim)
        return torch.randn(shape, generator=self.random, device=self.device)

    def _noise(self, batch: int) -> list[Tensor]:
        return [
            torch.randn(batch, 1, *shape, generator=self.random, device=self.device)
            for shape in self.generator.noise_shapes
        ]

    def _autocast(self) -> torch.autocast:
        enabled = self.config.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled)

    @property
    def _settled(self) -> bool:
        """Whether W is laid out for good: a flow knows the encoder's w, and mapping the flow.

        Encoder and mapping network rest from there on, and synthesis learns alone. A discriminator
        would pull mapping away from where people lie to what lies between them.
        """
        return self.matching is not None and int(self.matching.made) > 0

    @property
    def _pretraining_end(self) -> float:
        return self.config.pretraining_kimg * 1000

    @property
    def _matching_end(self) -> float:
        return self._pretraining_end + self.config.matching_kimg * 1000

    def _update(self, *names: str, share: float = 1.0) -> bool:
        """Step optimizers at this share of their rates, if every gradient is finite."""
        for name in names:
            for group in self.optimizers[name].param_groups:
                group["lr"] = self._full_rates[name] * share * self.learning_rate_factor
        return update(*(self.optimizers[name] for name in names))

    def halve_learning_rate(self) -> None:
        """Train on at half the rate, as after numbers went wrong."""
        self.learning_rate_factor /= 2

    def state_dict(self) -> dict[str, Any]:
        """Everything that a step depends on: nested dicts of tensors and plain data."""
        own = {"autoencoder": self.autoencoder, "matching": self.matching}
        return {k: v.state_dict() for k, v in own.items() if v is not None} | {
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "generator_ema": self.generator_ema.state_dict(),
            "optimizers": {k: optimizer_state(v) for k, v in self.optimizers.items()},
            "random": self.random.get_state(),
            "path_mean": self.path_mean,
            "step": self.step,
            "seen_images": self.seen_images,
            "learning_rate_factor": self.learning_rate_factor,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.generator_ema.load_state_dict(state["generator_ema"])
        if self.autoencoder is not None:
            self.autoencoder.load_state_dict(state["autoencoder"])
        if self.matching is not None:
            self.matching.load_state_dict(state["matching"])
        for name, optimizer in self.optimizers.items():
            load_optimizer_state(optimizer, state["optimizers"][name])
        self.random.set_state(state["random"].cpu())
        self.path_mean = state["path_mean"].to(self.device)
        self.step = state["step"]
        self.seen_images = state["seen_images"]
        self.learning_rate_factor = state["learning_rate_factor"]


def _place(network: _Network, device: torch.device) -> _Network:
    """Move a network, its convolutions in channels-last layout, ready to train."""
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.train().requires_grad_()


def _maybe_compile(module: nn.Module, compiled: bool) -> Any:
    return machine.compiled(module) if compiled else module


def _floats(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in losses.items()}
