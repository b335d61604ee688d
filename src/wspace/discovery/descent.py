"""Directions that go downhill: a step is changed until a judge sees what it should, and no more.

Source: Wu et al. 2021 (StyleSpace Analysis), Section 5, for single channels that an attribute asks
for; the gradient goes through the judge, as in Patashnik et al. 2021 (StyleCLIP), Section 6.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.discovery.wanted import Wanted, beside
from wspace.metrics.judge import Judging
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit, Recipe
from wspace.steering.editing import styles_of
from wspace.steering.white_space import WhiteSpace

__all__ = ["EditSteps", "Steps", "StyleSteps", "WSteps", "descend"]

STEPS = 60
BATCH = 12  # pictures a step
KEEP = 4.0  # weight of what should stay, beside what should come
LOCAL = 4.0  # of how much pixels change, likewise
BETAS = (0.5, 0.9)
CHANNELS = 64  # that a direction in style space keeps
PRUNED_AFTER = 20  # steps in which all channels may take part
SPARSE = 0.002  # weight of a channel's amount, in deviations


class Steps(ABC):
    """A space that steps are taken in; a step is a vector, in standard deviations.

    Attributes:
        rate: of the descent, in deviations.
        sparse: weight of the step's absolute values.
        kept: entries that stay after `PRUNED_AFTER` steps; None for all.
    """

    rate: float
    sparse: float = 0.0
    kept: int | None = None

    @abstractmethod
    def start(self, normal: Tensor) -> Tensor:
        """The step to begin with, given the normal (w_dim,) of a plane, see `WhiteSpace`."""

    @abstractmethod
    def images(self, rows: Tensor, step: Tensor, lengths: Tensor) -> Tensor:
        """Pictures after steps.

        Args:
            rows: (N,), which of the samples.
            step: see the class.
            lengths: (N,), factors on the step.

        Returns:
            (N, C, H, W), differentiable with respect to the step.
        """

    @abstractmethod
    def taken(self, recipes: Sequence[Recipe], step: Tensor, length: float) -> list[Recipe]:
        """Recipes after such a step, ``length`` times."""


class EditSteps(Steps):
    """Steps that recipes can hold as edits."""

    @abstractmethod
    def edit(self, step: Tensor, length: float = 1.0) -> Edit:
        """The edit that takes such a step at strength 1."""

    def taken(self, recipes: Sequence[Recipe], step: Tensor, length: float) -> list[Recipe]:
        """See `Steps.taken`."""
        edit = self.edit(step, length)
        return [recipe.replace(edits=(*recipe.edits, edit)) for recipe in recipes]


class WSteps(EditSteps):
    """Steps in W, counted where all w are spread alike.

    Args:
        generator: the model.
        w: (S, w_dim), samples.
        layers: of ws, those that take the step; None for all.
    """

    rate = 0.12
    begin = 3.0  # deviations along the normal

    def __init__(
        self, generator: Generator, w: Tensor, layers: tuple[int, ...] | None = None
    ) -> None:
        self.generator, self.w, self.layers = generator, w, layers
        self.space = WhiteSpace.of(w)
        self.takes = torch.zeros(generator.num_ws, 1)
        self.takes[list(layers or range(generator.num_ws))] = 1

    def start(self, normal: Tensor) -> Tensor:
        """See `Steps.start`."""
        return self.begin * normal.float()

    def images(self, rows: Tensor, step: Tensor, lengths: Tensor) -> Tensor:
        """See `Steps.images`."""
        moved = lengths[:, None] * self._in_w(step)
        ws = self.w[rows][:, None] + moved[:, None] * self.takes
        images: Tensor = self.generator.synthesis(ws.to(self.generator.w_avg))
        return images

    def edit(self, step: Tensor, length: float = 1.0) -> Edit:
        """See `EditSteps.edit`."""
        return Edit(direction=tuple((self._in_w(step) * length).tolist()), layers=self.layers)

    def _in_w(self, step: Tensor) -> Tensor:
        return (step * self.space.deviations) @ self.space.axes


class StyleSteps(EditSteps):
    """Steps in style space, of few channels; each is counted in its own standard deviation.

    Args:
        generator: the model.
        w: (S, w_dim), samples.
        layers: of ws, whose styles may change; None for all.
    """

    rate, sparse, kept = 0.2, SPARSE, CHANNELS

    def __init__(
        self, generator: Generator, w: Tensor, layers: tuple[int, ...] | None = None
    ) -> None:
        self.generator, self.w = generator, w
        ws = w.to(generator.w_avg)[:, None].expand(-1, generator.num_ws, -1)
        with torch.no_grad():
            styles = styles_of(generator, ws)
        self.widths = [style.shape[1] for style in styles]
        self.deviations = torch.cat(styles, dim=1).std(dim=0).cpu()
        for own, (layer, _) in zip(
            self.deviations.split(self.widths), generator.affine_layers, strict=True
        ):
            if layers is not None and layer not in layers:
                own.zero_()

    def start(self, normal: Tensor) -> Tensor:
        """See `Steps.start`: nothing; the first gradients say which channels matter."""
        return torch.zeros_like(self.deviations)

    def images(self, rows: Tensor, step: Tensor, lengths: Tensor) -> Tensor:
        """See `Steps.images`."""
        offsets = (lengths[:, None] * (step * self.deviations)).to(self.generator.w_avg)
        ws = self.w[rows].to(self.generator.w_avg)[:, None].expand(-1, self.generator.num_ws, -1)
        split = offsets.split(self.widths, dim=1)
        images: Tensor = self.generator.synthesis(ws, style_offsets=split)
        return images

    def edit(self, step: Tensor, length: float = 1.0) -> Edit:
        """See `EditSteps.edit`."""
        amounts = (step * self.deviations * length).split(self.widths)
        channels = [
            (style, int(channel), float(own[channel]))
            for style, own in enumerate(amounts)
            for channel in own.nonzero()[:, 0]
        ]
        return Edit(channels=tuple(channels))


def descend(
    space: Steps,
    judging: Judging,
    wanted: Wanted,
    step: Tensor,
    lacking: Tensor,
    *,
    steps: int = STEPS,
    batch: int = BATCH,
    seed: int = 0,
) -> Tensor:
    """A step that gives pictures an attribute when it is taken once to twice, and little else.

    It is changed so that the judge is sure of the attribute, decides as before on all kinds that it
    should leave alone, and few pixels change.

    Args:
        space: where the step lies.
        judging: what it sees is asked for and kept.
        wanted: the attribute.
        step: to begin with, see `Steps.start`.
        lacking: (L,), rows of the space's samples that could get the attribute, L >= 1.
        steps: of the descent.
        batch: pictures a step.
        seed: of the draws.

    Returns:
        The shape of ``step``.
    """
    judge, kinds = judging.judge, list(judging.judge.values)
    device = next(judge.network.parameters()).device
    asked, own = wanted.codes(judging), kinds.index(wanted.kind)
    kept = [kinds.index(kind) for kind in beside(judging, wanted)]
    draws = torch.Generator().manual_seed(seed)
    mask = torch.ones_like(step)
    step = step.clone().requires_grad_()
    optimizer = torch.optim.Adam([step], lr=space.rate, betas=BETAS)
    for i in range(steps):
        if i == PRUNED_AFTER and space.kept is not None:
            strongest = step.detach().abs().topk(min(space.kept, len(step))).indices
            mask = torch.zeros_like(mask).index_fill(0, strongest, 1.0)
        optimizer.param_groups[0]["lr"] = space.rate * math.cos(math.pi / 2 * i / steps)
        rows = lacking[torch.randint(len(lacking), (batch,), generator=draws)]
        lengths = 1 + torch.rand(batch, generator=draws)
        with torch.no_grad():
            plain = space.images(rows, torch.zeros_like(step), lengths).to(device)
            before = [one.argmax(dim=1) for one in judge.network.seen(plain)[1]]
        with torch.enable_grad():
            images = space.images(rows, step * mask, lengths).to(device)
            _, logits = judge.network.seen(images.clamp(-1, 1))
            loss = -logits[own].log_softmax(dim=1)[:, asked].logsumexp(dim=1).mean()
            if kept:
                others = [F.cross_entropy(logits[k], before[k]) for k in kept]
                loss = loss + KEEP * torch.stack(others).mean()
            loss = loss + LOCAL * (images - plain).abs().mean()
            loss = loss + space.sparse * (step * mask).abs().sum()
            (step.grad,) = torch.autograd.grad(loss, [step])
        optimizer.step()
    return (step * mask).detach()
