"""Mapping learns where each z belongs in W, from pairs of z and w that a flow has made.

Source: Liu et al. 2023 (Rectified Flow), Section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from wspace.training.config import MatchingConfig
from wspace.training.context import Batch, Context, StepResult
from wspace.training.optimizers import REGRESSION_BETAS, Muon, adam, matrices_and_others
from wspace.training.schedule import Part
from wspace.training.stages.autoencoder import Autoencoder
from wspace.training.stages.flow_pairs import NEW_PAIRS, FlowPairs

__all__ = ["Matching"]


class Matching:
    """The mapping network learns the flow's pairs by regression; all else rests.

    Args:
        context: gets the optimizers "matching weights" and "matching biases".
        config: of this objective.
        pairs: the flow, which has learned.
        autoencoder: remembers classes as they are spread over the real images.
    """

    def __init__(
        self, context: Context, config: MatchingConfig, pairs: FlowPairs, autoencoder: Autoencoder
    ) -> None:
        self.config, self.pairs, self.autoencoder = config, pairs, autoencoder
        mapping = context.generator.mapping
        scale = mapping.config.lr_multiplier  # its weights are multiplied by this
        weights, biases = matrices_and_others(mapping)
        context.add_optimizers(
            **{
                "matching weights": Muon(
                    weights,
                    config.weight_rate / scale,
                    dtype=context.working_type,
                    rounds=config.rounds,
                ),
                "matching biases": adam(biases, config.bias_rate / scale, REGRESSION_BETAS),
            }
        )

    def step(self, context: Context, batch: Batch, part: Part, number: int) -> StepResult:
        """New pairs, and some updates on all pairs kept.

        Args:
            context: the networks.
            batch: real images; only their number and classes count.
            part: how much of the stage is still to come; the rates fall with it.
            number: of the step in its run; without effect.
        """
        mapping, losses = context.generator.mapping, dict[str, Tensor]()
        with context.section("matching"):
            _, classes = self.autoencoder.recall(NEW_PAIRS, context.random)
            with context.autocast():
                self.pairs.make_pairs(classes, context.random)
            for _ in range(self.config.updates):
                with context.autocast():
                    losses["matching"] = self.pairs.mapping_loss(
                        mapping, self.config.compared, context.random, context.group
                    )
                losses["matching"].backward()
                if not context.update("matching weights", "matching biases", share=part.left):
                    return StepResult(losses=context.floats(losses), finite=False)
            with torch.no_grad():
                w = mapping.w(context.latents(len(batch)), batch.c)
                context.update_w_avg(w, batch.c)
        return StepResult(losses=context.floats(losses), finite=True)
