"""Adam as everything here trains with it: what it starts with, one joint update, and its state."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

__all__ = ["adam", "load_optimizer_state", "optimizer_state", "update"]


def adam(
    network: nn.Module, rate: float, betas: tuple[float, float], *, interval: int | None = None
) -> torch.optim.Adam:
    """Adam on all parameters of a network.

    Args:
        network: what learns.
        rate: learning rate, > 0.
        betas: decay of both moments, in [0, 1).
        interval: steps between two lazy regularisation terms: rate and betas are scaled as in
            Karras et al. 2020 (StyleGAN2), Appendix B; None or 1: there are no such steps.
    """
    share = interval / (interval + 1) if interval is not None and interval > 1 else 1.0
    return torch.optim.Adam(
        network.parameters(),
        lr=rate * share,
        betas=(betas[0] ** share, betas[1] ** share),
        eps=1e-8,
        fused=True,
    )


def update(*optimizers: torch.optim.Adam) -> bool:
    """Step the optimizers if every gradient is finite; clear the gradients in any case."""
    gradients = [
        parameter.grad
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]
    norms = torch.stack(torch._foreach_norm(gradients))
    finite = math.isfinite(float(norms.sum()))
    for optimizer in optimizers:
        if finite:
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return finite


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Adam's moments by the parameter's number; the rates follow from the configuration."""
    return {str(k): dict(v) for k, v in optimizer.state_dict()["state"].items()}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """The inverse of `optimizer_state`."""
    whole = optimizer.state_dict()
    whole["state"] = {int(k): v for k, v in state.items()}
    optimizer.load_state_dict(whole)
