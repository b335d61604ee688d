"""Generator against discriminator, with lazy R1 and path length regularisation.

Source: Goodfellow et al. 2014; Karras et al. 2019 (StyleGAN), Appendix C; lazy regularisation from
Karras et al. 2020 (StyleGAN2), Section 3.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from wspace.errors import WspaceError
from wspace.networks.projected import ProjectedDiscriminator
from wspace.training.augment import Augmentation
from wspace.training.config import AdversarialConfig
from wspace.training.context import Batch, Context, StepResult
from wspace.training.losses import Loss
from wspace.training.optimizers import adam
from wspace.training.regularizers import path_lengths, path_penalty, r1_penalty
from wspace.training.schedule import Part
from wspace.training.stages.reconstruction import Reconstruction

__all__ = ["Adversarial", "Generated", "judge_both", "lowest_blocks"]

BETAS = (0.0, 0.99)


@dataclass(frozen=True, kw_only=True)
class Generated:
    """Images of random z.

    Attributes:
        images: (N, C, H, W), as the discriminator sees them.
        w: (N, w_dim), of their first layer.
        seen: what the discriminator's pretrained network sees in them; None where it has none, or
            where it sees them together with real ones.
    """

    images: Tensor
    w: Tensor
    seen: list[Tensor] | None


class Adversarial:
    """Both networks learn from each other.

    Args:
        context: gets the optimizers "generator" and "discriminator".
        config: of this objective.
        loss: what both networks minimise.
        r1_gamma: weight of R1 at this resolution and batch size.
        reconstruction: goes on beside the discriminator, on half of each batch; or None.

    Attributes:
        resting: parameters of the discriminator that never change.
        path_mean: running mean of path lengths, a scalar.
        augment: changes what the discriminator sees.
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
        self.augment = Augmentation(config)
        rate, rate_d = config.learning_rate, config.learning_rate_d
        lowest = lowest_blocks(context.discriminator, config.freeze_d)
        self.resting = [p for block in lowest for p in block.parameters()]
        chosen = {id(parameter) for parameter in self.resting}
        learning = [p for p in context.discriminator.parameters() if id(p) not in chosen]
        path_interval = config.path_length_interval if config.path_length_weight else None
        context.add_optimizers(
            generator=adam(context.generator, rate, BETAS, interval=path_interval),
            discriminator=adam(
                learning,
                rate if rate_d is None else rate_d,
                BETAS,
                interval=config.r1_interval,
            ),
        )

    def step(self, context: Context, batch: Batch, part: Part, number: int) -> StepResult:
        """The discriminator learns, then the generator.

        Args:
            context: the networks.
            batch: real images.
            part: of the run; rates fall over the last ``config.anneal`` of it.
            number: of the step in its run; each regulariser has an interval of its own.
        """
        share = min(part.left / self.config.anneal, 1.0) if self.config.anneal else 1.0
        once = self.config.generations == 1 and part.generator_learns
        augmented = (self.augment.strength, self.augment.overfitting) if self.augment.on else None
        made = self._generate(context, batch, learns=once, update_emas=True)
        losses, finite, right, sure = self._train_discriminator(context, batch, made, number, share)
        learned = finite
        if finite and part.generator_learns:
            if not once:
                made = self._generate(context, batch, learns=True)
            generator_losses, finite = self._train_generator(context, batch, made, number, share)
            losses |= generator_losses
        if learned:
            self.augment.observe(sure, context.of_all(len(batch)))
        return StepResult(
            losses=losses,
            finite=finite,
            right=right,
            generator_learned=part.generator_learns,
            augmented=augmented,
        )

    def _generate(
        self, context: Context, batch: Batch, *, learns: bool, update_emas: bool = False
    ) -> Generated:
        """Images of random z with the batch's classes; with gradients where the generator learns.

        Where they are made once for both networks, they are changed once, and the discriminator's
        pretrained network sees them once, too.
        """
        name = "generator: forward" if learns else "discriminator: generate"
        with context.section(name), torch.set_grad_enabled(learns), context.autocast():
            ws, w = context.mixed_ws(len(batch), batch.c)
            images = context.synthesize(ws, update_emas=update_emas)
        images = self._changed(context, images)
        with context.section(name), torch.set_grad_enabled(learns), context.autocast():
            seen = context.perceive(images) if self.config.generations == 1 else None
        return Generated(images=images, w=w, seen=seen)

    def _changed(self, context: Context, images: Tensor) -> Tensor:
        """Images as the discriminator is to see them."""
        if not self.augment.strength:
            return images
        with context.section("augment"):
            return self.augment(images, context.random, context.group)

    def _mean(self, context: Context, values: Tensor) -> Tensor:
        """The mean of (N,) or (N, places); all heads of a discriminator count alike."""
        network = context.discriminator
        if isinstance(network, ProjectedDiscriminator) and not network.config.enlarged:
            values = network.average(values)
        return values.mean()

    def _train_discriminator(
        self, context: Context, batch: Batch, made: Generated, number: int, share: float
    ) -> tuple[dict[str, float], bool, tuple[float, float], float]:
        """Losses, whether all was finite, right answers, and the mean sign of real logits."""
        context.discriminator.requires_grad_(True)
        for parameter in self.resting:
            parameter.requires_grad_(False)
        real = self._changed(context, batch.images)
        which = batch.which if real is batch.images else None
        with context.section("discriminator: forward"), context.autocast():
            seen = None
            if made.seen is not None:
                seen = context.perceive_real(real, which), [maps.detach() for maps in made.seen]
            images = real, made.images.detach()
            real_logits, fake_logits = judge_both(context, *images, batch.c, seen)
            loss = self._mean(context, self.loss.discriminator(real_logits, fake_logits))
        measured = {"discriminator": loss.detach()}
        with context.section("discriminator: backward"):
            loss.backward()
        if number % self.config.r1_interval == 0:
            measured |= self._penalise(context, batch, made)
        with context.section("discriminator: update"):
            finite = context.update("discriminator", share=share)
        if finite:
            context.update_w_avg(made.w, batch.c)
        measured["right on real"] = (real_logits > 0).float().mean()
        measured["right on generated"] = (fake_logits < 0).float().mean()
        if self.augment.adapts:
            measured["sure"] = self._mean(context, real_logits.detach().sign())
        losses = context.floats(measured)
        right = losses.pop("right on real"), losses.pop("right on generated")
        return losses, finite, right, losses.pop("sure", 0.0)

    def _train_generator(
        self, context: Context, batch: Batch, made: Generated, number: int, share: float
    ) -> tuple[dict[str, float], bool]:
        context.discriminator.requires_grad_(False)
        with context.section("generator: judge"), context.autocast():
            logits = [context.judge(made.images, batch.c, made.seen)]
            if self.loss.paired:
                logits.append(self._judge_real(context, batch))
            loss = self._mean(context, self.loss.generator(*logits))
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
            finite = context.update(*names, share=share)
        if finite:
            if self.config.generations == 2:
                context.update_w_avg(made.w, batch.c)
            if self.reconstruction is not None:
                self.reconstruction.autoencoder.remember(*context.whole(encoded, half.c))
        else:
            self.path_mean = path_mean  # or one bad step would spoil all that follow
        return context.floats(losses), finite

    def _penalise(self, context: Context, batch: Batch, made: Generated) -> dict[str, Tensor]:
        """Give the discriminator the gradients of R1 and R2; the penalties that are on, by name."""
        found = {}
        # generated images are already as the discriminator sees them
        for name, gamma, images, changed in (
            ("r1", self.r1_gamma, batch.images, False),
            ("r2", self.config.r2_gamma, made.images, True),
        ):
            if gamma:
                with context.section(name):
                    penalty = self._slope(context, images, batch.c, changed=changed)
                    (penalty * (gamma / 2 * self.config.r1_interval)).backward()
                found[name] = penalty.detach()
        return found

    def _judge_real(self, context: Context, batch: Batch) -> Tensor:
        """The discriminator's logits of real images, changed as those that it learns from."""
        images = self._changed(context, batch.images)
        which = batch.which if images is batch.images else None
        with torch.no_grad():
            return context.judge(images, batch.c, context.perceive_real(images, which))

    def _slope(
        self, context: Context, images: Tensor, c: Tensor | None, *, changed: bool
    ) -> Tensor:
        """R1 of real images, or R2 of generated ones: a scalar, without its weight.

        ``changed``: whether they are already as the discriminator sees them.
        """
        images = images.detach().requires_grad_()
        # the penalty is of what they were before
        seen = images if changed else self._changed(context, images)
        with context.autocast():
            logits = context.judge(seen, c, compiled=False)
        logits = logits.reshape(len(images), -1).mean(dim=1)  # of all places, as in the loss
        penalty = r1_penalty(images, logits).mean()
        # as of enlarged images, over whose pixels the same gradient is spread
        return penalty * 0.25 ** math.floor(context.lod or 0.0)

    def _path_length(self, context: Context, count: int, c: Tensor | None) -> Tensor:
        with context.autocast():
            ws, _ = context.mixed_ws(count, None if c is None else c[:count])
            ws = ws if ws.requires_grad else ws.contiguous().requires_grad_()
            noise = context.noise(count)
            images = context.generator.synthesis(ws, noise, **context.at_this_size)
        lengths = path_lengths(images, ws, context.directions(images))
        mean = context.group.mean(lengths.mean(), "path lengths")
        penalty, self.path_mean = path_penalty(lengths, self.path_mean, batch_mean=mean)
        return penalty.mean()


def lowest_blocks(discriminator: nn.Module, count: int) -> list[nn.Module]:
    """The blocks that a discriminator sees an image through first; they rest in Freeze-D.

    Source: Mo et al. 2020 (Freeze the Discriminator), Section 3.

    Args:
        discriminator: of a preset.
        count: of blocks that halve the side, from the image on; with the layer that reads it.

    Raises:
        WspaceError: it has fewer.
    """
    if not count:
        return []
    blocks = cast(Any, discriminator).from_image
    if count > len(blocks):
        raise WspaceError(
            f"freeze_d={count} rests more than the {len(blocks)} blocks that this discriminator "
            f"has above 4²: give 1 to {len(blocks)}."
        )
    return [module for block in blocks[:count] for module in block]


def judge_both(
    context: Context,
    real: Tensor,
    fake: Tensor,
    c: Tensor | None,
    seen: tuple[list[Tensor] | None, list[Tensor]] | None = None,
) -> tuple[Tensor, Tensor]:
    """Logits of real and generated images, in one pass where that changes nothing.

    ``seen``: what the discriminator's pretrained network sees in both, where that is at hand.

    Real and generated images alternate in the shared batch: image n belongs to minibatch
    deviation's group n mod (number of groups), so that an even number keeps the groups pure.
    """
    n = len(real)
    group = cast(Any, context.discriminator.config).mbstd_group_size
    of_real, of_fake = (None, None) if seen is None else seen
    if group is None or (2 * n // min(group, 2 * n)) % 2:
        return context.judge(real, c, of_real), context.judge(fake, c, of_fake)
    classes = None if c is None else c.repeat_interleave(2, dim=0)
    maps = None
    if of_real is not None and of_fake is not None:
        maps = [_alternating(*pair) for pair in zip(of_real, of_fake, strict=True)]
    logits = context.judge(_alternating(real, fake), classes, maps)
    return logits[0::2], logits[1::2]


def _alternating(real: Tensor, fake: Tensor) -> Tensor:
    """(N, C, H, W) twice to (2 N, C, H, W), channels-last."""
    both = torch.stack([real, fake.to(real.dtype)], dim=1).flatten(0, 1)
    return both.contiguous(memory_format=torch.channels_last)
