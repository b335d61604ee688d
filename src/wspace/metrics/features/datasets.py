"""Features of datasets, kept in a cache that is found by content."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from wspace.errors import WspaceError, WspaceWarning
from wspace.files import atomic_path, cache_root
from wspace.group import ALONE, Group
from wspace.metrics.features.extractor import Extractor
from wspace.metrics.features.seen import Collector, Seen
from wspace.metrics.gaussian import Statistics
from wspace.rendering.render import Progress

if TYPE_CHECKING:
    from wspace.data.dataset import Dataset

__all__ = [
    "batches_of_dataset",
    "cache_folder",
    "dataset_features",
    "dataset_indices",
    "dataset_statistics",
    "require_writable",
]

BATCH = 64


def cache_folder() -> Path | None:
    """Where features of datasets are kept: ``$WSPACE_CACHE/features``, or in ~/.cache/wspace.

    Returns:
        None where there is no such place, see `files.cache_root`.

    Warns:
        WspaceWarning: features are not kept, for that reason.
    """
    root = cache_root()
    if root is None:
        warnings.warn(
            "there is no home folder to keep features of datasets in: they are made anew each "
            "time; set WSPACE_CACHE to a folder to keep them.",
            WspaceWarning,
            stacklevel=2,
        )
        return None
    return root / "features"


def dataset_indices(dataset: Dataset, num: int | None) -> np.ndarray[Any, Any]:
    """The pictures that stand for ``dataset``: all, or ``num`` that a fixed shuffle picks, sorted.

    Data is often sorted by class or source, so the first ``num`` would be a biased choice.

    Raises:
        WspaceError: ``num`` is not in 1 to len(dataset).
    """
    if num is None or num == len(dataset):
        return np.arange(len(dataset))
    if not 1 <= num <= len(dataset):
        raise WspaceError(
            f"{num} pictures of {dataset.path} were asked for, it has {len(dataset)}."
        )
    return np.sort(np.random.RandomState(0).permutation(len(dataset))[:num])


def batches_of_dataset(
    dataset: Dataset, indices: np.ndarray[Any, Any], group: Group = ALONE
) -> Iterator[Tensor]:
    """Those pictures, (n, image_channels, H, W), uint8, the next ones decoded meanwhile.

    Of a group's processes each reads every world_size-th batch.
    """
    batches = [indices[start : start + BATCH] for start in range(0, len(indices), BATCH)]
    batches = group.own(batches)
    for k, chosen in enumerate(batches):
        pixels = dataset.images(chosen)
        if k + 1 < len(batches):
            dataset.prepare(batches[k + 1])
        yield pixels


def dataset_features(
    dataset: Dataset,
    num: int | None = None,
    *,
    extractor: Extractor,
    cache: Path | None = None,
    progress: Progress | None = None,
    group: Group = ALONE,
) -> Tensor:
    """Features of the pictures that `dataset_indices` picks, from the cache where it has them.

    Args:
        dataset: the pictures.
        num: how many, None: all.
        extractor: makes the features.
        cache: a folder such as `cache_folder()`; None computes and keeps nothing. Entries are found
            by the dataset's content, the extractor and ``num``.
        progress: called with (pictures done, pictures in all).
        group: of processes that look at them together; all call this.

    Returns:
        (num, extractor.dim), float32.

    Raises:
        WspaceError: ``num`` is out of range, a picture is damaged, the cache cannot be written.
    """
    indices = dataset_indices(dataset, num)
    entry = None if cache is None else _entry(cache, dataset, extractor, len(indices))
    if entry is not None:
        stored = _read_features(entry, (len(indices), extractor.dim))
        if _all_have(stored, group):
            assert stored is not None
            if progress is not None:
                progress(len(indices), len(indices))
            return stored
        require_writable(entry.parent)  # said before the work, not after it
    features = _collect(dataset, indices, extractor, progress, keep=True, group=group).features
    if entry is not None and group.is_first:
        _write(entry, {"features": features})
    return features


def dataset_statistics(
    dataset: Dataset,
    num: int | None = None,
    *,
    extractor: Extractor,
    cache: Path | None = None,
    progress: Progress | None = None,
    group: Group = ALONE,
) -> Statistics:
    """Mean and covariance of `dataset_features`, which are never all in memory.

    Args and errors are those of `dataset_features`; the cache keeps the statistics. Where it has
    the features already, it gives those.
    """
    indices = dataset_indices(dataset, num)
    entry = None
    if cache is not None:
        features = _entry(cache, dataset, extractor, len(indices))
        stored = _read_features(features, (len(indices), extractor.dim))
        if _all_have(stored, group):
            return Seen(stored).statistics
        entry = features.with_suffix(".statistics.safetensors")
        known = _read_statistics(entry, extractor.dim, len(indices))
        if _all_have(known, group):
            assert known is not None
            if progress is not None:
                progress(len(indices), len(indices))
            return known
        require_writable(cache)
    found = _collect(dataset, indices, extractor, progress, keep=False, group=group).statistics
    if entry is not None and group.is_first:
        _write(entry, {"mean": found.mean, "covariance": found.covariance})
    return found


def _collect(
    dataset: Dataset,
    indices: np.ndarray[Any, Any],
    extractor: Extractor,
    progress: Progress | None,
    *,
    keep: bool,
    group: Group,
) -> Seen:
    collector, done = Collector(keep, group), 0
    for pixels in batches_of_dataset(dataset, indices, group):
        collector.add(extractor(pixels))
        done += len(pixels) * group.world_size  # as the others, about
        if progress is not None:
            progress(min(done, len(indices)), len(indices))
    return collector.seen()


def _all_have(known: object, group: Group) -> bool:
    """Whether every process has found in its cache what it looked for."""
    return all(group.gather(known is not None, "caches of features"))


def _entry(cache: Path, dataset: Dataset, extractor: Extractor, num: int) -> Path:
    """Where features are kept."""
    seen = f"{num} of {len(dataset)}, {dataset.image_channels} channels"
    key = f"{dataset.fingerprint}\0{extractor.id}\0{seen}"
    return cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"


def _write(entry: Path, tensors: dict[str, Tensor]) -> None:
    with atomic_path(entry) as temporary:
        safetensors.torch.save_file(tensors, temporary)


def _read(entry: Path) -> dict[str, Tensor]:
    """A cache entry; empty where there is none or it is damaged, so that it is made anew."""
    try:
        return safetensors.torch.load_file(entry)
    except (OSError, safetensors.SafetensorError):
        return {}


def _read_features(entry: Path, shape: tuple[int, int]) -> Tensor | None:
    stored = _read(entry).get("features")
    if stored is None or tuple(stored.shape) != shape or stored.dtype != torch.float32:
        return None
    return stored


def _read_statistics(entry: Path, dim: int, count: int) -> Statistics | None:
    stored = _read(entry)
    shapes = {name: tuple(tensor.shape) for name, tensor in stored.items()}
    if shapes != {"mean": (dim,), "covariance": (dim, dim)}:
        return None
    return Statistics(mean=stored["mean"], covariance=stored["covariance"], count=count)


def require_writable(folder: Path) -> None:
    """Raise a WspaceError where nothing can be kept in a cache folder."""
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise WspaceError(
            f"cannot keep features in {folder}: {error.strerror}: set WSPACE_CACHE to a "
            "folder that can be written, or measure with --no-cache."
        ) from error
