"""Named directions, measured by a judge that did not find them.

    python benchmarks/editing.py directions                 all attributes, in Z, W and style space
    python benchmarks/editing.py directions --only accessories,mouth-smile --spaces w,style
    python benchmarks/editing.py directions --shipped       those that the model comes with
    python benchmarks/editing.py directions --still         how much changes where nothing should

For each attribute and each space a direction is found by the same means (`discovery.descent`; it
begins with the plane that parts pictures in Z and W, with nothing in style space) through a judge
that learned from one half of labelled data, and so are the length of strength 1 and the strength
that should be enough (`Trial.enough`). Then seeds that played no part are drawn with it at
--strengths and at that one, and a judge that learned from the other half says in how many of
the pictures that lacked the attribute it appears, and how often another attribute that it sees
clearly has changed, on average over these. What the attribute settles by itself is left out
(`discovery.wanted.beside`: who has a hat shows no hair). Some attributes hide others, as glasses
hide eyes; a figure in brackets leaves out what this judge tells half as well, or less, in real
pictures that have the attribute.

A judge errs, so --still says how often it changes its mind where nothing does: noise maps drawn
anew, and w moved by small random steps.

Each row is written to --out as soon as it is there, with the direction itself, and what is there is
not made again.

Data: 10,000 drawn avatars as `claims.py` makes them, none that the model learned from.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from claims import labelled_pictures
from editing_judge import Hiding, still_table
from wspace.data.dataset import Dataset
from wspace.discovery.descent import EditSteps, Steps
from wspace.discovery.labelled import (
    SPACES,
    Samples,
    Trial,
    decisions_on,
    find_step,
    words_of,
)
from wspace.discovery.wanted import Wanted, beside
from wspace.errors import WspaceError
from wspace.files import atomic_write_text
from wspace.formats.directions import Direction, directions_path, read_directions
from wspace.formats.model_file import load
from wspace.metrics.features.datasets import cache_folder
from wspace.metrics.features.generators import Drawing
from wspace.metrics.judge import Judging, judging_of, truth_of
from wspace.networks.generator import Generator
from wspace.plain import check, from_plain, to_plain
from wspace.recipe.recipe import Edit, Recipe, Source
from wspace.recipe.syntax import parse_numbers
from wspace.steering.directions import boundary
from wspace.steering.latents import latents, map_latents

__all__ = ["Beside", "Measured", "main", "measure_direction"]

FIRST_UNSEEN = 1_000_000  # seed
GOAL_FLIPS, GOAL_OTHERS = 0.9, 0.1


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What a direction changes of another attribute.

    Attributes:
        kind: such as "eyesVariant".
        hidden: whether what the direction gives hides it, see `editing_judge.Hiding`.
        changed: at each strength, in which share of the pictures.
    """

    kind: str
    hidden: bool
    changed: tuple[float, ...]

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A direction, measured.

    Attributes:
        name: of the attribute, or of the direction that the model comes with.
        space: "z", "w" or "style".
        about: what was told of it when it was found.
        strengths: those of --strengths, then the one that was told to be enough.
        lacking: unseen pictures that lacked the attribute.
        flips: at each strength, the share of them that have it then.
        beside: the other attributes.
        edit: the direction; None where none was found, or it is none (in Z).
    """

    name: str
    space: str
    about: str = ""
    strengths: tuple[float, ...] = ()
    lacking: int = 0
    flips: tuple[float, ...] = ()
    beside: tuple[Beside, ...] = ()
    edit: Edit | None = None

    def __post_init__(self) -> None:
        check(self)

    def others(self, *, hidden: bool = True) -> tuple[float, ...]:
        """At each strength, the mean share of changes; without ``hidden`` of the rest alone."""
        counted = [one.changed for one in self.beside if hidden or not one.hidden]
        if not counted:
            return (0.0,) * len(self.strengths)
        return tuple(sum(column) / len(counted) for column in zip(*counted, strict=True))

    def reaches_the_goal(self, *, hidden: bool = True) -> bool:
        """Whether some strength from 1 to 2 flips enough and changes little enough."""
        rows = zip(self.strengths, self.flips, self.others(hidden=hidden), strict=True)
        return any(1 <= s <= 2 and f >= GOAL_FLIPS and o <= GOAL_OTHERS for s, f, o in rows)


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
    strengths: Sequence[float],
) -> tuple[int, tuple[float, ...], dict[str, tuple[float, ...]]]:
    """How many lacked the attribute; at each strength the share that got it, and changes by kind.

    Args:
        generator: the model.
        judging: a judge that did not find the direction.
        wanted: what it should give.
        recipes: N pictures.
        before: (N, kinds), what the judge sees in them.
        take: (recipes, strength) to recipes with the step taken.
        strengths: S of them; one that comes twice is drawn once.

    Returns:
        Pictures that lacked it, S shares of these, and S shares of each other kind's changes.
    """
    lacking = wanted.lacking(judging, before)
    own = [recipes[i] for i in lacking.nonzero()[:, 0].tolist()]
    if not own:
        return 0, (), {}
    kinds = list(judging.judge.values)
    drawn = {}
    for strength in dict.fromkeys(strengths):
        after = decisions_on(generator, judging, take(own, strength))
        flips = float(wanted.in_decisions(judging, after).double().mean())
        drawn[strength] = flips, (after != before[lacking]).double().mean(dim=0).tolist()
    changed = {
        kind: tuple(drawn[strength][1][kinds.index(kind)] for strength in strengths)
        for kind in beside(judging, wanted)
    }
    return len(own), tuple(drawn[strength][0] for strength in strengths), changed


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
        if step is None:
            return None
        strength, given, others = trial.enough(step)
        return _Step(steps, step, strength, words_of(wanted, strength, given, others))


class _Step:
    """A step of strength 1 in some space; the strength that should be enough, and its words."""

    def __init__(self, steps: Steps, step: Tensor, enough: float, about: str) -> None:
        self._steps, self._step = steps, step
        self.enough, self.about = enough, about

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


class _Measuring:
    """Rows of --out: those that are there, and those that come."""

    def __init__(self, arguments: argparse.Namespace, data: Dataset, generator: Generator) -> None:
        self.generator, self._out = generator, arguments.out
        self.strengths = parse_numbers(arguments.strengths, what="--strengths")
        self.judging = judging_of(data, other_half=True, cache=cache_folder())
        truth = truth_of(data)
        assert truth is not None
        right = torch.from_numpy(truth.codes[self.judging.indices])
        self._hiding = Hiding(right, self.judging)
        drawing = Drawing(generator=generator, num=arguments.num, first_seed=FIRST_UNSEEN)
        self._recipes = drawing.recipes()
        self._before = decisions_on(generator, self.judging, self._recipes)
        self.rows: list[Measured] = []
        if self._out.exists():
            self.rows = [from_plain(Measured, row) for row in json.loads(self._out.read_text())]
        self._done = {(row.name, row.space) for row in self.rows}

    def has(self, name: str, space: str) -> bool:
        """Whether a row is there."""
        return (name, space) in self._done

    def note(self, row: Measured) -> None:
        """Keep a row, and print it."""
        self.rows.append(row)
        atomic_write_text(self._out, json.dumps([to_plain(one) for one in self.rows]))
        print(_table([row]).splitlines()[-1], flush=True)

    def still(self) -> str:
        """A table of the judge's errors."""
        return still_table(self.generator, self.judging, self._recipes, self._before)

    def measure(
        self,
        row: Measured,
        wanted: Wanted,
        take: Callable[[list[Recipe], float], list[Recipe]],
        enough: float | None,
    ) -> None:
        """Fill a row in, and keep it."""
        strengths = (*self.strengths, self.strengths[-1] if enough is None else enough)
        lacking, flips, changed = measure_direction(
            self.generator, self.judging, wanted, self._recipes, self._before, take, strengths
        )
        hidden = self._hiding.hidden(wanted)
        others = tuple(
            Beside(kind=kind, hidden=kind in hidden, changed=shares)
            for kind, shares in changed.items()
        )
        filled = {"strengths": strengths, "lacking": lacking, "flips": flips, "beside": others}
        self.note(dataclasses.replace(row, **filled))  # type: ignore[arg-type]


def _measure_all(arguments: argparse.Namespace) -> str:
    generator = load(arguments.model)
    place = arguments.data or labelled_pictures("avatars", f"{generator.size.height}")
    with Dataset.open(place) as data:
        measuring = _Measuring(arguments, data, generator)
        if arguments.still:
            return measuring.still()
        if not arguments.shipped:
            finds = judging_of(data, cache=cache_folder())
    asked = arguments.only.split(",") if arguments.only else []
    if arguments.shipped:
        for name, wanted, one in _shipped(arguments.model, generator, measuring.judging):
            if name in (asked or [name]) and not measuring.has(name, "shipped"):
                row = Measured(name=name, space="shipped", about=one.about, edit=one.edit)
                told = re.search(r"([\d.]+) to \d+ %", one.about)
                enough = None if told is None else float(told[1])
                measuring.measure(row, wanted, _EditTaker(one.edit), enough)
        return _table(measuring.rows)
    search = _Search(generator, finds, asked, samples=arguments.samples, tried=arguments.tried)
    known = {one.name: one for one in search.drawn.wanted}
    for name in asked or known:
        for space in arguments.spaces.split(","):
            if measuring.has(name, space):
                continue
            step = search.find(known[name], space)
            if step is None:
                measuring.note(Measured(name=name, space=space))
                continue
            row = Measured(name=name, space=space, about=step.about, edit=step.edit)
            measuring.measure(row, known[name], step.taken, step.enough)
    return _table(measuring.rows)


def _shipped(
    model: str, generator: Generator, judging: Judging
) -> Iterator[tuple[str, Wanted, Direction]]:
    """The directions that a model comes with, where their words say which attribute they give."""
    for name, one in read_directions(directions_path(model), generator).items():
        told = re.match(r"labels: (\w+) is (.+?);", one.about)
        if told is not None and told[1] in judging.clear:
            value = None if told[2] == "there" else told[2]
            yield name, Wanted(name=name, kind=told[1], value=value), one


def _table(rows: Sequence[Measured]) -> str:
    lines = [
        "| attribute | space | pictures | strength: flips / others | enough | goal |",
        "| --- " * 6 + "|",
    ]
    for row in rows:
        hides = any(one.hidden for one in row.beside)
        cells = [
            f"{strength:g}: {100 * flips:.0f} / {100 * others:.0f}"
            + (f" ({100 * seen:.0f})" if hides else "")
            for strength, flips, others, seen in zip(
                row.strengths, row.flips, row.others(), row.others(hidden=False), strict=True
            )
        ] or ["none found", ""]
        goal = "yes" if row.reaches_the_goal() else "no"
        if hides and goal == "no" and row.reaches_the_goal(hidden=False):
            goal = "but for what it hides"
        shown = (row.name, row.space, row.lacking, " · ".join(cells[:-1]), cells[-1], goal)
        lines.append(f"| {' | '.join(map(str, shown))} |")
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
    parser.add_argument(
        "--only",
        metavar="NAME,NAME",
        help="of these names  [all]",
    )
    parser.add_argument("--spaces", default="w,style,z", metavar="SPACE,SPACE")
    parser.add_argument("--shipped", action="store_true", help="only what the model comes with")
    parser.add_argument("--still", action="store_true", help="only what the judge gets wrong")
    parser.add_argument("--num", type=int, default=500, help="unseen seeds [500]")
    parser.add_argument("--strengths", default="1,1.5,2", metavar="NUMBER,NUMBER,...")
    parser.add_argument("--samples", type=int, default=4000, help="pictures to find by [4000]")
    parser.add_argument("--tried", type=int, default=200, help="to find a length on [200]")
    parser.add_argument("--out", type=Path, default=Path("editing-directions.json"))
    arguments = parser.parse_args(argv)
    try:
        print(_measure_all(arguments))
    except WspaceError as error:
        parser.exit(2, f"{error}\n")
