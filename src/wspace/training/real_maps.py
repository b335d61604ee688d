"""What the discriminator's pretrained network sees in real pictures, worked out once for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
        backgrounds: keeps those of pictures on each of them; any one for pictures without alpha.
        images: gives pictures by their numbers: (N, C, H, W), float32, in [-1, 1].
        perceive: images on a background to maps, (N, C', H', W') each.
    """

    def __init__(
        self,
        count: int,
        mirror: bool,
        backgrounds: Sequence[float],
        images: Callable[[range], Tensor],
        perceive: Callable[[Tensor, float], list[Tensor]],
    ) -> None:
        self._count, self._images, self._perceive = count, images, perceive
        self._backgrounds = tuple(backgrounds)
        self._sides = 2 if mirror else 1
        self._maps: list[Tensor] | None = None  # (rows, C', H', W') each, see `_rows`
        self._known = torch.zeros(self._sides * len(backgrounds) * count, dtype=torch.bool)

    @torch.no_grad()
    def of(self, which: Tensor, background: float) -> list[Tensor]:
        """Maps of some pictures.

        Args:
            which: (N,), int64: the number of each picture; with mirrored ones twice that, and one
                more where it is mirrored.
            background: that they are laid on, one of ``backgrounds``.

        Returns:
            (N, C', H', W') each, channels-last.
        """
        rows = self._rows(which, background)
        missing = which[~self._known[rows]]
        numbers, mirrored = missing // self._sides, missing % self._sides
        groups = torch.stack([numbers // GROUP, mirrored], dim=1).unique(dim=0)
        for group, side in groups.tolist():
            self._see(group, side, background)
        assert self._maps is not None
        return [maps[rows].contiguous(memory_format=torch.channels_last) for maps in self._maps]

    def _rows(self, which: Tensor, background: float) -> Tensor:
        """Where the maps of pictures on a background lie."""
        return which * len(self._backgrounds) + self._backgrounds.index(background)

    def _see(self, group: int, side: int, background: float) -> None:
        numbers = range(group * GROUP, min((group + 1) * GROUP, self._count))
        images = self._images(numbers)
        seen = self._perceive(images.flip(3) if side else images, background)
        if self._maps is None:
            self._maps = [
                torch.empty(len(self._known), *maps.shape[1:], dtype=maps.dtype, device=maps.device)
                for maps in seen
            ]
        rows = self._rows(self._sides * torch.tensor(numbers) + side, background)
        for kept, maps in zip(self._maps, seen, strict=True):
            kept[rows] = maps
        self._known[rows] = True


def real_maps(
    count: int,
    mirror: bool,
    backgrounds: Sequence[float],
    images: Callable[[range], Tensor],
    perceive: Callable[[Tensor, float], list[Tensor]],
) -> RealMaps | None:
    """`RealMaps`, where all of them fit into `MAX_BYTES`; else None. Arguments as there."""
    with torch.no_grad():
        example = perceive(images(range(1)), backgrounds[0])
    each = sum(maps[0].numel() * maps.element_size() for maps in example)
    if count * each * (2 if mirror else 1) * len(backgrounds) > MAX_BYTES:
        return None
    return RealMaps(count, mirror, backgrounds, images, perceive)
