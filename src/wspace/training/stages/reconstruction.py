"""Reconstruction: real images go through an encoder into W, and synthesis draws them again.

As a stage of its own it comes first: synthesis learns from every real image directly, which takes
far fewer images than learning from a discriminator. Later it goes on beside the discriminator.

Source: Larsen et al. 2016 (Autoencoding beyond pixels), Section 2.3.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wspace.training.config import ReconstructionConfig
from wspace.training.context import Batch, Context, StepResult, place
from wspace.training.losses import map_sizes, perceptual_loss, reconstruction_loss
from wspace.training.optimizers import REGRESSION_BETAS, Muon, adam, matrices_and_others
from wspace.training.schedule import Part
from wspace.training.stages.autoencoder import Autoencoder

__all__ = ["Reconstruction"]


class Reconstruction:
    """The encoder, and the generator's two halves learning from it.

    Args:
        context: gets the optimizers "encoder" and, where reconstruction is a stage of its own,
            "reconstruction mapping", "reconstruction convolutions" and "reconstruction others".
        config: of this objective.
        num_values: values of all attributes of the images where the encoder is told them; else 0.
    """

    def __init__(self, context: Context, config: ReconstructionConfig, num_values: int) -> None:
        self.config = config
        self.autoencoder = place(Autoencoder(context.generator.config, num_values), context.device)
        context.add_optimizers(
            encoder=adam(self.autoencoder, config.encoder_rate, REGRESSION_BETAS)
        )

    def add_own_optimizers(self, context: Context) -> None:
        """Those of the stage, which last as long as it does."""
        mapping, config = context.generator.mapping, self.config
        convolutions, others = matrices_and_others(context.generator.synthesis)
        context.add_optimizers(
            **{
                # its weights are multiplied by lr_multiplier, so its rate is divided by it
                "reconstruction mapping": adam(
                    mapping, config.learning_rate / mapping.config.lr_multiplier, REGRESSION_BETAS
                ),
                "reconstruction convolutions": Muon(
                    convolutions, config.convolution_rate, dtype=context.working_type
                ),
                "reconstruction others": adam(others, config.learning_rate, REGRESSION_BETAS),
            }
        )

    def step(self, context: Context, batch: Batch, part: Part, number: int) -> StepResult:
        """Learn from reconstructions alone.

        Args:
            context: the networks.
            batch: real images.
            part: how much of the stage is still to come; the rates fall with it.
            number: of the step in its run; without effect.
        """
        losses, w = self.learn(context, batch)
        with context.section("generator: update"):
            finite = context.update(
                "reconstruction mapping",
                "reconstruction convolutions",
                "reconstruction others",
                "encoder",
                share=min(part.left / self.config.settling, 1.0),
            )
        if finite:
            self.autoencoder.remember(*context.whole(w, batch.c))
            with torch.no_grad():
                own = context.generator.mapping.w(context.latents(len(batch)), batch.c)
            context.update_w_avg(own, batch.c)
        return StepResult(losses=context.floats(losses), finite=finite)

    def learn(self, context: Context, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        """Leave gradients of drawing images again, and of mapping z to where their w lie.

        Args:
            context: the networks. Where `Context.w_settled`, synthesis alone gets gradients.
            batch: real images.

        Returns:
            The losses by name, and the images' w, (N, w_dim), to be remembered.
        """
        config, resting = self.config, context.w_settled
        with context.section("reconstruction"):
            with context.autocast():
                with torch.set_grad_enabled(not resting):
                    w = self.autoencoder.encoder(batch.images, batch.values)
                ws = w[:, None].expand(-1, context.generator.num_ws, -1)
                images = context.synthesize(ws)
                losses = {"reconstruction": reconstruction_loss(batch.images, images).mean()}
                loss = losses["reconstruction"]
                seen = context.perceive_real(batch.images, batch.which)
                seen_again = context.perceive(images)
                if seen is not None and seen_again is not None:
                    sizes = context.group.mean(map_sizes(seen), "sizes of real maps")
                    losses["perceptual"] = perceptual_loss(seen, seen_again, sizes).mean()
                    loss = loss + config.perceptual_weight * losses["perceptual"]
            (loss * config.weight).backward()
        if not resting and self.autoencoder.remembered > 1:
            with context.section("matching"):
                mapping = context.generator.mapping
                losses["mismatch"] = self.autoencoder.mismatch(mapping, context.random)
                (losses["mismatch"] * (config.mismatch_weight * config.weight)).backward()
        return {name: value.detach() for name, value in losses.items()}, w.detach()
