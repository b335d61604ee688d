"""The pictures of a run: opened as they are where they fit, made ready first where they do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from wspace.data.build import BuildConfig
from wspace.data.dataset import Dataset
from wspace.data.kinds import describe_left_out
from wspace.data.metadata import keeps_alpha
from wspace.data.ready import Survey, built_dataset, kept_dataset, place_of
from wspace.data.remote.addresses import is_address, shown_address
from wspace.data.remote.fetch import fetched
from wspace.data.source import PictureSource
from wspace.errors import WspaceError
from wspace.formats.model_file import read_metadata
from wspace.group import processes_here
from wspace.machine import choose_device
from wspace.networks.config import GeneratorConfig
from wspace.sizes import Size, read_size, size_of
from wspace.training.config import TrainConfig

__all__ = ["open_pictures", "reopen_pictures"]

# What can be learned in a time on two cores of 2026, with the default networks: sides up to which a
# run sees every one of a few thousand pictures many times (benchmarks/RESULTS.md).
SIDE_BY_MINUTES = ((15.0, 32), (120.0, 64), (720.0, 128))
SIDE_BY_KIMG = ((100.0, 32), (1000.0, 64), (5000.0, 128))
LARGEST_CHOSEN = 256  # beyond it somebody has to ask
CUDA_IS_FASTER = 20.0

Tell = Callable[[str], None]


def open_pictures(config: TrainConfig, tell: Tell) -> tuple[TrainConfig, Dataset]:
    """The pictures of a new run.

    Args:
        config: what to train.
        tell: told what the pictures are, and what is made of them.

    Returns:
        The configuration, with the size that was chosen where they were made ready and with the
        address that may be written down where they were fetched, and the pictures in as many
        channels as its networks have.

    Raises:
        WspaceError: the data cannot be read, or made ready.
    """
    config, place = _fetched(config, tell)
    source = PictureSource(place)
    source.require_pictures()
    survey = Survey(source, tell)
    plan = _plan(config, survey, tell)
    laid = config.alpha is None and config.image_channels != 4
    if laid and survey.num_with_alpha and not keeps_alpha(source.metadata()):
        tell(
            f"{survey.num_with_alpha:,} pictures have alpha: what is transparent lies on "
            f"{config.background} (--alpha keep keeps it)"
        )
    if plan is None:
        if source.left_out:
            tell(f"left out: {describe_left_out(source.left_out)}")
        return config, _dataset(config, source, tell)
    build, by_folder = plan
    path = built_dataset(survey, build, by_folder=by_folder, say=tell)
    return config.replace(size=build.shape.short), _dataset(config, path, tell)


def reopen_pictures(
    config: TrainConfig, fingerprint: Any, tell: Tell
) -> tuple[TrainConfig, Dataset | None]:
    """The pictures of a run that goes on: those that were made ready for it, if they are kept.

    Whether they are the right ones is for the caller to see.

    Args:
        config: of the run.
        fingerprint: of its pictures, as the run recorded it.
        tell: told where the data is no more what they were made of.

    Returns:
        The configuration, with an address as it may be written down; and the pictures, None where
        there is no data any more.

    Raises:
        WspaceError: the data cannot be read, or made ready again.
    """
    kept = kept_dataset(fingerprint) if isinstance(fingerprint, str) else None
    try:
        config, place = _fetched(config, tell)
    except WspaceError as error:
        if kept is None:
            raise
        config = config.replace(data=shown_address(config.data))
        tell(f"{error} The run goes on with what was made of it, {kept}")
        return config, _dataset(config, kept, tell)
    if not place.exists():
        if kept is None:
            return config, None
        tell(f"{config.data} is gone: the run goes on with what was made of it, {kept}")
        return config, _dataset(config, kept, tell)
    if config.size is None:  # it began with the data as it is
        return config, _dataset(config, place, tell)
    source = PictureSource(place)
    source.require_pictures()
    survey = Survey(source, tell)
    plan = _plan(config, survey, tell)
    if plan is None:
        return config, _dataset(config, source, tell)
    build, by_folder = plan
    made = place_of(survey, build, by_folder)
    if kept is not None and kept != made:
        tell(f"{config.data} has changed: the run goes on with what it began with, {kept}")
    if kept is None:
        kept = built_dataset(survey, build, by_folder=by_folder, say=tell)
    return config, _dataset(config, kept, tell)


def _fetched(config: TrainConfig, tell: Tell) -> tuple[TrainConfig, Path]:
    """Where the data lies here; and the configuration, with nothing secret in an address."""
    found = fetched(config.data, tell)
    address = found.address if is_address(config.data) else config.data
    return config.replace(data=address), found.path


def _dataset(config: TrainConfig, data: PictureSource | Path | str, tell: Tell) -> Dataset:
    memory = int(config.memory_budget_gb * 2**30)
    channels = cast(Any, config.image_channels)
    return Dataset.open(data, memory, image_channels=channels, shared_by=processes_here(), say=tell)


def _plan(config: TrainConfig, survey: Survey, tell: Tell) -> tuple[BuildConfig, bool] | None:
    """How to make the pictures ready, and whether their folders are classes; None: as they are."""
    given = None if config.size is None else read_size(config.size)
    by_folder = config.labels is not False and bool(survey.class_folders)
    kept = keeps_alpha(survey.source.metadata())
    alpha = "keep" if config.alpha is None and config.image_channels == 4 else config.alpha
    size = given or survey.size
    as_it_is = size is not None and size == survey.size and not by_folder
    as_it_is = as_it_is and (config.background, config.depth) == ("white", None)
    if as_it_is and config.alpha in (None, "keep" if kept else "lay"):
        return None
    tell(survey.describe())
    if size is None:
        size, why = _choose_size(config, survey)
        tell(f"the network's pictures will be {size}, {why} (--size, --fit)")
    build = BuildConfig(
        size=size.resolution,
        fit=cast(Any, config.fit),
        background=config.background,
        alpha=cast(Any, alpha),
        depth=config.depth,
    )
    return build, by_folder


def _choose_size(config: TrainConfig, survey: Survey) -> tuple[Size, str]:
    """The size for pictures of other sizes, and why."""
    if config.start_from is not None:
        model = GeneratorConfig.from_dict(read_metadata(config.start_from)["generator"])
        return size_of(model.resolution), f"as those of {config.start_from}"
    largest = survey.largest_size
    if config.total_kimg is not None:
        length, table = config.total_kimg, SIDE_BY_KIMG
    else:
        length, table = config.minutes or 0.0, SIDE_BY_MINUTES
        if choose_device(config.device).type == "cuda":
            length *= CUDA_IS_FASTER
    affordable = next((side for limit, side in table if length < limit), LARGEST_CHOSEN)
    if largest <= affordable:
        return Size(largest, largest), "as most pictures have no more"
    return Size(affordable, affordable), "which suits the length of the run"
