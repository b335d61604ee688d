"""Claim: styles act by scale: which attributes change when some layers' styles are swapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from wspace.claims.claim import Claim, Picture, bootstrap, decide
from wspace.claims.draw import Subject
from wspace.figures.plots import matrix, written
from wspace.recipe.syntax import Layers
from wspace.steering.mixing import mix_styles

__all__ = ["changes", "layers_claim", "own_group_excess"]

APART = 0.1  # of all pictures: what counts as acting by scale
Changes = npt.NDArray[np.bool_]  # (N, attributes)


def own_group_excess(by_group: Sequence[Changes], rows: npt.NDArray[np.int64]) -> float:
    """How much more often attributes change with the group that moves them most than with others.

    Which group that is, is decided by one half of the pictures and counted on the other, or chance
    alone would make the number positive.

    Args:
        by_group: whether each picture's attributes changed, (N, attributes) a group.
        rows: the pictures, N >= 2.

    Returns:
        The share of pictures, the mean over attributes; 0 = groups do not differ.
    """
    whole = np.stack([changed[rows] for changed in by_group])  # (groups, N, attributes)
    # Rows that were drawn twice must not lie in both halves.
    first = rows % 2 == 0
    if first.all() or not first.any():
        return 0.0
    deciding, counted = whole[:, first].mean(axis=1), whole[:, ~first].mean(axis=1)
    own = deciding.argmax(axis=0)  # (attributes,)
    taken = np.take_along_axis(counted, own[None], axis=0)[0]
    others = (counted.sum(axis=0) - taken) / (len(by_group) - 1)
    return float((taken - others).mean())


def changes(subject: Subject, swaps: Mapping[str, Sequence[int]]) -> dict[str, Changes]:
    """Whether the judge decides otherwise, where some layers take the styles of other pictures.

    Args:
        subject: the model and the judge.
        swaps: layers by name.

    Returns:
        By name, (num, attributes that the judge sees).
    """
    judging, num = subject.judging, subject.drawing.num
    ws, others = subject.ws(subject.w()), subject.ws(subject.w(others=True))
    noise = subject.noise(num)
    before = subject.judged(ws, noise)
    found = {}
    with subject.show("swapping styles", "swaps") as progress:
        for number, (name, layers) in enumerate(swaps.items(), start=1):
            after = subject.judged(mix_styles(ws, others, layers), noise)
            found[name] = np.stack(
                [
                    (judging.decisions(before, kind) != judging.decisions(after, kind)).numpy()
                    for kind in judging.clear
                ],
                axis=1,
            )
            progress(number, len(swaps))
    return found


def layers_claim(subject: Subject) -> Claim:
    """Whether coarse, middle and fine styles change different attributes."""
    generator = subject.drawing.generator
    groups = {name: list(own) for name, own in Layers.of(generator).groups.items() if len(own)}
    singles = {str(layer): [layer] for layer in range(generator.num_ws)}
    found = changes(subject, groups | singles | {"all": list(range(generator.num_ws))})
    attributes = subject.judging.clear
    rates = {name: changed.mean(axis=0) for name, changed in found.items()}
    by_group = [found[name] for name in groups]
    number = bootstrap(lambda rows: own_group_excess(by_group, rows), subject.drawing.num)
    pictures = [
        Picture(
            png=written(
                matrix(
                    attributes,
                    names,
                    np.stack([rates[name] for name in names], axis=1),
                    title=title,
                    across=across,
                )
            ),
            caption=caption,
            alt=title,
        )
        for names, title, across, caption in (
            (
                [*groups, "all"],
                "How often each attribute changes",
                "styles that are swapped",
                "The share of pictures whose attribute changes with the styles of a group; under "
                '"all" stands what another picture altogether does.',
            ),
            (
                list(singles),
                "The same, by single layers",
                "layer whose style is swapped",
                "One layer at a time: what a layer alone decides.",
            ),
        )
    ]
    return Claim(
        name="layers",
        title="Styles act by scale: different layers decide different attributes",
        article="Coarse styles (4² to 8²) bring pose, hair style and face shape, middle styles "
        "(16² to 32²) facial features and eyes, fine ones colours and details (Figure 3).",
        measured="How much more often an attribute changes when the group of layers that moves it "
        "most is swapped than with the other groups; share of pictures, mean over attributes.",
        rule=f"Holds where the number is above {APART:.0%}.",
        verdict=decide(number, APART),
        number=number,
        numbers={
            "rates": {
                name: dict(zip(attributes, map(float, rate), strict=True))
                for name, rate in rates.items()
            },
            "groups": groups,
            "most_moved_by": {
                kind: list(groups)[int(np.argmax([rates[name][k] for name in groups]))]
                for k, kind in enumerate(attributes)
            },
            "pictures": subject.drawing.num,
        },
        pictures=pictures,
    )
