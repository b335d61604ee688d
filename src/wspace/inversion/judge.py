"""How much images differ from given ones: in pixels, and in what a pretrained network sees."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wspace.images import rgb_of
from wspace.networks.pretrained.efficientnet import EfficientNetLite

__all__ = ["Judge", "Seen", "as_bytes_have_it"]

PERCEPTUAL_WEIGHT = 0.1  # beside pixels, as in training
LEAST_SIDE = 32  # of what the pretrained network is shown
OUTSIDE = 0.01  # how much of what lies outside [-1, 1] counts


class Judge(nn.Module):
    """Compares images by pixels and by a pretrained network's maps.

    Args:
        channels: of the images; those with alpha are looked at on black and on white.
        device: of the images.
    """

    def __init__(self, channels: int, device: torch.device) -> None:
        super().__init__()
        self.grounds = (0.0, 1.0) if channels == 4 else (1.0,)
        self.network = EfficientNetLite("lite1").to(device)

    def forward(self, images: Tensor) -> list[list[Tensor]]:
        """For each ground, the network's maps of images (N, C, H, W), from fine to coarse."""
        return [self._maps(images, ground) for ground in self.grounds]

    def _maps(self, images: Tensor, ground: float) -> list[Tensor]:
        rgb = rgb_of(images, ground)
        sides = [max(LEAST_SIDE, -(-side // LEAST_SIDE) * LEAST_SIDE) for side in rgb.shape[2:]]
        if tuple(sides) != tuple(rgb.shape[2:]):
            rgb = F.interpolate(rgb, size=sides, mode="bilinear", align_corners=False)
        return self.network.pyramid(rgb)


class Seen:
    """Given images, looked at once: what others are compared with.

    Args:
        judge: looks at them.
        target: (N, C, H, W), in [-1, 1].
    """

    def __init__(self, judge: Judge, target: Tensor) -> None:
        self.judge, self.target = judge, target
        with torch.no_grad():
            self.maps = [[maps.float() for maps in seen] for seen in judge(target)]
        # all maps and grounds count alike
        count = len(self.maps)
        self.sizes = [[maps.abs().mean() * count for maps in seen] for seen in self.maps]

    def difference(self, images: Tensor) -> Tensor:
        """The difference of each image, (N, C, H, W), from the given one in its place; (N,)."""
        pixels, features = self.parts(images)
        return pixels + PERCEPTUAL_WEIGHT * features

    def parts(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As `difference`: mean absolute differences of pixels, and of maps; (N,) each."""
        images = as_bytes_have_it(images)
        return self._parts(images, self.judge(images), slice(None))

    def each(self, images: Tensor) -> Tensor:
        """The difference of every image, (M, C, H, W), from every given one; (N, M)."""
        images = as_bytes_have_it(images)
        maps = self.judge(images)
        rows = [self._parts(images, maps, slice(n, n + 1)) for n in range(len(self.target))]
        return torch.stack([pixels + PERCEPTUAL_WEIGHT * features for pixels, features in rows])

    def _parts(
        self, images: Tensor, maps: list[list[Tensor]], rows: slice
    ) -> tuple[Tensor, Tensor]:
        pixels = (images - self.target[rows]).abs().mean(dim=(1, 2, 3))
        features = torch.zeros_like(pixels)
        for drawn, given, sizes in zip(maps, self.maps, self.sizes, strict=True):
            for theirs, own, size in zip(drawn, given, sizes, strict=True):
                change = (theirs.float() - own[rows]).abs().mean(dim=(1, 2, 3)) / size
                features = features + change
        return pixels, features


def as_bytes_have_it(images: Tensor) -> Tensor:
    """Values outside [-1, 1] brought to its ends, as bytes are; they still feel a way back.

    Args:
        images: (N, C, H, W).

    Returns:
        The same shape, float32.
    """
    within = images.float().clamp(-1, 1)
    return within + OUTSIDE * (images.float() - within)
