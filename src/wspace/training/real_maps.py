"""What the discriminator's pretrained network sees in real pictures, worked out once for each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["RealMaps", "real_maps"]

# Pictures are seen in groups that are always the same, so that the last bit of what is kept does
# not depend on which of them a batch asks for first.
GROUP = 32
MAX_BYTES = 2**30  # kept at most; of more pictures nothing is kept


class RealMaps:
    """The maps of all pictures of a dataset.

    Args:
        count: of pictures.
        mirror: keeps those of mirrored pictures, too.
        images: gives pictures by their numbers: (N, C, H, W), float32, in [-1, 1].
        perceive: images to maps, (N, C', H', W') each.
    """

    def __init__(
        self,
        count: int,
        mirror: bool,
        images: Callable[[range], Tensor],
        perceive: Callable[[Tensor], list[Tensor]],
    ) -> None:
        self._count, self._images, self._perceive = count, images, perceive
        self._sides = 2 if mirror else 1
        self._maps: list[Tensor] | None = None  # (sides * count, C', H', W') each
        self._known = torch.zeros(self._sides * count, dtype=torch.bool)

    @torch.no_grad()
    def of(self, which: Tensor) -> list[Tensor]:
        """Maps of some pictures.

        Args:
            which: (N,), int64: the number of each picture; with mirrored ones twice that, and one
                more where it is mirrored.

        Returns:
            (N, C', H', W') each, channels-last.
        """
        missing = which[~self._known[which]]
        numbers, mirrored = missing // self._sides, missing % self._sides
        groups = torch.stack([numbers // GROUP, mirrored], dim=1).unique(dim=0)
        for group, side in groups.tolist():
            self._see(group, side)
        assert self._maps is not None
        return [maps[which].contiguous(memory_format=torch.channels_last) for maps in self._maps]

    def _see(self, group: int, side: int) -> None:
        numbers = range(group * GROUP, min((group + 1) * GROUP, self._count))
        images = self._images(numbers)
        seen = self._perceive(images.flip(3) if side else images)
        if self._maps is None:
            self._maps = [
                torch.empty(
                    self._sides * self._count, *maps.shape[1:], dtype=maps.dtype, device=maps.device
                )
                for maps in seen
            ]
        places = self._sides * torch.tensor(numbers) + side
        for kept, maps in zip(self._maps, seen, strict=True):
            kept[places] = maps
        self._known[places] = True


def real_maps(
    count: int,
    mirror: bool,
    images: Callable[[range], Tensor],
    perceive: Callable[[Tensor], list[Tensor]],
) -> RealMaps | None:
    """`RealMaps`, where all of them fit into `MAX_BYTES`; else None. Arguments as there."""
    with torch.no_grad():
        example = perceive(images(range(1)))
    each = sum(maps[0].numel() * maps.element_size() for maps in example)
    if count * each * (2 if mirror else 1) > MAX_BYTES:
        return None
    return RealMaps(count, mirror, images, perceive)
