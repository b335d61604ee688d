"""Sizes: how they are written and read, and which of them networks can make."""

from __future__ import annotations

import pytest

from wspace.errors import WspaceError
from wspace.sizes import LARGEST_SIDE, Size, nearest_size, read_size, size_of


def test_a_size_is_written_and_read_width_first_and_kept_height_first() -> None:
    size = read_size("96x64")
    assert (size.height, size.width) == tuple(size) == (64, 96)
    assert str(size) == f"{size}" == "96 x 64"
    assert (size.short, Size(64, 64).short) == ("96x64", "64")
    assert read_size(" 96 X 64 ") == read_size(str(size)) == read_size("96×64") == size
    assert read_size("64") == Size(64, 64)


@pytest.mark.parametrize("text", ["", "x", "96x", "x64", "96x64x3", "-8", "9.5", "96 64", "9" * 10])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(WspaceError, match="WIDTHxHEIGHT, such as 96x64"):
        read_size(text)


def test_configurations_write_a_square_by_its_side() -> None:
    assert Size(64, 64).resolution == 64
    assert Size(64, 96).resolution == (64, 96)
    for size in (Size(64, 64), Size(64, 96)):
        assert size_of(size.resolution) == size


@pytest.mark.parametrize("exponent", range(2, 13))
def test_squares_of_a_power_of_two_begin_with_4x4(exponent: int) -> None:
    size = size_of(2**exponent)
    assert (size.block, size.doublings) == (Size(4, 4), exponent - 2)
    assert size.square_side == 2**exponent
    assert size.fits_networks(smallest=0)
    assert size.fits_networks() == (exponent > 2)


@pytest.mark.parametrize(
    ("text", "block", "doublings"),
    [
        ("96x64", (4, 6), 4),
        ("64x96", (6, 4), 4),
        ("64x48", (3, 4), 4),
        ("128x64", (4, 8), 4),
        ("96", (3, 3), 5),
        ("80x64", (4, 5), 4),
        ("1024x576", (9, 16), 6),
        ("16x8", (4, 8), 1),
    ],
)
def test_a_size_is_a_small_block_several_times_doubled(
    text: str, block: tuple[int, int], doublings: int
) -> None:
    size = read_size(text)
    assert size.fits_networks()
    assert (size.block, size.doublings) == (block, doublings)
    assert tuple(side * 2**doublings for side in block) == size


@pytest.mark.parametrize(
    "size",
    [
        (0, 64),
        (64, 0),
        (65, 64),
        (100, 100),
        (1080, 1920),
        (64, 2048),
        (8192, 8192),
        (9, 9),
        (60, 60),
    ],
)
def test_sizes_without_a_small_block_are_refused(size: tuple[int, int]) -> None:
    assert not Size(*size).fits_networks()


def test_the_proposed_size_fits_and_is_like_the_one_asked_for() -> None:
    for height in (1, 7, 8, 60, 100, 480, 1080, 5000):
        for width in (1, 7, 8, 60, 100, 640, 1920, 5000):
            proposed = nearest_size(Size(height, width), 8)
            assert proposed.fits_networks()
            assert 8 <= min(proposed) <= max(proposed) <= LARGEST_SIDE
    for fitting in (Size(64, 64), Size(64, 96), Size(256, 192), Size(8, 8)):
        assert nearest_size(fitting, 8) == fitting
    assert nearest_size(Size(60, 100), 8) == (64, 96)
