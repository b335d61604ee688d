"""Features of datasets, kept in a cache that is found by content."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from wspace.errors import WspaceError, WspaceWarning
from wspace.files import atomic_path, cache_root
from wspace.metrics.features.extractor import Extractor
from wspace.rendering.render import Progress

if TYPE_CHECKING:
    from wspace.data.dataset import Dataset

__all__ = ["cache_folder", "dataset_features", "dataset_indices"]


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


def dataset_features(
    dataset: Dataset,
    num: int | None = None,
    *,
    extractor: Extractor,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Features of the pictures that `dataset_indices` picks, from the cache where it has them.

    Args:
        dataset: the pictures.
        num: how many, None: all.
        extractor: makes the features.
        cache: a folder such as `cache_folder()`; None computes and keeps nothing. Entries are found
            by the dataset's content, the extractor and ``num``.
        progress: called with (pictures done, pictures in all).

    Returns:
        (num, extractor.dim), float32.

    Raises:
        WspaceError: ``num`` is out of range, a picture is damaged, the cache cannot be written.
    """
    indices = dataset_indices(dataset, num)
    shape = (len(indices), extractor.dim)
    entry = None
    if cache is not None:
        seen = f"{len(indices)} of {len(dataset)}, {dataset.image_channels} channels"
        key = f"{dataset.fingerprint}\0{extractor.id}\0{seen}"
        entry = cache / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.safetensors"
        stored = _read_cache(entry, shape)
        if stored is not None:
            if progress is not None:
                progress(len(indices), len(indices))
            return stored
        _require_writable(cache)  # said before the work, not after it
    features = torch.empty(shape)
    for start in range(0, len(indices), 64):
        chosen = indices[start : start + 64]
        features[start : start + 64] = extractor(dataset.images(chosen))
        if progress is not None:
            progress(start + len(chosen), len(indices))
    if entry is not None:
        with atomic_path(entry) as temporary:
            safetensors.torch.save_file({"features": features}, temporary)
    return features


def _read_cache(entry: Path, shape: tuple[int, int]) -> Tensor | None:
    """A cache entry; None where there is none or it is damaged, so that it is made anew."""
    try:
        stored = safetensors.torch.load_file(entry).get("features")
    except (OSError, safetensors.SafetensorError):
        return None
    if stored is None or tuple(stored.shape) != shape or stored.dtype != torch.float32:
        return None
    return stored


def _require_writable(folder: Path) -> None:
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
