"""Points and masks as people give them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wspace.dragging.moves import check_moves, pair_points, parse_points, read_mask
from wspace.errors import WspaceError
from wspace.sizes import Size

SIZE = Size(8, 12)


def test_points_are_read() -> None:
    assert parse_points(" 20,31  4.5,-2 ") == ((20.0, 31.0), (4.5, -2.0))


@pytest.mark.parametrize("text", ["", "20", "20;31", "20,31,4", "a,b", "1e9,2", "٣,٤"])
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(WspaceError, match="RIGHT,DOWN"):
        parse_points(text)


def test_each_point_needs_a_place_to_go_to() -> None:
    assert pair_points([(1, 2), (3, 4)], [(5, 6), (7, 8)]) == (((1, 2), (5, 6)), ((3, 4), (7, 8)))
    with pytest.raises(WspaceError, match="1 points to drag and 2 places"):
        pair_points([(1, 2)], [(5, 6), (7, 8)])


def test_the_last_pixel_is_inside() -> None:
    check_moves([((0, 0), (11, 7))], SIZE)
    with pytest.raises(WspaceError, match=r"11,7\.5 is outside the picture: give 0,0 to 11,7"):
        check_moves([((0, 0), (11, 7.5))], SIZE)


def test_more_points_than_anyone_drags_are_refused() -> None:
    with pytest.raises(WspaceError, match="65 points"):
        check_moves([((0, 0), (1, 1))] * 65, SIZE)


def test_white_may_move_and_clear_or_black_is_held(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    pixels = np.zeros((8, 12, 4), dtype=np.uint8)
    pixels[2:4, 5:7] = 255
    pixels[6, 6] = (255, 255, 255, 0)
    pixels[7, 7] = (0, 0, 0, 255)
    Image.fromarray(pixels).save(path)
    mask = read_mask(path, SIZE)
    assert mask.shape == (8, 12)
    assert mask.sum() == 4
    assert mask[2:4, 5:7].all()


def test_files_that_are_no_masks_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    with pytest.raises(WspaceError, match="cannot read"):
        read_mask(path, SIZE)
    path.write_text("no picture")
    with pytest.raises(WspaceError, match="no picture that can be read"):
        read_mask(path, SIZE)
    Image.new("L", (8, 12), 255).save(path)
    with pytest.raises(WspaceError, match="is 8 x 12, the pictures of this model are 12 x 8"):
        read_mask(path, SIZE)
    Image.new("L", (12, 8), 100).save(path)
    with pytest.raises(WspaceError, match="lets nothing move"):
        read_mask(path, SIZE)
