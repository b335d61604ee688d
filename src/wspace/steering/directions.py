"""Finding directions in W: what a network's weights or its w say, and what labels ask for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit, Source
from wspace.recipe.syntax import check_seeds
from wspace.steering.latents import w_of_sources

__all__ = [
    "boundary",
    "calibrated",
    "closed_form",
    "principal",
    "sample_w",
    "without",
]

SAMPLES = 4096  # w that a spread is measured on
PENALTY = 1e-3  # of a boundary's squared weights, beside the mean loss
TRIED_DEVIATIONS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)  # longer steps leave what a model draws


def sample_w(
    generator: Generator, count: int = SAMPLES, *, seed: int = 0, class_index: int | None = None
) -> Tensor:
    """The w of ``count`` seeds from ``seed`` on.

    Args:
        generator: its mapping network is sampled; one with classes takes each in turn.
        count: >= 2.
        seed: 0 to 2**32 - 1; seeds wrap.
        class_index: only this class.

    Returns:
        (count, w_dim), float32, not truncated.

    Raises:
        WspaceError: no such seed, or a class that does not fit.
    """
    check_seeds([seed])
    classes = generator.num_classes
    drawn = [
        Source(
            seed=(seed + i) % 2**32,
            class_index=i % classes if classes and class_index is None else class_index,
        )
        for i in range(count)
    ]
    return w_of_sources(generator, drawn)


@torch.inference_mode()
def closed_form(
    generator: Generator, count: int, w: Tensor, layers: Sequence[int] | None = None
) -> tuple[Edit, ...]:
    """SeFa: the directions that move the styles of some layers most.

    Source: Shen and Zhou 2021 (Closed-Form Factorization of Latent Semantics in GANs), Section 3:
    eigenvectors of A^T A, A being the affine layers' weights. Each row of A is made of length 1, as
    the authors' experiments do.

    Args:
        generator: the model.
        count: directions, 1 to w_dim, the strongest first.
        w: (N, w_dim), that a step is measured on: strength 1 is one standard deviation of it.
        layers: of ws, whose styles are asked and which take the step; None for all.

    Raises:
        WspaceError: a count outside its range, or layers that make no style.
    """
    _check_count(count, generator)
    taken = None if layers is None else set(layers)
    weights = [
        layer.weight.detach().double()
        for index, layer in generator.affine_layers
        if taken is None or index in taken
    ]
    if not weights:
        raise WspaceError(f"layers {sorted(taken or ())} make no style here: give others.")
    rows = torch.cat(weights)
    rows = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)
    _, _, vectors = torch.linalg.svd(rows, full_matrices=False)
    chosen = None if layers is None else tuple(sorted(set(layers)))
    return tuple(_edit(vector, w, chosen) for vector in vectors[:count])


@torch.inference_mode()
def principal(w: Tensor, count: int, layers: Sequence[int] | None = None) -> tuple[Edit, ...]:
    """PCA: the directions in which w differ most.

    Source: Härkönen et al. 2020 (GANSpace), Section 2.1.

    Args:
        w: (N, w_dim), N > ``count``.
        count: directions, at most w_dim, the widest first; strength 1 is one standard deviation.
        layers: of ws, which take the step; None for all.

    Raises:
        WspaceError: more directions than w have dimensions, or too few w.
    """
    if not 1 <= count <= min(w.shape[1], len(w) - 1):
        raise WspaceError(
            f"count={count} directions of {len(w)} w: give 1 to {min(w.shape[1], len(w) - 1)}."
        )
    centred = w.double() - w.double().mean(dim=0)
    _, _, vectors = torch.linalg.svd(centred, full_matrices=False)
    chosen = None if layers is None else tuple(sorted(set(layers)))
    return tuple(_edit(vector, w, chosen) for vector in vectors[:count])


def boundary(w: Tensor, scores: Tensor) -> Tensor:
    """The normal of the plane in W that tells pictures with an attribute from those without.

    Logistic regression with a small penalty on squared weights, w scaled to unit variance along
    its principal axes, so that rare ways of being different count as much as common ones.

    Source: Shen et al. 2020 (InterFaceGAN), Section 3.1, who use a support vector machine.

    Args:
        w: (N, w_dim).
        scores: (N,), how likely each picture has the attribute, in [0, 1].

    Returns:
        (w_dim,), float64, of length 1, towards the attribute.

    Raises:
        WspaceError: all pictures have it, or none.
    """
    scores = scores.double()
    if not 0 < int((scores > 0.5).sum()) < len(scores):
        raise WspaceError("every picture has the attribute, or none has: there is no boundary.")
    mean, deviation = w.double().mean(dim=0), w.double().std(dim=0).clamp(min=1e-9)
    x = (w.double() - mean) / deviation
    weights = torch.zeros(w.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")
    balance = torch.where(scores > 0.5, 0.5 / scores.mean(), 0.5 / (1 - scores.mean()))

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = x @ weights[:-1] + weights[-1]
        errors = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, scores, weight=balance
        )
        value: Tensor = errors + PENALTY * weights[:-1].square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    normal = weights.detach()[:-1] / deviation
    unit: Tensor = normal / normal.norm()
    return unit


def without(direction: Tensor, others: Tensor) -> Tensor:
    """A direction with the parts along others projected out: conditional manipulation.

    Source: Shen et al. 2020 (InterFaceGAN), Section 3.3.

    Args:
        direction: (w_dim,).
        others: (K, w_dim), K < w_dim; they need not be independent.

    Returns:
        (w_dim,), of length 1.

    Raises:
        WspaceError: nothing is left.
    """
    _, values, basis = torch.linalg.svd(others.double(), full_matrices=False)
    basis = basis[values > 1e-9 * values.max().clamp(min=1e-300)]
    left = direction.double() - basis.T @ (basis @ direction.double())
    if left.norm() < 1e-6 * direction.norm():
        raise WspaceError("the direction says nothing that the others do not: leave some out.")
    unit: Tensor = left / left.norm()
    return unit


def calibrated(
    share: Callable[[float], float], deviation: float, halvings: int = 8
) -> float | None:
    """The length of the shortest step that changes half of the pictures.

    Longer steps are tried one after the other: one that is far too long leaves what a model can
    draw, and changes nothing as asked any more.

    Args:
        share: the share of pictures that a step of a length changes as asked, in [0, 1].
        deviation: a standard deviation of w along the direction; `TRIED_DEVIATIONS` of it are
            tried.
        halvings: of the interval between the last step that was too short and the first that was
            long enough.

    Returns:
        The length, > 0; None where no step changes half of them.
    """
    low = 0.0
    for count in TRIED_DEVIATIONS:
        high = count * deviation
        if share(high) >= 0.5:
            break
        low = high
    else:
        return None
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) < 0.5 else (low, middle)
    return high


def _check_count(count: int, generator: Generator) -> None:
    if not 1 <= count <= generator.w_dim:
        raise WspaceError(f"count={count} is outside 1 to {generator.w_dim}: give fewer.")


def _edit(vector: Tensor, w: Tensor, layers: tuple[int, ...] | None) -> Edit:
    """An edit of one standard deviation of w; the sign is the one whose largest part is > 0."""
    vector = vector * vector[vector.abs().argmax()].sign()
    deviation = (w.double() @ vector).std()
    return Edit(direction=tuple((vector * deviation).tolist()), layers=layers)
