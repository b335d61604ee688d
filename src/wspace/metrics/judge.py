"""The judge: a small classifier that learns, from labelled pictures, to say what is seen.

It shares nothing with the networks that features are made by and that a projected discriminator
sees through, so it does not flatter what was trained against those.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.data.order import ShuffledOrder
from wspace.errors import WspaceError
from wspace.files import atomic_path
from wspace.images import from_uint8, rgb_of
from wspace.metrics.features.datasets import batches_of_dataset, dataset_indices, require_writable
from wspace.metrics.quiet import Show, quiet

if TYPE_CHECKING:
    from wspace.data.dataset import Dataset

__all__ = [
    "Classifier",
    "Judge",
    "Judged",
    "Judging",
    "Truth",
    "judging_of",
    "learn_judge",
    "truth_of",
]

VERSION = 3  # another judge is trained where this changes
WIDTHS = (32, 64, 128)
FEATURES = 128
BATCH = 128
SEEN = 120_000  # pictures to learn from, all repetitions counted
REPETITIONS = 200  # of one picture, at most
LARGEST_SIDE = 64  # pictures are averaged down to this
PLAIN_SIDE = 32  # larger ones are seen at every other pixel from the first maps on
CLEAR = 0.5  # share of what guessing the commonest value gets wrong, that a judge has to get right
CLASS = "class"  # the kind of value that labels give

Indices = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What data says of its pictures.

    Attributes:
        values: of each kind (an attribute, or "class"), as text.
        codes: (N, kinds), int64: the number of each picture's value, from 0 in each kind.
    """

    values: Mapping[str, tuple[str, ...]]
    codes: Indices


def truth_of(data: Dataset, kinds: Sequence[str] | None = None) -> Truth | None:
    """The attributes of data, or without any its classes; None where it has neither.

    Attributes that tell the same pictures apart, under whatever values, count once.

    Args:
        data: labelled pictures.
        kinds: only these attributes.

    Raises:
        WspaceError: an attribute that the data lacks.
    """
    attributes = data.attributes
    if attributes is None:
        if kinds:
            raise WspaceError(f"{data.path} has no attribute {kinds[0]!r}: it has none at all.")
        if data.labels is None:
            return None
        names = data.class_names or tuple(str(k) for k in range(data.num_classes))
        return Truth(values={CLASS: names}, codes=data.labels[:, None])
    columns, values, told = [], {}, set()
    for kind in kinds or tuple(attributes.values):
        if kind not in attributes.values:
            raise WspaceError(
                f"{data.path} has no attribute {kind!r}: give some of "
                f"{', '.join(attributes.values)}."
            )
        codes = attributes.codes[:, list(attributes.values).index(kind)]
        same = _partition(codes)
        if not kinds and same in told:
            continue
        told.add(same)
        columns.append(codes - codes.min())  # codes of one attribute follow each other
        values[kind] = tuple(_as_text(value) for value in attributes.values[kind])
    return Truth(values=values, codes=np.stack(columns, axis=1))


def _partition(codes: Indices) -> bytes:
    """The same for codes that differ in their values alone."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return first[inverse].tobytes()


def _as_text(value: str) -> str:
    """JSON as people read it."""
    plain = json.loads(value)
    return plain if isinstance(plain, str) else value


class Classifier(nn.Module):
    """Pictures to features, features to the logits of each kind of value.

    Args:
        height: of the pictures in pixels, >= 8.
        width: as ``height``.
        channels: 3 (grey pictures count as colour), or 4 with alpha.
        num_values: of each kind.
    """

    def __init__(self, height: int, width: int, channels: int, num_values: Sequence[int]) -> None:
        super().__init__()
        self.channels = channels
        self.shrunk = 1
        while max(height, width) > LARGEST_SIDE * self.shrunk:
            self.shrunk *= 2
        stride = 2 if max(height, width) > PLAIN_SIDE * self.shrunk else 1
        blocks: list[nn.Module] = []
        before = channels
        for maps in WIDTHS:
            blocks += [
                nn.Conv2d(before, maps, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(maps),
                nn.MaxPool2d(2, ceil_mode=True),
                nn.ReLU(),  # after pooling: the same, of a quarter of the numbers
            ]
            stride, before = 1, maps
        halved = 2 ** (len(WIDTHS) + (max(height, width) > PLAIN_SIDE * self.shrunk))
        places = math.prod(math.ceil(math.ceil(n / self.shrunk) / halved) for n in (height, width))
        self.body = nn.Sequential(
            *blocks, nn.Flatten(), nn.Linear(before * places, FEATURES), nn.ReLU()
        )
        self.heads = nn.ModuleList(nn.Linear(FEATURES, count) for count in num_values)

    def forward(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, 1, 3 or 4, H, W), uint8, to features (N, 128) and logits, one (N, values) a head."""
        return self.seen(from_uint8(pixels))

    def seen(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """As `forward`, of images in [-1, 1] (with alpha, premultiplied); gradients pass."""
        if self.shrunk > 1:
            images = F.avg_pool2d(images, self.shrunk, ceil_mode=True)
        if self.channels == 3:
            images = rgb_of(images)
        elif images.shape[1] != 4:  # opaque
            images = F.pad(rgb_of(images), (0, 0, 0, 0, 0, 1), value=1.0)
        features = self.body(images)
        return features, [head(features) for head in self.heads]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a judge saw in pictures.

    Attributes:
        features: (N, 128).
        decisions: (N, kinds), int64, the value that it decides for.
        sureness: (N, kinds), the probability that it gives that value.
    """

    features: Tensor
    decisions: Tensor
    sureness: Tensor

    @classmethod
    def of(cls, parts: Sequence[Judged]) -> Judged:
        """Several, one after the other."""
        return cls(
            features=torch.cat([part.features for part in parts]),
            decisions=torch.cat([part.decisions for part in parts]),
            sureness=torch.cat([part.sureness for part in parts]),
        )


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A trained classifier.

    Attributes:
        id: names its weights; distances of two judges cannot be compared.
        network: in eval mode.
        values: of each kind, in the order of its decisions.
    """

    id: str
    network: Classifier
    values: Mapping[str, tuple[str, ...]]

    @torch.inference_mode()
    def look(self, pixels: Tensor) -> Judged:
        """What it sees in pictures (N, 1, 3 or 4, H, W), uint8; all of it on the CPU."""
        parts = []
        for batch in pixels.split(BATCH):
            features, logits = self.network(batch.to(self.network.heads[0].weight.device))
            best = [one.softmax(dim=1).max(dim=1) for one in logits]
            parts.append(
                Judged(
                    features=features.cpu(),
                    decisions=torch.stack([one.indices for one in best], dim=1).cpu(),
                    sureness=torch.stack([one.values for one in best], dim=1).cpu(),
                )
            )
        return Judged.of(parts)

    def look_at(self, data: Dataset, indices: Indices, show: Show = quiet) -> Judged:
        """What it sees in those pictures of ``data``."""
        parts, done = [], 0
        with show(f"judging {data.path}", "pictures") as progress:
            for pixels in batches_of_dataset(data, indices):
                parts.append(self.look(pixels))
                done += len(pixels)
                progress(done, len(indices))
        return Judged.of(parts)


@dataclass(frozen=True, kw_only=True)
class Judging:
    """A judge, and how far it can be relied on.

    Attributes:
        judge: the judge.
        real: what it saw in pictures of the data that it did not learn from.
        indices: which pictures these were.
        accuracy: of each kind, the share of those that it gets right.
        commonest: of each kind, the share that has the commonest value.
        clear: the kinds that it sees: at least half of what guessing the commonest value gets
            wrong is right. The others cannot be told from a picture of this size, or not learned.
    """

    judge: Judge
    real: Judged
    indices: Indices
    accuracy: Mapping[str, float]
    commonest: Mapping[str, float]
    clear: tuple[str, ...]

    def decisions(self, judged: Judged, kind: str) -> Tensor:
        """(N,), int64: the decisions on one kind."""
        return judged.decisions[:, list(self.judge.values).index(kind)]

    def sureness(self, judged: Judged, kind: str) -> Tensor:
        """(N,): how sure those are."""
        return judged.sureness[:, list(self.judge.values).index(kind)]


def judging_of(
    data: Dataset,
    labelled: Dataset | None = None,
    *,
    other_half: bool = False,
    cache: Path | None = None,
    device: torch.device | str = "cpu",
    show: Show = quiet,
) -> Judging:
    """A judge for the pictures of ``data``.

    Args:
        data: labelled pictures.
        labelled: others of the same kinds that the judge learns from; None: it learns from one
            half of ``data``, and the other half is what it is held against.
        other_half: without ``labelled``, the halves change places: this judge shares no picture
            with the usual one.
        cache: where judges are kept, found by content; None keeps none.
        device: where it computes.
        show: displays the work.

    Raises:
        WspaceError: no labels, kinds that differ, too few pictures, or nothing that can be seen.
    """
    truth = truth_of(data)
    if truth is None:
        raise WspaceError(
            f"{data.path} says nothing of its pictures: a judge needs classes or attributes in "
            "dataset.json; give labelled data."
        )
    if labelled is None:
        half = len(data) // 2
        if half < 2:
            raise WspaceError(f"{data.path} has {len(data)} pictures: too few for a judge.")
        learned = dataset_indices(data, half)
        indices = np.setdiff1d(np.arange(len(data)), learned)
        if other_half:
            learned, indices = indices, learned
        judge = learn_judge(data, indices=learned, cache=cache, device=device, show=show)
    else:
        indices = np.arange(len(data))
        judge = learn_judge(
            labelled, kinds=_shared_kinds(truth, labelled), cache=cache, device=device, show=show
        )
    real = judge.look_at(data, indices, show)
    accuracy, commonest = {}, {}
    for k, (kind, values) in enumerate(judge.values.items()):
        own = truth.values[kind]
        # A value that the judge never saw is never right.
        numbers = torch.tensor([values.index(v) if v in values else -1 for v in own])
        right = numbers[truth.codes[indices, list(truth.values).index(kind)]]
        accuracy[kind] = float((real.decisions[:, k] == right).double().mean())
        commonest[kind] = float(torch.bincount(right + 1).max() / len(right))
    clear = tuple(
        kind
        for kind in judge.values
        if commonest[kind] < 1
        and (accuracy[kind] - commonest[kind]) / (1 - commonest[kind]) >= CLEAR
    )
    if not clear:
        raise WspaceError(
            f"a judge cannot tell {', '.join(judge.values)} from the pictures of {data.path}: give "
            "more labelled pictures, or others."
        )
    return Judging(
        judge=judge,
        real=real,
        indices=indices,
        accuracy=accuracy,
        commonest=commonest,
        clear=clear,
    )


def _shared_kinds(truth: Truth, labelled: Dataset) -> tuple[str, ...] | None:
    """The attributes that both have; None for classes."""
    other = truth_of(labelled)
    shared = tuple(kind for kind in truth.values if other is not None and kind in other.values)
    if not shared:
        raise WspaceError(
            f"{labelled.path} does not say of its pictures what the data says "
            f"({', '.join(truth.values)}): give data with the same attributes or classes."
        )
    return None if shared == (CLASS,) and labelled.attributes is None else shared


def learn_judge(
    data: Dataset,
    *,
    kinds: Sequence[str] | None = None,
    indices: Indices | None = None,
    cache: Path | None = None,
    device: torch.device | str = "cpu",
    show: Show = quiet,
) -> Judge:
    """Train a judge, or take it from the cache.

    Args:
        data: labelled pictures.
        kinds: the attributes to learn; None for all, or for the classes.
        indices: which pictures to learn from; None: all.
        cache: where judges are kept, found by content; None keeps none.
        device: where it computes.
        show: displays the training.

    Raises:
        WspaceError: the data says nothing of its pictures, or the cache cannot be written.
    """
    truth = truth_of(data, kinds)
    if truth is None:
        raise WspaceError(f"{data.path} has neither classes nor attributes: no judge can learn.")
    chosen = np.arange(len(data)) if indices is None else indices
    num_values = [len(values) for values in truth.values.values()]
    height, width = data.images([0]).shape[2:]
    channels = 4 if data.image_channels == 4 else 3
    seen = min(SEEN, REPETITIONS * len(chosen))
    told = hashlib.sha256(truth.codes[chosen].tobytes() + chosen.tobytes()).hexdigest()
    key = f"{VERSION} {seen} {dict(truth.values)} {channels} {data.fingerprint} {told}"
    entry = None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Classifier(height, width, channels, num_values)
    if cache is not None:
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        entry = cache / f"judge-{name}.safetensors"
        if _restore(network, entry):
            return _judge(network.to(device), truth)
        require_writable(cache)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    _train(network, data, chosen, truth, seen, show)
    if entry is not None:
        with atomic_path(entry) as temporary:
            stored = {k: v.cpu().contiguous() for k, v in network.state_dict().items()}
            safetensors.torch.save_file(stored, temporary)
    return _judge(network, truth)


def _judge(network: Classifier, truth: Truth) -> Judge:
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    network.eval().requires_grad_(False)
    return Judge(id=digest.hexdigest()[:12], network=network, values=truth.values)


def _restore(network: Classifier, entry: Path) -> bool:
    """Whether a judge was kept; a damaged one is trained anew."""
    try:
        network.load_state_dict(safetensors.torch.load_file(entry))
    except (OSError, safetensors.SafetensorError, RuntimeError):
        return False
    return True


def _train(
    network: Classifier, data: Dataset, chosen: Indices, truth: Truth, seen: int, show: Show
) -> None:
    steps = max(1, seen // BATCH)
    device = next(network.parameters()).device
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    order = ShuffledOrder(len(chosen), seed=0)
    with show("training a judge", "pictures") as progress:
        for step in range(steps):
            taken = chosen[order.next(BATCH)]
            data.prepare(chosen[order.peek(BATCH)])
            _, logits = network(data.images(taken).to(device))
            wanted = torch.from_numpy(truth.codes[taken]).to(device).unbind(dim=1)
            losses = [F.cross_entropy(*pair) for pair in zip(logits, wanted, strict=True)]
            optimizer.zero_grad(set_to_none=True)
            torch.stack(losses).mean().backward()
            optimizer.step()
            schedule.step()
            progress((step + 1) * BATCH, steps * BATCH)
