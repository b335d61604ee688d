"""Which objective a run follows when: reconstruction, flow, matching, then adversarial."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wspace.training.config import TrainConfig
from wspace.training.plan import Plan

__all__ = ["Part", "Stage", "part_at"]

Stage = Literal["reconstruction", "flow", "matching", "adversarial"]


@dataclass(frozen=True)
class Part:
    """Where a run stands in its plan.

    Attributes:
        stage: the objective; a file of that name lies in `stages`.
        left: share of it that is still to come, in [0, 1]; 1 while that is not planned.
        generator_learns: False while the discriminator learns alone.
    """

    stage: Stage
    left: float = 1.0
    generator_learns: bool = True


def part_at(config: TrainConfig, plan: Plan, seen_images: int, *, flow_has_learned: bool) -> Part:
    """The part of a run that its next batch belongs to.

    Args:
        config: how the flow and matching share their stage, and how long the discriminator learns
            alone.
        plan: when stages end.
        seen_images: by the run so far.
        flow_has_learned: matching needs pairs, and so at least one step of the flow before it.
    """
    stage = plan.stage(seen_images)
    reconstruction_end, matching_end = plan.ends["reconstruction"], plan.ends["matching"]
    if stage == "reconstruction":
        if reconstruction_end is None:
            return Part("reconstruction")
        return Part("reconstruction", left=1 - seen_images / reconstruction_end)
    if stage == "matching":
        if matching_end is None or reconstruction_end is None:
            return Part("flow")
        left = (matching_end - seen_images) / (matching_end - reconstruction_end)
        flow_share = config.matching.flow_share
        if left <= 1 - flow_share and flow_has_learned:
            return Part("matching", left=left / (1 - flow_share))
        return Part("flow", left=max(1 - (1 - left) / flow_share, 0.0))
    alone = config.adversarial.warmup_kimg * 1000
    learns = matching_end is None or not 0 <= seen_images - matching_end < alone
    return Part("adversarial", left=plan.left(seen_images), generator_learns=learns)
