"""Bands of spatial frequencies of pictures, each louder or quieter.

Source: Karras et al. 2020 (StyleGAN2-ADA), Appendix B, "Image-space filtering".
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from wspace.ops import choose
from wspace.ops.warp import mirrored

__all__ = ["BANDS", "amplify_bands"]

BANDS = 4  # from the lowest frequencies to the highest octave
_ROOT = math.sqrt(3)
# Low-pass filter of the symlet with two vanishing moments (Daubechies 1992, Table 6.1), sum √2.
_SYM2 = [(1 - _ROOT), (3 - _ROOT), (3 + _ROOT), (1 + _ROOT)]


def amplify_bands(images: Tensor, gains: Tensor) -> Tensor:
    """Multiply each band of each picture by its own gain, all channels alike.

    Args:
        images: (N, C, H, W); mirrored beyond their borders.
        gains: (N, BANDS), 1 leaves a band as it is.

    Returns:
        (N, C, H, W).
    """
    height, width = images.shape[2:]
    with choose.without_autocast(images):
        bank = filter_bank().to(images)
        gains = gains.to(images.dtype)
        rows, columns = (_filters(gains, bank, side) for side in (height, width))
        return rows @ (images.contiguous() @ columns.transpose(2, 3))


def filter_bank() -> Tensor:
    """The filter of each band; they are symmetric, and add up to a single 1 in the middle.

    Returns:
        (BANDS, 43), float32.
    """
    low = torch.tensor(_SYM2, dtype=torch.float64) / (4 * math.sqrt(2))
    high = low * torch.tensor([1, -1, 1, -1])
    passed, kept = (_autocorrelation(taps) / 2 for taps in (low, high))
    bank = torch.eye(BANDS, dtype=torch.float64)[:, :1]  # all is in the lowest band
    for band in range(1, BANDS):
        spread = bank.new_zeros(BANDS, 2 * bank.shape[1] - 1)
        spread[:, ::2] = bank
        bank = F.conv1d(spread[:, None], passed[None, None], padding=len(passed) - 1)[:, 0]
        beside = (bank.shape[1] - len(kept)) // 2
        bank[band, beside : beside + len(kept)] += kept
    return bank.float()


def _autocorrelation(taps: Tensor) -> Tensor:
    """(T,) to (2 T - 1,)."""
    return F.conv1d(taps[None, None], taps[None, None], padding=len(taps) - 1)[0, 0]


def _filters(gains: Tensor, bank: Tensor, side: int) -> Tensor:
    """What a line of pixels of each picture is multiplied with, (N, 1, side, side)."""
    reach = bank.shape[1] // 2
    places = torch.arange(side, device=bank.device)[:, None] + torch.arange(
        bank.shape[1], device=bank.device
    )
    pixels = mirrored(side, reach, reach, bank.device)[places]  # (side, 43)
    taps = bank[:, None].expand(-1, side, -1)
    each = bank.new_zeros(BANDS, side, side).scatter_add_(2, pixels.expand(BANDS, -1, -1), taps)
    return (gains @ each.flatten(1)).view(-1, 1, side, side)
