"""Adam and Muon as everything here trains with them: their rates, one joint update, their state."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

REGRESSION_BETAS = (0.9, 0.99)  # of Adam, for plain regression: it wants momentum

__all__ = [
    "Muon",
    "adam",
    "gradients",
    "load_optimizer_state",
    "matrices_and_others",
    "optimizer_state",
    "orthogonalized",
    "update",
]

# a, b and c of x -> a x + b x³ + c x⁵, which brings every singular value from (0, 1] to about 1
# within five rounds (Jordan et al. 2024).
_QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
_UPDATE_SIZE = 0.2  # of Muon's updates for a rate of 1: about the root mean square of Adam's


def adam(
    learning: nn.Module | Iterable[nn.Parameter],
    rate: float,
    betas: tuple[float, float],
    *,
    interval: int | None = None,
) -> torch.optim.Adam:
    """Adam on all parameters of a network, or on those given.

    Args:
        learning: what learns.
        rate: learning rate, > 0.
        betas: decay of both moments, in [0, 1).
        interval: steps between two lazy regularisation terms: rate and betas are scaled as in
            Karras et al. 2020 (StyleGAN2), Appendix B; None or 1: there are no such steps.
    """
    share = interval / (interval + 1) if interval is not None and interval > 1 else 1.0
    return torch.optim.Adam(
        learning.parameters() if isinstance(learning, nn.Module) else learning,
        lr=rate * share,
        betas=(betas[0] ** share, betas[1] ** share),
        eps=1e-8,
        fused=True,
    )


class Muon(torch.optim.Optimizer):
    """Momentum in which every direction counts alike: each update is made orthogonal.

    The gradient of a convolution's weights has a few large directions, which most images share, and
    many small ones, which hold what is rare. Adam moves along the large ones. Muon moves equally
    far along all, so that a network learns several times sooner to draw what few images show
    (benchmarks/RESULTS.md).

    Source: Jordan et al. 2024 (Muon: an optimizer for hidden layers in neural networks); sizes of
    updates from Liu et al. 2025 (Muon is scalable for LLM training), Section 2.2.

    Args:
        parameters: (O, ...) each, taken as matrices of O rows.
        rate: > 0; updates are as large as Adam's at the same rate.
        momentum: share of the past in each update, in [0, 1).
        dtype: of the products that make updates orthogonal; bfloat16 where that is fast, since the
            result is approximate anyway.
        rounds: of making them orthogonal; fewer leave small directions smaller, and take less time.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        rate: float,
        momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
        rounds: int = ROUNDS,
    ) -> None:
        super().__init__(parameters, {"lr": rate, "momentum": momentum})
        self.dtype, self.rounds = dtype, rounds

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if (gradient := parameter.grad) is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                average = state["momentum"].lerp_(gradient, 1 - group["momentum"])
                direction = gradient.lerp(average, group["momentum"]).flatten(start_dim=1)
                size = _UPDATE_SIZE * math.sqrt(max(direction.shape))
                change = orthogonalized(direction, self.dtype, self.rounds).reshape(parameter.shape)
                parameter.add_(change, alpha=-group["lr"] * size)


def orthogonalized(
    matrix: Tensor, dtype: torch.dtype = torch.float32, rounds: int = ROUNDS
) -> Tensor:
    """About the nearest matrix whose rows, or columns, are orthogonal and of length 1.

    Singular values of a thousandth of the norm and more come out as 0.7 to 1.2; a matrix of zeros
    stays as it is.

    Source: Jordan et al. 2024 (Muon), by Newton and Schulz's iteration.

    Args:
        matrix: (M, N).
        dtype: of the products.
        rounds: >= 1.

    Returns:
        (M, N), of ``matrix``'s type.
    """
    a, b, c = _QUINTIC
    x = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    x = (x / (x.norm() + 1e-12)).to(dtype)
    for _ in range(rounds):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    x = x.to(matrix.dtype)
    return x.T if matrix.shape[0] > matrix.shape[1] else x


def matrices_and_others(network: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters of a mapping or synthesis network: what `Muon` is for, and what Adam is for.

    The first are weights of layers, convolutions and styles; the others are biases, noise
    strengths, the learned constant, rows for classes, and the layers that make colours, whose rows
    are few.
    """
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        inner = name.endswith("weight") and parameter.ndim > 1 and "rgb" not in name
        (matrices if inner else others).append(parameter)
    return matrices, others


def gradients(*optimizers: torch.optim.Optimizer) -> list[Tensor]:
    """Of all parameters that have one."""
    return [
        parameter.grad
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
        if parameter.grad is not None
    ]


def update(*optimizers: torch.optim.Optimizer) -> bool:
    """Step the optimizers if every gradient is finite; clear the gradients in any case."""
    norms = torch.stack(torch._foreach_norm(gradients(*optimizers)))
    finite = math.isfinite(float(norms.sum()))
    for optimizer in optimizers:
        if finite:
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return finite


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Moments by the parameter's number; the rates follow from the configuration."""
    return {str(k): dict(v) for k, v in optimizer.state_dict()["state"].items()}


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """The inverse of `optimizer_state`."""
    whole = optimizer.state_dict()
    whole["state"] = {int(k): v for k, v in state.items()}
    optimizer.load_state_dict(whole)
