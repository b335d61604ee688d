"""Features by EfficientNet-Lite0, the network that works offline: its weights are a package."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.images import from_uint8
from wspace.metrics.features.extractor import Extractor
from wspace.networks.pretrained.efficientnet import VARIANTS, EfficientNetLite

__all__ = ["LiteExtractor"]

INPUT_SIZE = 224  # pixels: the side that the network was trained on


class LiteExtractor(Extractor):
    """The pooled last feature layer of EfficientNet-Lite0: 1280 numbers a picture."""

    name = "lite"
    dim = 1280

    def __init__(
        self,
        device: torch.device | str = "cpu",
        batch_size: int | None = None,
        side: int = INPUT_SIZE,
    ) -> None:
        """Load the network.

        Args:
            device: where it computes.
            batch_size: pictures at once, None: 8 on a CPU (32 of a smaller side), else 128.
            side: pictures are scaled to this, a multiple of 32. Less than 224 is faster, but gives
                other features: their distances are not to be compared with those of 224.

        Raises:
            WspaceError: its packages are missing (``pip install 'wspace[metrics]'``) or altered.
        """
        # Small batches stay in a CPU's cache: 8 pictures at once are twice as fast as 64.
        cached = 8 if side == INPUT_SIZE else 32
        super().__init__(
            device, batch_size or (cached if torch.device(device).type == "cpu" else 128)
        )
        self.side = side
        self.rule = f"scaled to {side}² (bicubic, antialiased)"
        weights = VARIANTS["lite0"].weights_sha256[:12]
        self.id = f"efficientnet-lite0 {weights} {side} bicubic-antialias v1"
        self._network = EfficientNetLite("lite0").to(self.device)

    def features_of(self, pixels: Tensor) -> Tensor:
        """Features of one batch; see `Extractor`."""
        images = from_uint8(pixels).expand(-1, 3, -1, -1)  # grey pictures become RGB
        images = F.interpolate(
            images, size=self.side, mode="bicubic", antialias=True, align_corners=False
        )
        features: Tensor = self._network(images.clamp_(-1, 1))  # bicubic filters overshoot
        return features
