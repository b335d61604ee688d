"""The sheet of nearest training pictures: what stands where."""

from __future__ import annotations

from typing import Any

import numpy as np

from wspace.figures.frame import Spacing, readable_scale
from wspace.figures.neighbours import neighbour_sheet

SIDE = 16  # of the pictures, in pixels


def flat(value: int, channels: int) -> np.ndarray[Any, Any]:
    return np.full((SIDE, SIDE, channels), value, np.uint8)


def test_a_row_of_the_sheet_is_a_generated_picture_and_its_neighbours() -> None:
    generated = np.stack([flat(10, 1), flat(20, 1)])
    train = np.stack([flat(30 + i, 3) for i in range(6)]).reshape(2, 3, SIDE, SIDE, 3)
    distances = np.arange(6.0).reshape(2, 3)
    sheet = np.asarray(neighbour_sheet(generated, train, distances, ["seed 0", "seed 1"]))
    room, side = Spacing(), SIDE * readable_scale(SIDE)
    step = side + room.gap
    lefts = [room.margin, *(room.margin + room.header_gap + column * step for column in (1, 2, 3))]
    assert sheet.shape[1] == lefts[-1] + side + room.margin
    tops = [int(np.flatnonzero((sheet[:, lefts[0]] == 10 * row).all(axis=1))[0]) for row in (1, 2)]
    for row, top in enumerate(tops):
        values = [sheet[top + d, x + d].tolist() for x in lefts for d in (0, side - 1)]
        grey = [10 * (row + 1), *(30 + 3 * row + i for i in range(3))]
        assert values == [[value] * 3 for value in np.repeat(grey, 2)]
        captions = sheet[top + side : top + side + 25]
        for x in lefts:
            assert captions[:, x : x + side].min() < 100  # something is written there
        assert (sheet[top:, lefts[0] + side : lefts[1]] == 255).all()
    labels = sheet[tops[0] - 25 : tops[0]]
    assert all(labels[:, x : x + side].min() < 100 for x in lefts)
    assert sheet[: tops[0] - 25].min() < 100  # the title
