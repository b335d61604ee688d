"""Deviation maps: their values and their grey."""

import numpy as np

from wspace.figures.deviation import deviation_map, grey_tile


def test_the_deviation_is_per_pixel_over_the_pictures() -> None:
    pixels = np.zeros((2, 1, 2, 3), np.uint8)
    pixels[1, 0, 0] = (6, 8, 0)  # deviations 3, 4, 0: root mean square 5 / sqrt(3)
    np.testing.assert_allclose(deviation_map(pixels), [[5 / np.sqrt(3), 0]])


def test_the_whitest_grey_is_the_deviation_asked_for() -> None:
    deviation = np.array([[0.0, 1.0, 4.0]])
    assert grey_tile(deviation, white=4.0).tolist() == [[[0] * 3, [64] * 3, [255] * 3]]
    assert not grey_tile(np.zeros((2, 2)), white=0.0).any()
