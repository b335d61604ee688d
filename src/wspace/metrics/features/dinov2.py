"""Features by DINOv2, from weights that the user gives."""

from __future__ import annotations

import hashlib
from pathlib import Path

import safetensors
import safetensors.torch
import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.errors import WspaceError, reason
from wspace.metrics.features.extractor import Extractor
from wspace.networks.pretrained.dinov2 import DinoTransformer

__all__ = ["DinoExtractor"]

INPUT_PATCHES = 16  # a side: 224 pixels for patches of 14
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, as in training


class DinoExtractor(Extractor):
    """DINOv2's class token: 384 numbers a picture (small), 768, 1024 or 1536 (giant).

    Source: Oquab et al. 2023; Stein et al. 2023, who propose it in the place of Inception.
    """

    name = "dinov2"

    def __init__(
        self,
        weights: Path | str,
        device: torch.device | str = "cpu",
        batch_size: int | None = None,
    ) -> None:
        """Load the network.

        Args:
            weights: a safetensors file; see `dinov2.DinoTransformer`.
            device: where it computes.
            batch_size: pictures at once, None: 8 on a CPU, else 64.

        Raises:
            WspaceError: no such file, no safetensors, or not the weights of a DINOv2 ViT.
        """
        super().__init__(device, batch_size or (8 if torch.device(device).type == "cpu" else 64))
        try:
            content = Path(weights).read_bytes()
            tensors = safetensors.torch.load(content)
        except OSError as error:
            raise WspaceError(
                f"cannot read {weights}: {error.strerror}: give the weights of a DINOv2 ViT."
            ) from None
        except (safetensors.SafetensorError, ValueError) as error:
            raise WspaceError(
                f"{weights} is no safetensors file ({reason(error)}): give the weights of a DINOv2 "
                "ViT as safetensors; other files may hold programs."
            ) from None
        try:
            self._network = DinoTransformer(tensors).to(self.device)
        except WspaceError as error:
            raise WspaceError(f"{weights}: {error}") from None
        self.dim = self._network.dim
        side = INPUT_PATCHES * self._network.patch
        self.side = side
        self.rule = f"scaled to {side}² (bicubic, antialiased)"
        self.id = f"dinov2 {hashlib.sha256(content).hexdigest()[:12]} {side} bicubic-antialias v1"

    def features_of(self, pixels: Tensor) -> Tensor:
        """Features of one batch; see `Extractor`."""
        images = F.interpolate(
            pixels.expand(-1, 3, -1, -1).float() / 255,
            size=self.side,
            mode="bicubic",
            antialias=True,
            align_corners=False,
        ).clamp_(0, 1)
        mean, deviation = (images.new_tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
        features: Tensor = self._network((images - mean) / deviation)
        return features
