"""What is seen of pictures with alpha."""

from __future__ import annotations

import numpy as np
import pytest

from wspace.figures.deviation import deviation_map
from wspace.figures.transparency import on_checks, on_colour, premultiplied


def square(*values: int, side: int = 32) -> np.ndarray:
    return np.full((side, side, len(values)), values, np.uint8)


def test_a_colour_shows_as_much_as_the_picture_lets_it() -> None:
    seen = on_colour(square(200, 0, 0, 51), (0, 100, 255))  # a fifth of it is opaque
    assert seen.shape == (32, 32, 3)
    assert seen[0, 0].tolist() == [40, 80, 204]
    assert (on_colour(square(1, 2, 3, 0)) == 255).all()
    assert (on_colour(square(1, 2, 3, 255)) == (1, 2, 3)).all()


@pytest.mark.parametrize(("theme", "fields"), [("light", {255, 222}), ("dark", {28, 58})])
def test_a_checkerboard_shows_behind_what_is_transparent(theme: str, fields: set[int]) -> None:
    seen = on_checks(square(9, 9, 9, 0), theme)
    assert set(np.unique(seen).tolist()) == fields
    assert (seen[:2, :2] == seen[0, 0]).all()  # 16 fields across 32 pixels
    assert (seen[:2, 2:4] != seen[0, 0]).all()
    assert (seen[2:4, :2] != seen[0, 0]).all()
    assert (on_checks(square(9, 8, 7, 255), theme) == (9, 8, 7)).all()


def test_grey_and_colour_cover_what_lies_behind() -> None:
    assert (on_checks(square(7), "light") == 7).all()
    assert on_colour(square(7)).shape == (32, 32, 3)
    assert (on_colour(square(1, 2, 3), (9, 9, 9)) == (1, 2, 3)).all()


def test_what_nobody_sees_makes_no_difference() -> None:
    hidden = np.stack([square(0, 0, 0, 0), square(255, 255, 255, 0)])
    assert not deviation_map(hidden).any()
    assert (premultiplied(hidden[0]) == premultiplied(hidden[1])).all()
    half = premultiplied(square(200, 100, 0, 51))[0, 0]
    np.testing.assert_allclose(half, [40, 20, 0, 51])
    # alpha counts by itself: of black, nothing else differs
    black = np.stack([square(0, 0, 0, 0), square(0, 0, 0, 20)])
    np.testing.assert_allclose(deviation_map(black), 5)  # deviations 0, 0, 0, 10
