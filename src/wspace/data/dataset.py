"""Pictures for training: a zip, a folder or tars, checked when opened, decoded when needed."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from wspace.data.attributes import Attributes, read_attributes
from wspace.data.checks import check_headers
from wspace.data.content import content_digest
from wspace.data.decoding import Decoders, Pixels, Shape
from wspace.data.labels import Classes, read_classes
from wspace.data.metadata import Metadata, keeps_alpha, read_text
from wspace.data.parallel import num_cores
from wspace.data.patience import Say, silent
from wspace.data.source import HEAD_BYTES, PictureSource
from wspace.errors import WspaceError, WspaceWarning
from wspace.sizes import Resolution

__all__ = ["Dataset"]

DEFAULT_MEMORY_BUDGET = 4 << 30  # bytes of decoded pictures kept in memory

MOST_DECODERS = 8  # processes, where nobody says how many
FEWEST_PICTURES = 256  # for which processes are started

Indices = Sequence[int] | np.ndarray[Any, Any] | Tensor


class Dataset:
    """Pictures of one size that networks can make, with or without class labels.

    Opened by `Dataset.open`. Pictures are decoded when first asked for and stay in memory as uint8
    when all of them fit in the memory budget. All methods may be called from several threads.

    Attributes:
        path: where the data lies.
        name: the file's or folder's name without suffix.
        size: height and width, see `Size.fits_networks`; 8 pixels a side at least.
        image_channels: 4 where ``dataset.json`` says that alpha is kept, 1 where all pictures are
            grey, else 3; or what `open` was asked for.
        image_names: names inside the data, sorted; index i of every method is ``image_names[i]``.
        left_out: files that are no data, by kind.
        licence, attribution, style: what ``dataset.json`` says of them, or None.
        remarks: lines for people, of files that are there and not used.
        memory_budget: bytes.
        seconds_waited: how long `images` has taken in all.
    """

    def __init__(
        self,
        source: PictureSource,
        memory_budget: int,
        image_channels: int | None = None,
        workers: int = 0,
        say: Say = silent,
    ) -> None:
        """Use `Dataset.open`."""
        source.require_pictures()
        self.path = source.path
        self.name = source.name
        self.memory_budget = memory_budget
        self._source = source
        self._say = say
        self.image_names: tuple[str, ...] = tuple(entry.name for entry in source.entries)
        self.left_out = source.left_out
        self.size, own_channels, head_digest = check_headers(source, say)
        metadata = source.metadata()
        self.image_channels = image_channels or (4 if keeps_alpha(metadata) else own_channels)
        self.licence = read_text(metadata, "licence")
        self.attribution = read_text(metadata, "attribution")
        self.style = read_text(metadata, "style")
        self.remarks = tuple(source.remarks)
        self._head_digest = head_digest
        self._classes, self._told_labels = _classes(metadata, self.image_names)
        self._cache: Pixels | None = None  # (N, C, H, W)
        self._cached = np.zeros(len(self), dtype=bool)
        self._pool: ThreadPoolExecutor | None = None
        self._shape = Shape(self.size, self.image_channels)
        # by index: being decoded and not yet asked for; which of the result it is, None: all
        self._ahead: dict[int, tuple[Future[Pixels], int | None]] = {}
        self._decoders: Decoders | None = None
        if workers and not self.fits_in_memory:
            self._decoders = Decoders(source, self._shape, workers)
        self.seconds_waited = 0.0
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls,
        path: Path | str | PictureSource,
        memory_budget: int = DEFAULT_MEMORY_BUDGET,
        *,
        image_channels: Literal[1, 3, 4] | None = None,
        workers: int | None = None,
        shared_by: int = 1,
        say: Say = silent,
    ) -> Dataset:
        """Open any place of pictures, see `PictureSource`; only headers are read.

        Zips of the official StyleGAN2-ADA and StyleGAN3 tools load as they are, with the labels of
        their ``dataset.json``: ``{"labels": null or [[name, class], ...]}``. What it says of
        classes is read, and refused where it is wrong, when it is asked for: by `classes`,
        `labels`, `num_classes`, `class_names` and `one_hot`.

        Args:
            path: the zip, folder or tar, or its list of pictures.
            memory_budget: bytes that decoded pictures may take; larger data is decoded each time.
            image_channels: 1 gives brightness, 3 red, green and blue, both with what is transparent
                on white; 4 keeps alpha. None: what the pictures have, see the attribute.
            workers: processes that decode what does not fit in memory; 0: threads of this process.
                None: one a core, 8 at most, and none where one could do it.
            shared_by: processes of this kind on this machine, which share its memory and cores.
            say: told how far it is, where opening it or its `fingerprint` takes long.

        Raises:
            WspaceError: no pictures, an unreadable one, pictures that are not all of one size that
                networks can make (the message has the `wspace data build` line), a
                ``dataset.json`` that cannot be read.
        """
        source = path if isinstance(path, PictureSource) else PictureSource(path)
        if workers is None:
            cores = min(num_cores() // shared_by, MOST_DECODERS)
            workers = cores if cores > 1 and len(source.entries) >= FEWEST_PICTURES else 0
        return cls(source, memory_budget // shared_by, image_channels, workers, say)

    def __len__(self) -> int:
        return len(self.image_names)

    @property
    def resolution(self) -> Resolution:
        """The side where the pictures are square, else height and width."""
        return self.size.resolution

    @property
    def fits_in_memory(self) -> bool:
        """Whether all decoded pictures fit in the memory budget, and are therefore kept."""
        return len(self) * self._shape.num_bytes <= self.memory_budget

    def images(self, indices: Indices) -> Tensor:
        """Pictures as they are trained on.

        Args:
            indices: (N,), integers in [0, len).

        Returns:
            (N, image_channels, H, W), uint8, a copy; with alpha, straight colours (see `images`).

        Raises:
            WspaceError: a picture is damaged or has gone.
        """
        began = time.perf_counter()
        found = self._images(np.asarray(indices, dtype=np.int64).reshape(-1))
        self.seconds_waited += time.perf_counter() - began
        return torch.from_numpy(found)

    def _images(self, wanted: np.ndarray[Any, Any]) -> Pixels:
        if not self.fits_in_memory:
            return self._decode_all(wanted)
        cache = self._allocate_cache()
        missing = np.unique(wanted[~self._cached[wanted]])
        if missing.size:
            cache[missing] = self._decode_all(missing)
            self._cached[missing] = True
        found: Pixels = cache[wanted]
        return found

    def prepare(self, indices: Indices) -> None:
        """Begin to decode what `images` will be asked for next, and return at once.

        Pictures that were prepared before and never asked for are forgotten. A damaged picture
        raises when it is asked for, not here.

        Args:
            indices: (N,), integers in [0, len).
        """
        wanted = np.unique(np.asarray(indices, dtype=np.int64).reshape(-1))
        if self.fits_in_memory:
            wanted = wanted[~self._cached[wanted]]
        for future, _ in self._ahead.values():
            future.cancel()
        self._ahead = self._begun(wanted.tolist())

    def preload(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Decode every picture once, so that a damaged one is found now and not during training.

        Pictures stay in memory when they fit in the budget.

        Args:
            progress: called with (pictures done, all pictures) after every few hundred.

        Raises:
            WspaceError: a picture is damaged or has gone.
        """
        for start in range(0, len(self), 512):
            stop = min(start + 512, len(self))
            self.images(range(start, stop))
            if progress is not None:
                progress(stop, len(self))

    @property
    def classes(self) -> Classes | None:
        """Which picture has which class; None without labels.

        Raises:
            WspaceError: labels that are no classes, contradict one another, or are not of all
                pictures.
        """
        if isinstance(self._classes, str):
            raise WspaceError(self._classes)
        return self._classes

    @property
    def labels(self) -> np.ndarray[Any, np.dtype[np.int64]] | None:
        """(N,), int64, a class each, in [0, num_classes); None without labels. As `classes`."""
        return None if self.classes is None else self.classes.labels

    @property
    def num_classes(self) -> int:
        """How many classes the pictures are of; 0 without labels. Raises as `classes`."""
        return 0 if self.classes is None else len(self.classes.numbers)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """A name for each class, no two the same; None without names. Raises as `classes`."""
        return None if self.classes is None else self.classes.names

    def keep_class_numbers(self) -> None:
        """Number the classes as ``dataset.json`` does, gaps and all, as earlier versions did."""
        metadata = self._source.metadata()
        self._classes, self._told_labels = _classes(metadata, self.image_names, keep_numbers=True)
        self.__dict__.pop("fingerprint", None)

    @functools.cached_property
    def fingerprint(self) -> str:
        """sha256 (hex): another one means that the data has changed.

        It is over the names, sizes and labels of all pictures, and over what they hold: a folder's
        files are read whole, and tars are, of a zip's the checksums.
        """
        beyond_heads = any(entry.size > HEAD_BYTES for entry in self._source.entries)
        if self._source.has_checksums or not beyond_heads:  # their heads are all that they hold
            return self._fingerprint(self._head_digest)
        return self._fingerprint(content_digest(self._source, say=self._say))

    @property
    def earlier_fingerprint(self) -> str:
        """The fingerprint of earlier versions, over the first 16 KiB of each file of a folder."""
        return self._fingerprint(self._head_digest)

    def _fingerprint(self, content: str) -> str:
        digest = hashlib.sha256(content.encode())
        for entry in self._source.entries:
            stored = f"{entry.stored}\0{entry.size}\0{entry.crc}\n"
            digest.update(stored.encode("utf-8", "surrogateescape"))
        digest.update(self._told_labels)
        return digest.hexdigest()

    def one_hot(self, indices: Indices) -> Tensor:
        """Labels for the networks.

        Args:
            indices: (N,), integers in [0, len).

        Returns:
            (N, num_classes), float32; (N, 0) without labels.
        """
        wanted = np.asarray(indices, dtype=np.int64).reshape(-1)
        encoded = torch.zeros(wanted.size, self.num_classes)
        if self.labels is not None:
            encoded.scatter_(1, torch.from_numpy(self.labels[wanted])[:, None], 1.0)
        return encoded

    @functools.cached_property
    def attributes(self) -> Attributes | None:
        """The attributes that tell the pictures apart; None where there are none.

        Raises:
            WspaceError: they are malformed, or say nothing of some pictures.
        """
        return read_attributes(self._source.metadata(), self.image_names)

    def close(self) -> None:
        """Release the file and the decoding threads."""
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
            self._pool = None
            if self._decoders is not None:
                self._decoders.close()
            self._decoders = None
        self._source.close()

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _allocate_cache(self) -> Pixels:
        with self._lock:
            if self._cache is None:
                shape = (len(self), self.image_channels, *self.size)
                self._cache = np.empty(shape, dtype=np.uint8)
            return self._cache

    def _decode_all(self, indices: np.ndarray[Any, Any]) -> Pixels:
        shape = (indices.size, self.image_channels, *self.size)
        decoded = np.empty(shape, dtype=np.uint8)

        unique = list(dict.fromkeys(indices.tolist()))
        begun = {i: place for i in unique if (place := self._ahead.pop(i, None)) is not None}
        missing = [index for index in unique if index not in begun]
        if self._decoders is not None or len(missing) >= 8:
            begun |= self._begun(missing)
        for position, index in enumerate(indices.tolist()):
            place = begun.get(index)
            decoded[position] = self._decode(index) if place is None else self._taken(index, place)
        return decoded

    def _begun(self, indices: list[int]) -> dict[int, tuple[Future[Pixels], int | None]]:
        """Pictures that are being decoded from now on, by others where there are any."""
        if self._decoders is not None:
            entries = self._source.entries
            try:
                places = self._decoders.submit([entries[index].stored for index in indices])
                return dict(zip(indices, places, strict=True))
            except BrokenProcessPool:
                self._go_on_alone()
        return {index: (self._threads().submit(self._decode, index), None) for index in indices}

    def _taken(self, index: int, place: tuple[Future[Pixels], int | None]) -> Pixels:
        """A picture that was begun."""
        future, row = place
        try:
            found = future.result()
        except CancelledError:  # by another thread, which prepares others
            return self._decode(index)
        except BrokenProcessPool:
            self._go_on_alone()
            return self._decode(index)
        return found if row is None else found[row]

    def _go_on_alone(self) -> None:
        if self._decoders is None:
            return
        self._decoders.close()
        self._decoders = None
        warnings.warn(
            "a process that decodes pictures was killed, most likely because memory ran out: this "
            "one decodes them from here on.",
            WspaceWarning,
            stacklevel=2,
        )

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                workers = min(16, num_cores())
                self._pool = ThreadPoolExecutor(workers, thread_name_prefix="wspace-decode")
            return self._pool

    def _decode(self, index: int) -> Pixels:
        """One picture, (image_channels, H, W), uint8."""
        return self._shape.decoded(self._source, self.image_names[index])


def _classes(
    metadata: Metadata, names: Sequence[str], *, keep_numbers: bool = False
) -> tuple[Classes | str | None, bytes]:
    """The classes, or why the labels are none; and all that the labels say, for a fingerprint."""
    try:
        classes = read_classes(metadata, names, keep_numbers=keep_numbers)
    except WspaceError as error:
        return str(error), json.dumps(metadata.content["labels"], sort_keys=True).encode()
    if classes is None:
        return None, b"none"
    told = classes.labels.astype("<i8").tobytes()
    gaps = classes.numbers != tuple(range(len(classes.numbers)))
    return classes, told + (str(classes.numbers).encode() if gaps else b"")
