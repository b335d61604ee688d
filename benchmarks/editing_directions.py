"""Named directions, measured by a judge that did not find them.

    python benchmarks/editing.py directions                 all attributes, in Z, W and style space
    python benchmarks/editing.py directions --only accessories,mouth-smile --spaces w,style
    python benchmarks/editing.py directions --shipped       those that the model comes with

For each attribute and each space a direction is found by the same means (`discovery.descent`; it
begins with the plane that parts pictures in Z and W, with nothing in style space) through a judge
that learned from one half of labelled data, and so is the length of strength 1. Then seeds that
played no part are drawn with it at strengths 1, 1.5 and 2, and a judge that learned from the other
half says in how many of the pictures that lacked the attribute it appears, and how often another
attribute that it sees clearly has changed, on average over these. What the attribute settles by
itself is left out (`discovery.wanted.beside`: who has a hat shows no hair).

Each row is written to --out as soon as it is there, with the direction itself, and what is there is
not made again.

Data: 10,000 drawn avatars as `claims.py` makes them, none that the model learned from.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from claims import labelled_pictures
from wspace.data.dataset import Dataset
from wspace.discovery.descent import EditSteps, Steps
from wspace.discovery.labelled import SPACES, Samples, Trial, decisions_on, find_step
from wspace.discovery.wanted import Wanted, beside
from wspace.errors import WspaceError
from wspace.files import atomic_write_text
from wspace.formats.directions import directions_path, read_directions
from wspace.formats.model_file import load
from wspace.metrics.features.datasets import cache_folder
from wspace.metrics.features.generators import Drawing
from wspace.metrics.judge import Judging, judging_of
from wspace.networks.generator import Generator
from wspace.plain import check, from_plain, to_plain
from wspace.recipe.recipe import Edit, Recipe, Source
from wspace.steering.directions import boundary
from wspace.steering.latents import latents, map_latents

__all__ = ["Measured", "main", "measure_direction"]

STRENGTHS = (1.0, 1.5, 2.0)
FIRST_UNSEEN = 1_000_000  # seed
GOAL_FLIPS, GOAL_OTHERS = 0.9, 0.1


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A direction at `STRENGTHS`.

    Attributes:
        name: of the attribute, or of the direction that the model comes with.
        space: "z", "w" or "style".
        lacking: unseen pictures that lacked the attribute.
        flips: at each strength, the share of them that have it then.
        others: at each strength, the share of other attributes that have changed.
        edit: the direction; None where none was found, or it is none (in Z).
    """

    name: str
    space: str
    lacking: int
    flips: tuple[float, ...] = ()
    others: tuple[float, ...] = ()
    edit: Edit | None = None

    def __post_init__(self) -> None:
        check(self)

    @property
    def reaches_the_goal(self) -> bool:
        """Whether some strength from 1 to 2 flips enough and changes little enough."""
        pairs = zip(self.flips, self.others, strict=True)
        return any(f >= GOAL_FLIPS and o <= GOAL_OTHERS for f, o in pairs)


class ZSteps(Steps):
    """Steps in Z; recipes take them as the w that mapping makes.

    Args:
        generator: a model without classes.
        z: (S, z_dim), samples.
    """

    rate = 0.12
    begin = 3.0  # deviations along the normal

    def __init__(self, generator: Generator, z: Tensor) -> None:
        self.generator, self.z = generator, z

    def start(self, normal: Tensor) -> Tensor:
        """See `Steps.start`; the normal is of a plane in Z."""
        return self.begin * normal.float()

    def images(self, rows: Tensor, step: Tensor, lengths: Tensor) -> Tensor:
        """See `Steps.images`."""
        w = self.generator.mapping.w(self.z[rows] + lengths[:, None] * step)
        ws = w[:, None].expand(-1, self.generator.num_ws, -1)
        images: Tensor = self.generator.synthesis(ws)
        return images

    def taken(self, recipes: Sequence[Recipe], step: Tensor, length: float) -> list[Recipe]:
        """See `Steps.taken`."""
        z = latents(self.generator, [recipe.sources[0].seed or 0 for recipe in recipes])
        with torch.inference_mode():
            w = map_latents(self.generator, z + length * step, [0] * len(recipes))
        return [
            recipe.replace(sources=(Source(w=tuple(row)),))
            for recipe, row in zip(recipes, w.tolist(), strict=True)
        ]


def measure_direction(
    generator: Generator,
    judging: Judging,
    wanted: Wanted,
    recipes: Sequence[Recipe],
    before: Tensor,
    take: Callable[[list[Recipe], float], list[Recipe]],
) -> tuple[int, tuple[float, ...], tuple[float, ...]]:
    """How many lacked the attribute; at each of `STRENGTHS` the share that got it, and of others.

    Args:
        generator: the model.
        judging: a judge that did not find the direction.
        wanted: what it should give.
        recipes: N pictures.
        before: (N, kinds), what the judge sees in them.
        take: (recipes, strength) to recipes with the step taken.
    """
    lacking = wanted.lacking(judging, before)
    own = [recipes[i] for i in lacking.nonzero()[:, 0].tolist()]
    kinds = list(judging.judge.values)
    kept = [kinds.index(kind) for kind in beside(judging, wanted)]
    flips, others = [], []
    for strength in STRENGTHS if own else ():
        after = decisions_on(generator, judging, take(own, strength))
        flips.append(float(wanted.in_decisions(judging, after).double().mean()))
        others.append(float((after != before[lacking])[:, kept].double().mean()))
    return len(own), tuple(flips), tuple(others)


class _Search:
    """Finds directions through one judge; the samples are drawn once."""

    def __init__(
        self,
        generator: Generator,
        judging: Judging,
        names: Sequence[str],
        *,
        samples: int,
        tried: int,
    ) -> None:
        self.generator, self.judging = generator, judging
        self.drawn = Samples(generator, judging, names=names, count=samples)
        recipes = Drawing(generator=generator, num=tried, first_seed=samples).recipes()
        self.tried, self.before = recipes, decisions_on(generator, judging, recipes)
        self.z = latents(generator, range(samples)).cpu().clone()

    def find(self, wanted: Wanted, space: str) -> _Step | None:
        """The step of strength 1 in a space; None where no step does it."""
        steps: Steps
        if space == "z":
            steps = ZSteps(self.generator, self.z)
            start = steps.start(boundary(self.z, self.drawn.has(wanted).double()))
        elif space in SPACES:
            steps = SPACES[space](self.generator, self.drawn.w)  # type: ignore[index]
            start = steps.start(self.drawn.normal(wanted))
        else:
            raise WspaceError(f"--spaces {space}: there are w, style and z.")
        trial = Trial(self.generator, self.judging, wanted, steps, self.tried, self.before)
        step = find_step(trial, start, self.drawn.lacking(wanted))
        return None if step is None else _Step(steps, step)


class _Step:
    """A step of strength 1 in some space."""

    def __init__(self, steps: Steps, step: Tensor) -> None:
        self._steps, self._step = steps, step

    @property
    def edit(self) -> Edit | None:
        """As recipes hold it; None where they cannot."""
        return self._steps.edit(self._step) if isinstance(self._steps, EditSteps) else None

    def taken(self, recipes: Sequence[Recipe], strength: float) -> list[Recipe]:
        """Recipes after it."""
        return self._steps.taken(recipes, self._step, strength)


class _EditTaker:
    """The same, of an edit."""

    def __init__(self, edit: Edit) -> None:
        self._edit = edit

    def __call__(self, recipes: Sequence[Recipe], strength: float) -> list[Recipe]:
        edit = self._edit.replace(strength=strength)
        return [recipe.replace(edits=(*recipe.edits, edit)) for recipe in recipes]


def _measure_all(arguments: argparse.Namespace) -> list[Measured]:
    generator = load(arguments.model)
    place = arguments.data or labelled_pictures("avatars", f"{generator.size.height}")
    with Dataset.open(place) as data:
        finds, judges = (
            judging_of(data, other_half=other, cache=cache_folder()) for other in (False, True)
        )
    recipes = Drawing(generator=generator, num=arguments.num, first_seed=FIRST_UNSEEN).recipes()
    before = decisions_on(generator, judges, recipes)
    rows = []
    if arguments.out.exists():
        rows = [from_plain(Measured, row) for row in json.loads(arguments.out.read_text())]
    done = {(row.name, row.space) for row in rows}

    def note(row: Measured) -> None:
        rows.append(row)
        atomic_write_text(arguments.out, json.dumps([to_plain(one) for one in rows]))
        print(_table([row]).splitlines()[-1], flush=True)

    if arguments.shipped:
        for name, wanted, edit in _shipped(arguments.model, generator, judges):
            if (name, "shipped") not in done:
                take = _EditTaker(edit)
                found = measure_direction(generator, judges, wanted, recipes, before, take)
                note(_row(name, "shipped", found, edit))
        return rows
    asked = arguments.only.split(",") if arguments.only else []
    search = _Search(generator, finds, asked, samples=arguments.samples, tried=arguments.tried)
    known = {one.name: one for one in search.drawn.wanted}
    names = asked or list(known)
    for name in names:
        for space in arguments.spaces.split(","):
            if (name, space) in done:
                continue
            step = search.find(known[name], space)
            if step is None:
                note(Measured(name=name, space=space, lacking=0))
                continue
            found = measure_direction(generator, judges, known[name], recipes, before, step.taken)
            note(_row(name, space, found, step.edit))
    return rows


def _row(
    name: str,
    space: str,
    found: tuple[int, tuple[float, ...], tuple[float, ...]],
    edit: Edit | None,
) -> Measured:
    lacking, flips, others = found
    return Measured(
        name=name,
        space=space,
        lacking=lacking,
        flips=flips,
        others=others,
        edit=edit,
    )


def _shipped(
    model: str, generator: Generator, judging: Judging
) -> Iterator[tuple[str, Wanted, Edit]]:
    """The directions that a model comes with, where their words say which attribute they give."""
    for name, one in read_directions(directions_path(model), generator).items():
        told = re.match(r"labels: (\w+) is (.+?);", one.about)
        if told is not None and told[1] in judging.clear:
            value = None if told[2] == "there" else told[2]
            yield name, Wanted(name=name, kind=told[1], value=value), one.edit


def _table(rows: Sequence[Measured]) -> str:
    heads = " | ".join(f"at {strength:g}" for strength in STRENGTHS)
    lines = [
        f"| attribute | space | pictures | {heads} | goal |",
        "| --- " * (4 + len(STRENGTHS)) + "|",
    ]
    for row in rows:
        cells = [
            f"{100 * flips:.0f} / {100 * others:.0f}"
            for flips, others in zip(row.flips, row.others, strict=True)
        ] or ["none found"] * len(STRENGTHS)
        goal = "yes" if row.reaches_the_goal else "no"
        lines.append(f"| {row.name} | {row.space} | {row.lacking} | {' | '.join(cells)} | {goal} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Find, measure, print a table: flips in % / others changed in %, at each strength."""
    parser = argparse.ArgumentParser(
        prog="editing.py directions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", default="avatars")
    parser.add_argument("--data", type=Path, help="labelled pictures  [drawn avatars]")
    parser.add_argument("--only", metavar="NAME,NAME", help="of the attributes  [all]")
    parser.add_argument("--spaces", default="w,style,z", metavar="SPACE,SPACE")
    parser.add_argument("--shipped", action="store_true", help="only what the model comes with")
    parser.add_argument("--num", type=int, default=500, help="unseen seeds [500]")
    parser.add_argument("--samples", type=int, default=4000, help="pictures to find by [4000]")
    parser.add_argument("--tried", type=int, default=200, help="to find a length on [200]")
    parser.add_argument("--out", type=Path, default=Path("editing-directions.json"))
    arguments = parser.parse_args(argv)
    try:
        print(_table(_measure_all(arguments)))
    except WspaceError as error:
        parser.exit(2, f"{error}\n")
