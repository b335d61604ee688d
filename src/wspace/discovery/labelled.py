"""Directions from labels: a judge says what pictures show, and what a step should do about it.

In W the search begins with the plane that parts pictures with an attribute from those without
(Shen et al. 2020, InterFaceGAN, Section 3), in style space with nothing (Wu et al. 2021). From
there it goes downhill, see `descent`. Steps are measured on other pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from wspace.discovery.descent import Steps, StyleSteps, WSteps, descend
from wspace.discovery.wanted import Wanted, beside, wanted_attributes
from wspace.errors import WspaceError, one_line
from wspace.formats.directions import Direction
from wspace.metrics.features.generators import Drawing
from wspace.metrics.judge import Judging
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Recipe
from wspace.rendering.render import default_batch_size, stream
from wspace.steering.directions import boundary, calibrated, without
from wspace.steering.latents import w_of_sources
from wspace.steering.white_space import WhiteSpace

__all__ = [
    "ENOUGH",
    "SPACES",
    "STRENGTHS",
    "Samples",
    "Space",
    "Trial",
    "decisions_on",
    "find_step",
    "labelled_directions",
    "words_of",
]

SAMPLES = 4000  # pictures that planes are fitted to
TRIED = 200  # others, on which a step is measured
HALVINGS = 3  # of the interval that a step's length lies in
STRENGTHS = (1.0, 1.25, 1.5, 1.75, 2.0)  # that are tried, until one does
ENOUGH = 0.95  # of pictures; more than 0.9, since the judge that found a step is flattered by it
SHORTEST = 0.25  # of the step that was found; `directions.TRIED_DEVIATIONS` times that are tried

Space = Literal["w", "style"]
SPACES: dict[Space, type[WSteps] | type[StyleSteps]] = {"w": WSteps, "style": StyleSteps}
PREFIX: dict[Space, str] = {"w": "", "style": "style-"}  # of names

Progress = Callable[[int, int], None]


class Samples:
    """Pictures of a model, what a judge sees in them, and the planes that part them.

    Args:
        generator: the model.
        judging: says what pictures show.
        names: of attributes that are wanted beside the commonest ones.
        labels: (L,), of the data, for a model with classes.
        count: pictures that planes are fitted to.

    Attributes:
        w: (count, w_dim).
        decisions: (count, kinds).
        wanted: what can be looked for.

    Raises:
        WspaceError: no attribute is seen in some pictures and not in others, or a name that none
            of these has.
    """

    def __init__(
        self,
        generator: Generator,
        judging: Judging,
        *,
        names: Sequence[str] = (),
        labels: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None,
        count: int = SAMPLES,
    ) -> None:
        recipes = Drawing(generator=generator, num=count, labels=labels).recipes()
        w = w_of_sources(generator, [recipe.sources[0] for recipe in recipes])
        self.w = w.cpu().clone()  # outside inference mode, so that gradients may pass
        self.judging = judging
        self.decisions = decisions_on(generator, judging, recipes)
        self.wanted = wanted_attributes(judging, self.decisions)
        if not self.wanted:
            raise WspaceError(
                f"of {', '.join(judging.clear)} nothing is seen in some of {count} pictures and "
                "not in others: there is no direction to find."
            )
        every = wanted_attributes(judging, self.decisions, most=None) if names else self.wanted
        known = {one.name: one for one in [*every, *self.wanted]}
        for name in names:
            if name not in known:
                raise WspaceError(
                    f"there is no attribute {name!r:.60} that some pictures show and others do "
                    f"not: give some of {one_line(', '.join(known))}."
                )
            if known[name] not in self.wanted:
                self.wanted.append(known[name])
        u = WhiteSpace.of(self.w).u_of(self.w)  # all directions are alike there
        self._normals = [boundary(u, self.has(one).double()) for one in self.wanted]

    def has(self, wanted: Wanted) -> Tensor:
        """Which samples have an attribute, (count,), bool."""
        return wanted.in_decisions(self.judging, self.decisions)

    def lacking(self, wanted: Wanted) -> Tensor:
        """The rows of those that could get it, (L,), int64."""
        return wanted.lacking(self.judging, self.decisions).nonzero()[:, 0]

    def normal(self, wanted: Wanted) -> Tensor:
        """Of its plane in `WhiteSpace`, those of other kinds projected out: (w_dim,)."""
        own = self._normals[self.wanted.index(wanted)]
        others = [
            normal
            for normal, other in zip(self._normals, self.wanted, strict=True)
            if other.kind != wanted.kind
        ]
        return without(own, torch.stack(others)) if others else own


def labelled_directions(
    generator: Generator,
    judging: Judging,
    *,
    space: Space = "w",
    names: Iterable[str] | None = None,
    layers: tuple[int, ...] | None = None,
    labels: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None,
    samples: int = SAMPLES,
    tried: int = TRIED,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> dict[str, Direction]:
    """A direction for each attribute, that changes little beside.

    Strength 1 is the step that gives the attribute to half of the pictures that lacked it.

    Args:
        generator: the model.
        judging: says what pictures show.
        space: of the directions: W, or single channels of styles.
        names: of attributes, as `wanted_attributes` names them; None for all that are common.
        layers: of ws, that take the step; None for all.
        labels: (L,), of the data, for a model with classes.
        samples: pictures of the model that planes are fitted to.
        tried: other pictures, that each step is measured on.
        say: told which attributes were given up, and why.
        progress: called with attributes done, and all.

    Returns:
        Directions by name; what they change beside stands in ``about``.

    Raises:
        WspaceError: no attribute is seen in some pictures and not in others, or a name that none
            of these has.
    """
    named = () if names is None else tuple(dict.fromkeys(names))
    drawn = Samples(generator, judging, names=named, labels=labels, count=samples)
    by_name = {one.name: one for one in drawn.wanted}
    wanted = drawn.wanted if names is None else [by_name[name] for name in named]
    more = Drawing(generator=generator, num=tried, first_seed=samples, labels=labels).recipes()
    before = decisions_on(generator, judging, more)
    steps = SPACES[space](generator, drawn.w, layers)
    found: dict[str, Direction] = {}
    for i, one in enumerate(wanted):
        start = steps.start(drawn.normal(one))
        trial = Trial(generator, judging, one, steps, more, before)
        step = find_step(trial, start, drawn.lacking(one))
        if step is None:
            say(f"{one.name} is left out: no step gives it to half of the pictures")
        else:
            name = PREFIX[space] + one.name
            edit = steps.edit(step).replace(name=name)
            found[name] = Direction(edit=edit, about=words_of(one, *trial.enough(step)))
        if progress is not None:
            progress(i + 1, len(wanted))
    return found


class Trial:
    """What steps do to pictures that they were not found on.

    Args:
        generator: the model.
        judging: says what is seen.
        wanted: what a step should give.
        steps: the space that it lies in.
        recipes: N pictures.
        before: (N, kinds), what the judge sees in them.
    """

    def __init__(
        self,
        generator: Generator,
        judging: Judging,
        wanted: Wanted,
        steps: Steps,
        recipes: Sequence[Recipe],
        before: Tensor,
    ) -> None:
        self.generator, self.judging = generator, judging
        self.wanted, self.steps = wanted, steps
        lacking = wanted.lacking(judging, before)
        self._recipes = [recipes[i] for i in lacking.nonzero()[:, 0].tolist()]
        self._before = before[lacking]
        kinds = list(judging.judge.values)
        self._kept = [kinds.index(kind) for kind in beside(judging, wanted)]

    def of(self, step: Tensor, strength: float) -> tuple[float, float]:
        """The share of pictures that lacked the attribute and have it after the step.

        And the share of the other attributes that have changed in them, on average.
        """
        taken = self.steps.taken(self._recipes, step, strength)
        after = decisions_on(self.generator, self.judging, taken)
        changed = (after != self._before)[:, self._kept]
        others = float(changed.double().mean()) if self._kept else 0.0
        return float(self.wanted.in_decisions(self.judging, after).double().mean()), others

    def enough(self, step: Tensor) -> tuple[float, float, float]:
        """The least of `STRENGTHS` that gives the attribute to `ENOUGH` of them; `of` it.

        Where none does, the one that gives it to most.
        """
        tried: list[tuple[float, float, float]] = []
        for strength in STRENGTHS:
            tried.append((strength, *self.of(step, strength)))
            if tried[-1][1] >= ENOUGH:
                break
        return max(tried, key=lambda one: one[1])

    def halved(self, step: Tensor) -> Tensor | None:
        """The step made as long as it takes to give the attribute to half of them.

        None where no length does, or none of them lacks it.
        """
        if not self._recipes or not step.any():
            return None
        length = calibrated(lambda length: self.of(step, length)[0], SHORTEST, HALVINGS)
        return None if length is None else step * length


def find_step(trial: Trial, start: Tensor, lacking: Tensor) -> Tensor | None:
    """The step of strength 1: it gives the attribute to half of the pictures that lack it.

    Args:
        trial: says what is wanted, and measures.
        start: see `Steps.start`.
        lacking: rows of the space's samples that could get the attribute, see `descend`.

    Returns:
        None where no step does it.
    """
    return trial.halved(descend(trial.steps, trial.judging, trial.wanted, start, lacking))


def words_of(wanted: Wanted, strength: float, given: float, others: float) -> str:
    """What a step does, in words; the numbers are those of `Trial.enough`."""
    what = f"{wanted.kind} is {'there' if wanted.value is None else wanted.value}"
    return (
        f"labels: {what}; strength 1 gives it to half of the pictures that lack it, "
        f"{strength:g} to {100 * given:.0f} %, where {100 * others:.0f} % of the other attributes "
        "change"
    )


def decisions_on(generator: Generator, judging: Judging, recipes: Sequence[Recipe]) -> Tensor:
    """(N, kinds): what the judge sees in pictures."""
    parts = [
        judging.judge.look(torch.from_numpy(pixels).permute(0, 3, 1, 2)).decisions
        for pixels in stream(generator, recipes, batch_size=default_batch_size(generator))
    ]
    return torch.cat(parts)
