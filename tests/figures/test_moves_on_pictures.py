from __future__ import annotations

import numpy as np

from wspace.figures.moves import mark_moves


def test_small_pictures_are_enlarged_and_points_lie_on_their_pixels() -> None:
    pixels = np.zeros((16, 32, 3), dtype=np.uint8)
    marked = mark_moves(pixels, [((3, 4), (20, 4))])
    assert marked.shape == (256, 512, 3)
    red, blue = marked[4 * 16 + 8, 3 * 16 + 8], marked[4 * 16 + 8, 20 * 16 + 8]
    assert red[0] > 200 > 100 > red[2]
    assert blue[2] > 200 > 100 > blue[0]
    assert (marked[200:] == 0).all()


def test_grey_and_transparent_pictures_are_shown_in_colour() -> None:
    for channels in (1, 4):
        pixels = np.zeros((300, 300, channels), dtype=np.uint8)
        assert mark_moves(pixels, []).shape == (300, 300, 3)
