"""Contact sheets: cells, rows, and pictures that keep their shape."""

from __future__ import annotations

import numpy as np
from PIL import Image

from wspace.figures.contact import contact_sheet


def test_pictures_keep_their_shape_and_fill_their_cell_one_way() -> None:
    sizes = {"red": (200, 100), "lime": (8, 16), "blue": (64, 64)}
    pictures = (Image.new("RGB", size, colour) for colour, size in sizes.items())
    sheet = np.asarray(contact_sheet(pictures, side=200, columns=2)).astype(int)
    cell = 128  # the largest
    assert sheet.shape == (2 + 2 * (cell + 2), 2 + 2 * (cell + 2), 3)
    for k, (row, column, height, width) in enumerate([(0, 0, 64, 128), (0, 1, 128, 64)]):
        left, top = 2 + column * (cell + 2), 2 + row * (cell + 2)
        own = np.zeros(3, int)
        own[k] = 255
        whole = sheet[top : top + cell, left : left + cell]
        assert (whole[:height, :width] == own).all()
        assert (whole[height:] == 255).all()
        assert (whole[:, width:] == 255).all()
    assert (sheet[2 + cell + 2 :, 2 + cell + 2 :] == 255).all()  # no fourth picture


def test_grey_pictures_and_those_with_alpha_are_shown() -> None:
    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 64, 32))
    sheet = np.asarray(contact_sheet([Image.new("L", (64, 64), 7), clear], side=64, columns=2))
    assert (sheet[2:66, 2:66] == 7).all()
    assert (sheet[2:34, 68:132] == (255, 0, 0)).all()
    assert set(np.unique(sheet[34:66, 68:132]).tolist()) == {222, 255}  # a checkerboard


def test_small_pictures_are_enlarged_to_the_smallest_cell() -> None:
    picture = Image.new("RGB", (8, 8), "black")
    assert contact_sheet([picture], side=8, columns=12).size == (68, 68)
