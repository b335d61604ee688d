"""Pulling points on feature maps, and finding them again.

Source: Pan et al. 2023 (Drag Your GAN), Section 3.2, Eq. 1 and 2. Unlike there, what is pulled is
held to its first look, a point is found by all that is pulled at it instead of one feature, and any
change costs a little (benchmarks/RESULTS.md says what each is for).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.networks.features import FeatureMaps
from wspace.sizes import Size

__all__ = ["Pull", "disc", "maps_at"]


def disc(radius: float, pitch: float) -> Tensor:
    """Places of a square lattice around a point, no further away; (K, 2), right and down.

    Args:
        radius: in pixels.
        pitch: of the lattice, in pixels.
    """
    count = int(radius / pitch + 1e-6)
    steps = torch.arange(-count, count + 1.0) * pitch
    down, right = torch.meshgrid(steps, steps, indexing="ij")
    places = torch.stack([right, down], dim=2).reshape(-1, 2)
    return places[places.norm(dim=1) <= radius + 1e-6]


def maps_at(maps: Tensor, places: Tensor, place: FeatureMaps, size: Size) -> Tensor:
    """Feature vectors between the pixels of maps, blended from the four around.

    Args:
        maps: (1, C, H, W), with margins.
        places: (..., 2), right and down in pixels of the picture, 0 the centre of the first; what
            lies outside of the maps takes their edge.
        place: whose maps they are.
        size: of the picture.

    Returns:
        (..., C).
    """
    sides = torch.tensor([place.size.width, place.size.height], device=maps.device)
    picture = torch.tensor([size.width, size.height], device=maps.device)
    on_maps = (places + 0.5) / picture * sides + place.margin
    grid = on_maps / (sides + 2 * place.margin) * 2 - 1
    found = F.grid_sample(
        maps, grid.reshape(1, 1, -1, 2), padding_mode="border", align_corners=False
    )
    return found[0, :, 0].T.reshape(*places.shape[:-1], -1)


class Pull:
    """Points on their way, as the maps of a picture show them.

    Args:
        maps: (1, C, H, W), those of the picture as it was.
        place: whose maps they are.
        size: of the picture.
        points: (P, 2), right and down in pixels.
        targets: (P, 2), where they are to go.
        held: (height, width) of the picture, 1 where nothing may move, else 0; None for nowhere.
        radius: of what is pulled at a point, in pixels.
        reach: how far from where it was a point is looked for, in pixels.
        stride: how far ahead it is pulled, in pixels.
        fidelity: 1 pulls what was at the point in the first maps, 0 what is there now.
        held_weight: of changes where nothing may move, beside the pull.
        keep: of changes anywhere, beside the pull.

    Attributes:
        points: (P, 2), where they are now.
    """

    def __init__(
        self,
        maps: Tensor,
        place: FeatureMaps,
        size: Size,
        points: Tensor,
        targets: Tensor,
        *,
        held: Tensor | None,
        radius: float,
        reach: float,
        stride: float,
        fidelity: float,
        held_weight: float,
        keep: float,
    ) -> None:
        self.points, self._targets = points, targets
        self._first, self._place, self._size = maps, place, size
        pitch = max(1.0, size.width / place.size.width)
        self._patch = disc(radius, pitch).to(points)
        self._window = disc(reach, pitch).to(points)
        self._stride, self._fidelity = stride, fidelity
        self._held_weight, self._keep = held_weight, keep
        self._patches = self._at(maps, points[:, None] + self._patch)  # (P, K, C)
        self._scale = maps.abs().mean().clamp(min=1e-8)
        self._held: Tensor | None = None
        if held is not None:
            small = F.interpolate(held[None, None], size=tuple(place.size), mode="area")
            self._held = F.pad(small, (place.margin,) * 4)  # (1, 1, H, W)

    @property
    def distances(self) -> Tensor:
        """(P,), how far each point still has to go, in pixels."""
        lengths: Tensor = (self._targets - self.points).norm(dim=1)
        return lengths

    def find(self, maps: Tensor) -> None:
        """Move each point to where what was around it at first is found again.

        Args:
            maps: (1, C, H, W), those of the picture as it is now.
        """
        around = self.points[:, None] + self._window  # (P, K, 2)
        most = around.new_tensor([self._size.width - 1, self._size.height - 1])
        around = around.clamp(min=0).minimum(most)
        patches = self._at(maps, around[:, :, None] + self._patch)  # (P, places, K, C)
        unlike = (patches - self._patches[:, None]).abs().mean(dim=(2, 3))  # (P, places)
        best = unlike.argmin(dim=1)[:, None, None].expand(-1, 1, 2)
        self.points = around.gather(1, best)[:, 0]

    def loss(self, maps: Tensor) -> Tensor:
        """What is to fall: how unlike maps a step ahead are to what is pulled there.

        Args:
            maps: (1, C, H, W), those of the picture as it is now, which the points were found in.

        Returns:
            A number, in mean magnitudes of a feature.
        """
        gap = self._targets - self.points
        step = gap * (self._stride / self.distances.clamp(min=self._stride))[:, None]
        now = self._at(maps.detach(), self.points[:, None] + self._patch)
        pulled = torch.lerp(now, self._patches, self._fidelity)
        ahead = self._at(maps, (self.points + step)[:, None] + self._patch)
        loss: Tensor = (ahead - pulled).abs().mean()
        changed = (maps - self._first).abs().mean(dim=1, keepdim=True)
        loss = loss + self._keep * changed.mean()
        if self._held is not None:
            held = (changed * self._held).sum() / self._held.sum().clamp(min=1)
            loss = loss + self._held_weight * held
        return loss / self._scale

    def _at(self, maps: Tensor, places: Tensor) -> Tensor:
        return maps_at(maps, places, self._place, self._size)
