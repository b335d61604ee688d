"""Pictures through affine maps: exact where nothing moves, alias-free, differentiable twice."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from wspace.ops.warp import SYM6, mirrored, scaling, translation, warp

LIKE = torch.zeros(1)


def pictures(height: int = 12, width: int = 16, n: int = 2, channels: int = 3) -> Tensor:
    return torch.randn(n, channels, height, width, generator=torch.Generator().manual_seed(0))


def turn(angle: float) -> Tensor:
    sine, cosine = math.sin(angle), math.cos(angle)
    return torch.tensor([[[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]]])


def test_the_filter_is_orthogonal_to_itself_two_taps_on() -> None:
    taps = np.array(SYM6)
    assert taps.sum() == pytest.approx(math.sqrt(2))
    for step in range(0, 12, 2):
        assert np.dot(taps[step:], taps[: 12 - step]) == pytest.approx(float(step == 0), abs=1e-9)


def test_pictures_that_do_not_move_stay() -> None:
    images = pictures()
    found = warp(images, torch.eye(3).expand(2, 3, 3))
    torch.testing.assert_close(found, images, atol=1e-5, rtol=0)


def test_whole_pixels_move_to_their_places_and_the_border_is_mirrored() -> None:
    images = pictures()
    found = warp(images, translation(torch.tensor([-3.0, 2.0]), torch.tensor([0.0, -1.0]), LIKE))
    columns = [3, 2, 1, *range(13)]  # three to the right: the first ones are mirrored
    torch.testing.assert_close(found[0], images[0][:, :, columns], atol=1e-5, rtol=0)
    rows = [1, *range(11)]
    moved = images[1][:, rows][:, :, [*range(2, 16), 14, 13]]
    torch.testing.assert_close(found[1], moved, atol=1e-5, rtol=0)


def test_a_quarter_turn_moves_what_is_right_to_the_top() -> None:
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 16)] * 2, indexing="ij")
    right, above = (
        (-8 * ((x - dx) ** 2 + (y - dy) ** 2)).exp() for dx, dy in ((0.5, 0), (0, -0.5))
    )
    found = warp(right[None, None], turn(math.pi / 2))
    torch.testing.assert_close(found[0, 0], above, atol=0.03, rtol=0)


def test_a_shrunk_pattern_of_single_pixels_becomes_grey_instead_of_coarse() -> None:
    y, x = torch.meshgrid(torch.arange(32), torch.arange(32), indexing="ij")
    board = ((x + y) % 2 * 2.0 - 1)[None, None]
    found = warp(board, scaling(1.7, 1.7, LIKE))
    assert found.abs().mean() < 0.2


def test_each_picture_has_its_own_map_whatever_the_others_do() -> None:
    images = pictures(16, 16)
    maps = torch.cat([turn(0.3), scaling(0.8, 1.2, LIKE)])
    alone = torch.cat([warp(images[i : i + 1], maps[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(warp(images, maps), alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("side", "before", "after"), [(5, 4, 3), (3, 9, 8), (1, 2, 2), (4, 0, 0)])
def test_rows_are_mirrored_as_often_as_needed(side: int, before: int, after: int) -> None:
    expected = np.pad(np.arange(side), (before, after), mode="reflect")
    assert mirrored(side, before, after, torch.device("cpu")).tolist() == expected.tolist()


def test_gradients_of_first_and_second_order_are_right() -> None:
    maps = (turn(0.4) @ scaling(0.9, 1.1, LIKE) @ translation(0.7, -0.2, LIKE)).double()
    images = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: warp(x, maps).sin(), images)
    assert torch.autograd.gradgradcheck(lambda x: warp(x, maps).sin(), images)


def test_it_is_worked_out_in_the_type_of_the_pictures_under_autocast() -> None:
    images, maps = pictures(), turn(0.2).expand(2, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        found = warp(images, maps)
    assert torch.equal(found, warp(images, maps))


def test_what_is_not_finite_stays_in_its_picture() -> None:
    images = pictures()
    images[0, 0, 3, 3] = torch.nan
    found = warp(images, turn(0.2).expand(2, 3, 3))
    assert found[0].isnan().any()
    assert found[1].isfinite().all()
    assert warp(images, turn(math.nan).expand(2, 3, 3)).shape == images.shape
