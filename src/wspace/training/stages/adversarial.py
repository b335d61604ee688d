"""Generator against discriminator, with lazy R1 and path length regularisation.

Source: Goodfellow et al. 2014; Karras et al. 2019 (StyleGAN), Appendix C; lazy regularisation from
Karras et al. 2020 (StyleGAN2), Section 3.1.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from wspace.training.config import AdversarialConfig
from wspace.training.context import Batch, Context, StepResult, floats
from wspace.training.losses import Loss
from wspace.training.optimizers import adam
from wspace.training.regularizers import path_lengths, path_penalty, r1_penalty
from wspace.training.stages.reconstruction import Reconstruction

__all__ = ["Adversarial"]

BETAS = (0.0, 0.99)


class Adversarial:
    """Both networks learn from each other.

    Args:
        context: gets the optimizers "generator" and "discriminator".
        config: of this objective.
        loss: what both networks minimise.
        r1_gamma: weight of R1 at this resolution and batch size.
        reconstruction: goes on beside the discriminator, on half of each batch; or None.

    Attributes:
        path_mean: running mean of path lengths, a scalar.
    """

    def __init__(
        self,
        context: Context,
        config: AdversarialConfig,
        *,
        loss: Loss,
        r1_gamma: float,
        reconstruction: Reconstruction | None,
    ) -> None:
        self.config, self.r1_gamma, self.reconstruction = config, r1_gamma, reconstruction
        self.loss = loss
        self.path_mean = torch.zeros((), device=context.device)
        rate, rate_d = config.learning_rate, config.learning_rate_d
        path_interval = config.path_length_interval if config.path_length_weight else None
        context.add_optimizers(
            generator=adam(context.generator, rate, BETAS, interval=path_interval),
            discriminator=adam(
                context.discriminator,
                rate if rate_d is None else rate_d,
                BETAS,
                interval=config.r1_interval,
            ),
        )

    def step(
        self, context: Context, batch: Batch, number: int, *, generator_learns: bool
    ) -> StepResult:
        """The discriminator learns, then the generator.

        Args:
            context: the networks.
            batch: real images.
            number: of the step in its run; each regulariser has an interval of its own.
            generator_learns: False while the discriminator learns alone.
        """
        losses, finite, right = self._train_discriminator(context, batch, number)
        if finite and generator_learns:
            generator_losses, finite = self._train_generator(context, batch, number)
            losses |= generator_losses
        return StepResult(
            losses=losses, finite=finite, right=right, generator_learned=generator_learns
        )

    def _train_discriminator(
        self, context: Context, batch: Batch, number: int
    ) -> tuple[dict[str, float], bool, tuple[float, float]]:
        context.discriminator.requires_grad_(True)
        with context.section("discriminator: generate"), torch.no_grad(), context.autocast():
            ws, w = context.mixed_ws(len(batch), batch.c)
            fake = context.synthesize(ws)
        with context.section("discriminator: forward"), context.autocast():
            real_logits, fake_logits = judge_both(context, batch.images, fake, batch.c)
            loss = self.loss.discriminator(real_logits, fake_logits).mean()
        losses = {"discriminator": loss.detach()}
        with context.section("discriminator: backward"):
            loss.backward()
        if self.r1_gamma and number % self.config.r1_interval == 0:
            with context.section("r1"):
                penalty = self._r1(context, batch)
                (penalty * (self.r1_gamma / 2 * self.config.r1_interval)).backward()
            losses["r1"] = penalty.detach()
        with context.section("discriminator: update"):
            finite = context.update("discriminator")
        if finite:
            context.generator.mapping.update_w_avg(w)
        right = (real_logits > 0).float().mean(), (fake_logits < 0).float().mean()
        return floats(losses), finite, (float(right[0]), float(right[1]))

    def _train_generator(
        self, context: Context, batch: Batch, number: int
    ) -> tuple[dict[str, float], bool]:
        context.discriminator.requires_grad_(False)
        with context.section("generator: forward"), context.autocast():
            ws, w = context.mixed_ws(len(batch), batch.c)
            fake = context.synthesize(ws)
            loss = self.loss.generator(context.judge(fake, batch.c)).mean()
        losses = {"generator": loss.detach()}
        with context.section("generator: backward"):
            loss.backward()
        weight, interval = self.config.path_length_weight, self.config.path_length_interval
        path_mean = self.path_mean
        if weight and number % interval == 0:
            with context.section("path length"):
                penalty = self._path_length(context, max(len(batch) // 2, 1), batch.c)
                (penalty * (weight * interval)).backward()
            losses["path_length"] = penalty.detach()
        names = ["generator"]
        if self.reconstruction is not None:
            names.append("encoder")
            half = batch.first(len(batch) // 2)  # all of it would double the step
            regression_losses, encoded = self.reconstruction.learn(context, half)
            losses |= regression_losses
        with context.section("generator: update"):
            finite = context.update(*names)
        if finite:
            context.generator.mapping.update_w_avg(w)
            if self.reconstruction is not None:
                self.reconstruction.autoencoder.remember(encoded, half.c)
        else:
            self.path_mean = path_mean  # or one bad step would spoil all that follow
        return floats(losses), finite

    def _r1(self, context: Context, batch: Batch) -> Tensor:
        images = batch.images.detach().requires_grad_()
        with context.autocast():
            logits = context.discriminator(images, batch.c)
        logits = logits.reshape(len(images), -1).mean(dim=1)  # of all places, as in the loss
        return r1_penalty(images, logits).mean()

    def _path_length(self, context: Context, count: int, c: Tensor | None) -> Tensor:
        with context.autocast():
            ws, _ = context.mixed_ws(count, None if c is None else c[:count])
            ws = ws if ws.requires_grad else ws.contiguous().requires_grad_()
            images = context.generator.synthesis(ws, context.noise(count))
        direction = torch.randn(images.shape, generator=context.random, device=context.device)
        penalty, self.path_mean = path_penalty(path_lengths(images, ws, direction), self.path_mean)
        return penalty.mean()


def judge_both(
    context: Context, real: Tensor, fake: Tensor, c: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Logits of real and generated images, in one pass where that changes nothing.

    Real and generated images alternate in the shared batch: image n belongs to minibatch
    deviation's group n mod (number of groups), so that an even number keeps the groups pure.
    """
    n = len(real)
    group = cast(Any, context.discriminator.config).mbstd_group_size
    if group is None or (2 * n // min(group, 2 * n)) % 2:
        return context.judge(real, c), context.judge(fake, c)
    both = torch.stack([real, fake], dim=1).flatten(0, 1)  # (2 N, C, H, W)
    classes = None if c is None else c.repeat_interleave(2, dim=0)
    logits = context.judge(both.contiguous(memory_format=torch.channels_last), classes)
    return logits[0::2], logits[1::2]
