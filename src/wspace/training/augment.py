"""Adaptive discriminator augmentation: pictures are changed as often as it needs, no more.

With few pictures a discriminator learns them by heart, and the generator learns nothing more from
it. So all pictures that it sees, real and generated, are changed by chance, the generated ones
differentiably: what it then can tell apart is how they look, not which ones they are. How often is
adapted to how sure it is of real pictures.

Source: Karras et al. 2020 (StyleGAN2-ADA), Sections 2.2 and 3.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from wspace.group import ALONE, Group
from wspace.training.config import AdversarialConfig, TrainConfig
from wspace.training.transforms import draw_transforms, transform

__all__ = ["Augmentation", "decide_augmentation"]

ADJUST_STEPS = 4  # from one adjustment of the strength to the next
FEW = 5_000  # pictures, up to which it pays
KIMG, KIMG_FROM_A_MODEL = 500.0, 100.0  # as in the release


def decide_augmentation(config: TrainConfig, count: int) -> dict[str, Any]:
    """What a configuration leaves open, for a run on ``count`` pictures: options and values."""
    changes: dict[str, Any] = {}
    if config.adversarial.augment == "auto":
        pays = config.discriminator == "preset" and count <= FEW
        changes["adversarial.augment"] = "ada" if pays else "none"
    if config.adversarial.augment_kimg is None:
        kimg = KIMG if config.start_from is None else KIMG_FROM_A_MODEL
        changes["adversarial.augment_kimg"] = kimg
    return changes


class Augmentation:
    """Changes pictures for the discriminator; not at all where its strength is 0.

    Args:
        config: ``augment`` is decided, not "auto"; so is ``augment_kimg``.

    Attributes:
        on: whether pictures are ever changed.
        adapts: whether the strength does.
        strength: the probability of each transform, >= 0; all happen from 1 on.
        overfitting: r_t of the last adjustment: the mean sign of the discriminator's logits of real
            pictures; 1 where it is sure of all, 0 where it is wrong on half. None before one.
    """

    def __init__(self, config: AdversarialConfig) -> None:
        self.on = config.augment in ("ada", "fixed")
        self.adapts = config.augment == "ada"
        self.strength = config.augment_strength if self.on else 0.0
        self.overfitting: float | None = None
        self._config, self._kimg = config, config.augment_kimg or KIMG
        self._signs, self._images, self._steps = 0.0, 0, 0  # since the last adjustment

    def __call__(self, images: Tensor, random: torch.Generator, group: Group = ALONE) -> Tensor:
        """Change pictures, each in its own way; the same ones back where the strength is 0.

        Args:
            images: (N, C, H, W), float32, in [-1, 1].
            random: what happens is drawn from it.
            group: see `draw_transforms`.
        """
        if not self.strength:
            return images
        drawn = draw_transforms(images, self.strength, self._config.augment_set, random, group)
        return transform(images, drawn)

    def observe(self, sign: float, count: int) -> None:
        """Take in how sure the discriminator was of a step's real pictures, and adapt to it.

        Args:
            sign: the mean sign of its logits, in [-1, 1].
            count: of the pictures.
        """
        if not self.adapts or not math.isfinite(sign):
            return
        self._signs += sign * count
        self._images += count
        self._steps += 1
        if self._steps < ADJUST_STEPS:
            return
        self.overfitting = self._signs / self._images
        above = self.overfitting - self._config.augment_target
        change = self._images / (self._kimg * 1000)
        self.strength = max(self.strength + change * ((above > 0) - (above < 0)), 0.0)
        self._signs, self._images, self._steps = 0.0, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint."""
        return {
            "strength": self.strength,
            "overfitting": self.overfitting,
            "since": [self._signs, self._images, self._steps],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.strength, self.overfitting = state["strength"], state["overfitting"]
        self._signs, self._images, self._steps = state["since"]
