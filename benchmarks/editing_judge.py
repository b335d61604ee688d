"""What the judge of edits gets wrong by itself: what others hide, and changes of mind."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wspace.discovery.labelled import decisions_on
from wspace.discovery.wanted import Wanted, beside
from wspace.metrics.judge import Judging
from wspace.networks.generator import Generator
from wspace.recipe.recipe import NoiseSettings, Recipe, Source
from wspace.steering.latents import w_of_sources

__all__ = ["Hiding", "still_table"]

STILL = (0.02, 0.05, 0.1, 0.2)  # deviations of w


class Hiding:
    """What attributes hide of others, as glasses hide eyes.

    Args:
        right: (N, kinds), what the real pictures show that the judge was held against.
        judging: the judge.
    """

    def __init__(self, right: Tensor, judging: Judging) -> None:
        self._right, self._judging = right, judging

    def hidden(self, wanted: Wanted) -> tuple[str, ...]:
        """The kinds that the judge tells half as well, or less, where an attribute is.

        Real pictures that have it are compared with all; how well is what the judge gets right of
        what guessing the commonest value gets wrong.
        """
        having = wanted.in_decisions(self._judging, self._right)
        every = torch.ones_like(having)
        return tuple(
            kind
            for kind in beside(self._judging, wanted)
            if self._told(kind, having) <= self._told(kind, every) / 2
        )

    def _told(self, kind: str, rows: Tensor) -> float:
        k = list(self._judging.judge.values).index(kind)
        right, seen = self._right[rows, k], self._judging.real.decisions[rows, k]
        guessed = int(right.bincount().max())
        if guessed == len(right):
            return 1.0  # always the same there: nothing to tell
        return (int((seen == right).sum()) - guessed) / (len(right) - guessed)


def still_table(
    generator: Generator, judging: Judging, recipes: Sequence[Recipe], before: Tensor
) -> str:
    """How often, in %, a judge changes its mind where little or nothing changes.

    Args:
        generator: the model.
        judging: the judge.
        recipes: N pictures, each of one source.
        before: (N, kinds), what it sees in them.
    """
    kinds = list(judging.judge.values)
    columns = [kinds.index(kind) for kind in judging.clear]
    draws = torch.Generator().manual_seed(0)
    w = w_of_sources(generator, [recipe.sources[0] for recipe in recipes]).cpu()
    tried = {
        "noise maps drawn anew": [
            recipe.replace(noise=NoiseSettings(mode="seeded", seed=i))
            for i, recipe in enumerate(recipes)
        ]
    }
    for deviations in STILL:
        moved = w + deviations * w.std(dim=0) * torch.randn(w.shape, generator=draws)
        tried[f"w moved by {deviations:g} deviations"] = [
            recipe.replace(sources=(Source(w=tuple(row)),))
            for recipe, row in zip(recipes, moved.tolist(), strict=True)
        ]
    lines = [f"| | all | {' | '.join(judging.clear)} |", "| --- " * (2 + len(columns)) + "|"]
    for name, own in tried.items():
        after = decisions_on(generator, judging, own)
        shares = (after != before)[:, columns].double().mean(dim=0)
        cells = [f"{100 * float(share):.1f}" for share in (shares.mean(), *shares)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)
