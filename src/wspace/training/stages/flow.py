"""A flow learns to carry noise to where the encoder puts real images in W.

Source: Lipman et al. 2023 (Flow Matching), Section 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wspace.training.config import MatchingConfig
from wspace.training.context import Batch, Context, StepResult
from wspace.training.optimizers import REGRESSION_BETAS, adam
from wspace.training.schedule import Part
from wspace.training.stages.autoencoder import Autoencoder
from wspace.training.stages.flow_pairs import FlowPairs

__all__ = ["Flow"]


class Flow:
    """The velocity field learns from the encoder's w; all else rests.

    Args:
        context: gets the optimizer "flow".
        config: of this objective.
        pairs: the flow.
        autoencoder: finds and remembers w.
    """

    def __init__(
        self, context: Context, config: MatchingConfig, pairs: FlowPairs, autoencoder: Autoencoder
    ) -> None:
        self.config, self.pairs, self.autoencoder = config, pairs, autoencoder
        context.add_optimizers(flow=adam(pairs.field, config.flow_rate, REGRESSION_BETAS))

    def step(self, context: Context, batch: Batch, part: Part, number: int) -> StepResult:
        """Some updates on w that the encoder finds now and found lately.

        Args:
            context: the networks.
            batch: real images.
            part: how much of the stage is still to come; the rates fall with it.
            number: of the step in its run; without effect.
        """
        losses: dict[str, Tensor] = {}
        with context.section("flow"):
            with torch.no_grad(), context.autocast():
                w = self.autoencoder.encoder(batch.images, batch.values)
            w, classes = context.whole(w, batch.c)
            if not w.isfinite().all():
                return StepResult(losses={}, finite=False)
            self.autoencoder.remember(w, classes)
            for _ in range(self.config.updates):
                w, classes = self.autoencoder.recall(self.config.compared, context.random)
                with context.autocast():
                    losses["flow"] = self.pairs.flow_loss(w, classes, context.random, context.group)
                losses["flow"].backward()
                if not context.update("flow", share=part.left):
                    return StepResult(losses=context.floats(losses), finite=False)
                self.pairs.average_field()
        return StepResult(losses=context.floats(losses), finite=True)
