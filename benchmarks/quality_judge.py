"""The second judge of `quality.py`: a small classifier that shares nothing with FD (lite).

It learns from labelled pictures that neither generator nor held-out set has. Its last hidden layer
gives features, its decisions give the share of each class.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quality_data import Task
from wspace.data.dataset import Dataset
from wspace.data.order import ShuffledOrder
from wspace.files import atomic_write_bytes
from wspace.images import from_uint8
from wspace.machine import keep_freed_memory

__all__ = ["Judge", "judge_of", "total_variation"]

VERSION = 1  # another one is trained where this changes
WIDTHS = (32, 64, 128)
FEATURES = 128
BATCH = 128
SEEN = 120_000  # pictures to learn from, all repetitions counted


class Classifier(nn.Module):
    """Pictures to features, features to the logits of each kind of class."""

    def __init__(self, resolution: int, num_classes: tuple[int, ...]) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        channels = 3
        for width in WIDTHS:
            blocks += [
                nn.Conv2d(channels, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            channels = width
        side = resolution // 2 ** len(WIDTHS)
        self.body = nn.Sequential(
            *blocks, nn.Flatten(), nn.Linear(channels * side**2, FEATURES), nn.ReLU()
        )
        self.heads = nn.ModuleList(nn.Linear(FEATURES, count) for count in num_classes)

    def forward(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(N, 1 or 3, H, W), uint8, to features (N, 128) and logits, one (N, classes) a head."""
        features = self.body(from_uint8(pixels).expand(-1, 3, -1, -1))
        return features, [head(features) for head in self.heads]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A trained classifier.

    Attributes:
        id: names its weights; Frechet distances of two judges cannot be compared.
        network: in eval mode.
    """

    id: str
    network: Classifier

    @torch.inference_mode()
    def look(self, pixels: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What it sees in pictures.

        Args:
            pixels: (N, 1 or 3, H, W), uint8.

        Returns:
            Features (N, 128), and for each kind the class that it decides for, (N,), int64.
        """
        seen = [self.network(batch) for batch in pixels.split(BATCH)]
        features = torch.cat([features for features, _ in seen])
        kinds = range(len(self.network.heads))
        return features, [torch.cat([logits[k].argmax(dim=1) for _, logits in seen]) for k in kinds]

    @property
    def num_classes(self) -> list[int]:
        """Classes of each kind."""
        return [len(head.bias) for head in self.network.heads if isinstance(head, nn.Linear)]


def judge_of(task: Task, cache: Path) -> Judge | None:
    """The judge of a task, from the cache or trained now; None where there are no labels."""
    if task.judged is None:
        return None
    with Dataset.open(task.judged) as data:
        targets, num_classes = _targets(data, task.kinds)
        key = f"{VERSION} {SEEN} {task.kinds} {data.fingerprint}"
        path = cache / f"judge-{hashlib.sha256(key.encode()).hexdigest()[:16]}.pt"
        if not path.exists():
            buffer = io.BytesIO()
            torch.save(_train(data, targets, num_classes).state_dict(), buffer)
            atomic_write_bytes(path, buffer.getvalue())
        network = Classifier(data.resolution, num_classes)
    content = path.read_bytes()
    network.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
    return Judge(id=hashlib.sha256(content).hexdigest()[:12], network=network.eval())


def total_variation(a: Tensor, b: Tensor) -> float:
    """Half the sum of differences between the shares of classes, (C,) each: 0 = the same, to 1."""
    return float((a - b).abs().sum() / 2)


def _targets(data: Dataset, kinds: tuple[str, ...]) -> tuple[Tensor, tuple[int, ...]]:
    """(N, kinds), int64, from 0 on in each kind, and how many classes each kind has."""
    if not kinds:
        assert data.labels is not None
        return torch.from_numpy(data.labels)[:, None], (data.num_classes,)
    attributes = data.attributes
    assert attributes is not None
    columns: list[np.ndarray[Any, Any]] = []
    for kind in kinds:
        codes = attributes.codes[:, list(attributes.values).index(kind)]
        columns.append(codes - codes.min())  # codes of one attribute follow each other
    targets = torch.from_numpy(np.stack(columns, axis=1))
    return targets, tuple(len(attributes.values[kind]) for kind in kinds)


def _train(data: Dataset, targets: Tensor, num_classes: tuple[int, ...]) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Classifier(data.resolution, num_classes).to(memory_format=torch.channels_last)
    steps = SEEN // BATCH
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps)
    keep_freed_memory()
    order = ShuffledOrder(len(data), seed=0)
    for _ in range(steps):
        chosen = order.next(BATCH)
        _, logits = network(data.images(chosen))
        wanted = targets[chosen].unbind(dim=1)
        pairs = zip(logits, wanted, strict=True)
        loss = torch.stack([F.cross_entropy(*pair) for pair in pairs]).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
    return network
