"""Two sets of pictures side by side, each looked at once for all metrics that are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wspace.errors import WspaceError
from wspace.group import ALONE, Group
from wspace.metrics.features.datasets import (
    dataset_features,
    dataset_indices,
    dataset_statistics,
)
from wspace.metrics.features.extractor import Extractor
from wspace.metrics.features.generators import Drawing
from wspace.metrics.features.seen import Collector, Seen
from wspace.metrics.features.transparent import for_channels
from wspace.metrics.judge import Judged, Judging
from wspace.metrics.quiet import Show, quiet

if TYPE_CHECKING:
    from wspace.data.dataset import Dataset

__all__ = ["Comparison", "compare", "require_same_size"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What metrics measure: each has a function ``measure(comparison)`` in its module.

    Attributes:
        real: what the extractor saw in the pictures of the data.
        fake: and in the others.
        extractor: which network that was; where either side has alpha, as it sees such pictures.
        drawing: how the others are made, for metrics that ask the model for more; None where
            pictures were given instead of a model.
        judging: a judge, and what it saw in real pictures; None where none was asked for.
        judged: what it saw in the others.
        show: displays what takes long.
    """

    real: Seen
    fake: Seen
    extractor: Extractor
    drawing: Drawing | None
    judging: Judging | None = None
    judged: Judged | None = None
    show: Show = quiet


def compare(
    fake: Drawing | Dataset,
    data: Dataset,
    *,
    extractor: Extractor,
    real_num: int | None = None,
    fake_num: int | None = None,
    keep: bool = True,
    judging: Judging | None = None,
    cache: Path | None = None,
    show: Show = quiet,
    group: Group = ALONE,
) -> Comparison:
    """Look at the pictures of both sides.

    Args:
        fake: pictures to make, or to read.
        data: what they are compared with.
        extractor: makes the features.
        real_num: pictures of ``data``, None: all.
        fake_num: of ``fake`` where those are read, None: all.
        keep: whether features are kept, or only their statistics.
        judging: a judge that looks at ``fake``, too.
        cache: where what was seen in datasets is kept; see `datasets.dataset_features`.
        show: displays the work.
        group: of processes, each of which looks at a part; all call this, and all get all.

    Raises:
        WspaceError: sizes differ, a number is out of range, a picture is damaged, or the model
            cannot make what is asked for.
    """
    require_same_size(fake, data)
    made = fake.generator if isinstance(fake, Drawing) else fake
    extractor = for_channels(extractor, max(made.image_channels, data.image_channels))
    real = _dataset_seen(data, real_num, extractor, keep, cache, show, group)
    drawing = fake if isinstance(fake, Drawing) else None
    parts: list[Judged] = []
    if isinstance(fake, Drawing):
        collector, done = Collector(keep, group), 0
        with show("drawing and looking", "pictures") as progress:
            for pixels in fake.batches(group=group):
                collector.add(extractor(pixels))
                if judging is not None:
                    parts.append(judging.judge.look(pixels))
                done += len(pixels) * group.world_size  # as the others, about
                progress(min(done, fake.num), fake.num)
        seen = collector.seen()
        parts = group.in_turn(parts, "what the judge saw")
    else:
        seen = _dataset_seen(fake, fake_num, extractor, keep, cache, show, group)
        if judging is not None:
            parts.append(judging.judge.look_at(fake, dataset_indices(fake, fake_num), show))
    return Comparison(
        real=real,
        fake=seen,
        extractor=extractor,
        drawing=drawing,
        judging=judging,
        judged=Judged.of(parts) if parts else None,
        show=show,
    )


def require_same_size(fake: Drawing | Dataset, data: Dataset) -> None:
    """Raise a WspaceError where one side has larger pictures: sharpness would count as quality."""
    made = fake.generator if isinstance(fake, Drawing) else fake
    if made.size != data.size:
        name = fake.generator.name if isinstance(fake, Drawing) else str(fake.path)
        verb = "makes" if isinstance(fake, Drawing) else "has"
        raise WspaceError(
            f"{name} {verb} pictures of {made.size} pixels, {data.path} has "
            f"{data.size}, so sharpness would count as quality: give data of "
            f"{made.size} pixels (`wspace data build --size {made.size.short}`)."
        )


def _dataset_seen(
    dataset: Dataset,
    num: int | None,
    extractor: Extractor,
    keep: bool,
    cache: Path | None,
    show: Show,
    group: Group,
) -> Seen:
    with show(f"looking at {dataset.path}", "pictures") as progress:
        if keep:
            return Seen(
                dataset_features(
                    dataset, num, extractor=extractor, cache=cache, progress=progress, group=group
                )
            )
        return Seen(
            known=dataset_statistics(
                dataset, num, extractor=extractor, cache=cache, progress=progress, group=group
            )
        )
