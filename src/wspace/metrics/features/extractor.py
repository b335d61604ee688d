"""What every network that turns pictures into features has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

__all__ = ["Extractor"]


class Extractor(ABC):
    """Pixels to features: points of the space that metrics measure in.

    A network is a subclass in a file of its own, which gives `name`, `id`, `rule`, `dim` and
    `features_of`, and a line in `named.EXTRACTORS`.

    Attributes:
        name: short, as figures are named by it: "lite".
        id: names everything that features depend on; other features never share it.
        rule: how pictures are brought to the size that the network sees, in words.
        dim: numbers a picture.
        device: where it computes.
        batch_size: pictures in one pass of the network; features depend on it by rounding only.
    """

    name: str
    id: str
    rule: str
    dim: int

    def __init__(self, device: torch.device | str, batch_size: int) -> None:
        self.device = torch.device(device)
        self.batch_size = batch_size

    @torch.inference_mode()
    def __call__(self, pixels: Tensor) -> Tensor:
        """Features of pictures.

        Args:
            pixels: (N, 1 or 3, H, W), uint8.

        Returns:
            (N, dim), float32, on the CPU.
        """
        # TensorFloat-32 would cost three digits; the flags are the caller's again afterwards.
        with torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False):
            parts = [
                self.features_of(batch.to(self.device)).float().cpu()
                for batch in torch.split(pixels, self.batch_size)
            ]
        return torch.cat(parts) if parts else torch.empty(0, self.dim)

    @abstractmethod
    def features_of(self, pixels: Tensor) -> Tensor:
        """Features of one batch, in one pass of the network.

        Args:
            pixels: (N, 1 or 3, H, W), uint8, on the extractor's device.

        Returns:
            (N, dim), on any device.
        """
