"""Directions in W from labels: a judge says what pictures show, a plane in W parts them.

Source: Shen et al. 2020 (InterFaceGAN), Section 3; the steps are measured on other pictures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wspace.errors import WspaceError
from wspace.formats.directions import Direction
from wspace.metrics.features.generators import Drawing
from wspace.metrics.judge import Judging
from wspace.networks.generator import Generator
from wspace.recipe.recipe import Edit, Recipe
from wspace.rendering.render import default_batch_size, stream
from wspace.steering.directions import boundary, calibrated, without
from wspace.steering.latents import w_of_sources
from wspace.steering.white_space import WhiteSpace

__all__ = ["Wanted", "labelled_directions", "name_of", "wanted_attributes"]

SAMPLES = 4000  # pictures that planes are fitted to
TRIED = 200  # others, on which a step is measured
HALVINGS = 3  # of the interval that a step's length lies in
LEAST_SHARE = 0.03  # of the pictures that have an attribute, and that lack it
VALUES_OF_KIND = 3  # most common ones, of what has no "none" among its values
NONE = "null"  # the value of pictures that lack an attribute

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An attribute that pictures have or lack.

    Attributes:
        name: of the direction.
        kind: such as "accessoriesVariant".
        value: such as "round"; None: any but `NONE`.
    """

    name: str
    kind: str
    value: str | None

    def in_decisions(self, judging: Judging, decisions: Tensor) -> Tensor:
        """Which pictures have it: (N, kinds), as a judge decides, to (N,), bool."""
        kinds = judging.judge.values
        values = list(kinds[self.kind])
        own = decisions[:, list(kinds).index(self.kind)]
        if self.value is None:
            return own != values.index(NONE)
        return own == values.index(self.value)


def name_of(kind: str, value: str | None = None) -> str:
    """A name that can stand in edits, for an attribute and its value.

    >>> name_of("hairColor", "2c1b18")
    'hair-color-2c1b18'
    """
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", kind).lower().removesuffix("-variant")
    if value is not None:
        words += "-" + re.sub(r"(?<=[a-z])(?=[A-Z])", "-", value).lower()
    return re.sub(r"[^\w]+", "-", words).strip("-")


def wanted_attributes(judging: Judging, decisions: Tensor) -> list[Wanted]:
    """What directions can be looked for: attributes that some pictures have, and some lack.

    Args:
        judging: only kinds that it sees clearly count.
        decisions: (N, kinds), on pictures of the model.
    """
    found: list[Wanted] = []
    for kind in judging.clear:
        values = judging.judge.values[kind]
        if NONE in values:
            every = [Wanted(name=name_of(kind), kind=kind, value=None)]
        else:
            every = [Wanted(name=name_of(kind, v), kind=kind, value=v) for v in values]
        shares = [float(one.in_decisions(judging, decisions).double().mean()) for one in every]
        kept = sorted(
            (i for i, share in enumerate(shares) if LEAST_SHARE <= share <= 1 - LEAST_SHARE),
            key=lambda i: -shares[i],
        )
        found += [every[i] for i in kept[:VALUES_OF_KIND]]
    return found


def labelled_directions(
    generator: Generator,
    judging: Judging,
    *,
    labels: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None,
    samples: int = SAMPLES,
    tried: int = TRIED,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
) -> dict[str, Direction]:
    """A direction for each attribute, the others' directions projected out of it.

    Strength 1 is the step that gives the attribute to half of the pictures that lacked it.

    Args:
        generator: the model.
        judging: says what pictures show.
        labels: (L,), of the data, for a model with classes.
        samples: pictures of the model that planes are fitted to.
        tried: other pictures, that each step is measured on.
        say: told which attributes were given up, and why.
        progress: called with attributes done, and all.

    Returns:
        Directions by name; what they change beside stands in ``about``.

    Raises:
        WspaceError: no attribute is seen in some pictures and not in others.
    """
    drawing = Drawing(generator=generator, num=samples, labels=labels)
    recipes = drawing.recipes()
    w = w_of_sources(generator, [recipe.sources[0] for recipe in recipes]).cpu()
    decisions = _decisions(generator, judging, recipes)
    wanted = wanted_attributes(judging, decisions)
    if not wanted:
        raise WspaceError(
            f"of {', '.join(judging.clear)} nothing is seen in some of {samples} pictures and not "
            "in others: there is no direction to find."
        )
    space = WhiteSpace.of(w)  # a direction is as wide as any other there, and square means apart
    u = space.u_of(w)
    normals = [boundary(u, one.in_decisions(judging, decisions).double()) for one in wanted]
    more = Drawing(generator=generator, num=tried, first_seed=samples, labels=labels).recipes()
    before = _decisions(generator, judging, more)
    found: dict[str, Direction] = {}
    for i, one in enumerate(wanted):
        others = [n for n, other in zip(normals, wanted, strict=True) if other.kind != one.kind]
        vector = without(normals[i], torch.stack(others)) if others else normals[i]
        step = (vector * space.deviations.double()) @ space.axes.double()
        direction = _measured(generator, judging, one, step, more, before)
        if direction is None:
            say(f"{one.name} is left out: no step gives it to half of the pictures")
        else:
            found[one.name] = direction
        if progress is not None:
            progress(i + 1, len(wanted))
    return found


def _measured(
    generator: Generator,
    judging: Judging,
    wanted: Wanted,
    step: Tensor,
    recipes: Sequence[Recipe],
    before: Tensor,
) -> Direction | None:
    """The direction, its strength 1 measured; None where it does not do what it should.

    ``step``: (w_dim,), one deviation of w along the direction.
    """
    lacking = ~wanted.in_decisions(judging, before)
    if not lacking.any():
        return None
    own = [recipe for recipe, lacks in zip(recipes, lacking.tolist(), strict=True) if lacks]
    one_step = tuple(step.tolist())
    column = list(judging.judge.values).index(wanted.kind)

    def stepped(length: float) -> Tensor:
        edit = Edit(direction=one_step, strength=length)
        return _decisions(generator, judging, [r.replace(edits=(edit,)) for r in own])

    def share(length: float) -> float:
        return float(wanted.in_decisions(judging, stepped(length)).double().mean())

    length = calibrated(share, 1.0, HALVINGS)
    if length is None:
        return None
    changed = (stepped(length) != before[lacking]).double().mean(dim=0)
    seen = [i for i, k in enumerate(judging.judge.values) if k in judging.clear and i != column]
    beside = float(changed[seen].mean()) if seen else 0.0
    what = f"{wanted.kind} is there" if wanted.value is None else f"{wanted.kind} is {wanted.value}"
    about = (
        f"labels: {what}; strength 1 gives it to half of the pictures, {length:.1f} "
        f"deviations of w, and changes another attribute in {100 * beside:.0f} % of them"
    )
    scaled = tuple((step * length).tolist())
    return Direction(edit=Edit(direction=scaled, name=wanted.name), about=about)


def _decisions(generator: Generator, judging: Judging, recipes: Sequence[Recipe]) -> Tensor:
    """(N, kinds): what the judge sees in pictures."""
    parts = [
        judging.judge.look(torch.from_numpy(pixels).permute(0, 3, 1, 2)).decisions
        for pixels in stream(generator, recipes, batch_size=default_batch_size(generator))
    ]
    return torch.cat(parts)
