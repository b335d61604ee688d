"""Bands of frequencies: they add up to the picture, and each has its own gain."""

from __future__ import annotations

import torch

from wspace.ops.bands import BANDS, amplify_bands, filter_bank


def pictures(height: int = 12, width: int = 16) -> torch.Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))


def test_the_filters_add_up_to_the_picture_itself() -> None:
    whole = filter_bank().sum(dim=0)
    torch.testing.assert_close(whole, torch.eye(43)[21], atol=1e-6, rtol=0)
    images = pictures(7, 5)  # smaller than a filter
    torch.testing.assert_close(amplify_bands(images, torch.ones(2, BANDS)), images)


def test_a_plain_picture_is_in_the_lowest_band_and_a_fine_pattern_in_the_highest() -> None:
    plain = torch.ones(1, 1, 16, 16)
    board = (-1.0) ** (torch.arange(16)[:, None] + torch.arange(16))
    images = torch.cat([plain, board[None, None]])
    low = amplify_bands(images, torch.tensor([2.0, 1, 1, 1]).expand(2, -1))
    high = amplify_bands(images, torch.tensor([1.0, 1, 1, 3]).expand(2, -1))
    inner = (slice(None), slice(None), slice(6, 10), slice(6, 10))
    torch.testing.assert_close(low, images * torch.tensor([4.0, 1])[:, None, None, None])  # 2 axes
    expected = images * torch.tensor([1.0, 9])[:, None, None, None]
    torch.testing.assert_close(high[inner], expected[inner], atol=1e-4, rtol=0)


def test_gradients_of_first_and_second_order_are_right() -> None:
    images = torch.randn(1, 2, 4, 3, dtype=torch.float64, requires_grad=True)
    gains = torch.tensor([[1.0, 0.5, 2.0, 1.5]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: amplify_bands(x, gains).sin(), images)
    assert torch.autograd.gradgradcheck(lambda x: amplify_bands(x, gains).sin(), images)
