"""What the judge of edits gets wrong by itself: what others hide, and changes of mind."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wspace.data.dataset import Dataset
from wspace.discovery.labelled import decisions_on
from wspace.discovery.wanted import Wanted, beside
from wspace.metrics.judge import CLEAR, Judging, truth_of
from wspace.networks.generator import Generator
from wspace.recipe.recipe import NoiseSettings, Recipe, Source
from wspace.steering.latents import w_of_sources

__all__ = ["Hiding", "still_table"]

STILL = (0.02, 0.05, 0.1, 0.2)  # deviations of w


class Hiding:
    """Which attributes a judge cannot tell in real pictures that have a given one.

    Args:
        data: what the judge was held against.
        judging: the judge.
    """

    def __init__(self, data: Dataset, judging: Judging) -> None:
        truth = truth_of(data)
        assert truth is not None
        self._judging = judging
        self._right = torch.from_numpy(truth.codes[judging.indices])  # kinds as the judge's

    def hidden(self, wanted: Wanted) -> tuple[str, ...]:
        """The kinds that are not clear there, see `Judging.clear`."""
        kinds = list(self._judging.judge.values)
        having = wanted.in_decisions(self._judging, self._right)
        right, seen = self._right[having], self._judging.real.decisions[having]
        found = []
        for kind in beside(self._judging, wanted):
            own = right[:, kinds.index(kind)]
            commonest = float(own.bincount().max()) / len(own)
            accuracy = float((seen[:, kinds.index(kind)] == own).double().mean())
            if commonest == 1 or accuracy - commonest < CLEAR * (1 - commonest):
                found.append(kind)
        return tuple(found)


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
