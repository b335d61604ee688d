from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wspace.errors import WspaceError
from wspace.recipe.syntax import (
    Layers,
    format_seeds,
    parse_crossover,
    parse_layers,
    parse_per_layer,
    parse_seeds,
    seed_range,
)

SMALL = Layers(6, ((0, 1), (2, 3), (4, 5)))  # 16 pixels
LARGE = Layers(18, tuple((2 * k, 2 * k + 1) for k in range(9)))  # 1024 pixels
ALIAS_FREE = Layers(16)


def test_seeds_are_numbers_and_ranges_in_order_with_repeats() -> None:
    assert parse_seeds("0-3,7,12-14,1") == (0, 1, 2, 3, 7, 12, 13, 14, 1)
    assert parse_seeds("4294967295") == (2**32 - 1,)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "1,",
        "-1",
        "3-1",
        "1--2",
        "1-2-3",
        "4294967296",
        "0-4294967295",
        "1.5",
        "٣",
        "9" * 99,
    ],
)
def test_what_is_no_list_of_seeds_is_refused(text: str) -> None:
    with pytest.raises(WspaceError, match="seed"):
        parse_seeds(text)


@given(seeds=st.lists(st.integers(0, 20) | st.integers(0, 2**32 - 1), min_size=1))
def test_a_written_list_of_seeds_is_read_as_it_was(seeds: list[int]) -> None:
    assert list(parse_seeds(format_seeds(seeds))) == seeds


def test_seeds_from_one_on_end_where_seeds_end() -> None:
    assert seed_range(2**32 - 3, 3)[-1] == 2**32 - 1
    with pytest.raises(WspaceError, match="begin at 4294967293 or before"):
        seed_range(2**32 - 2, 3)
    with pytest.raises(WspaceError, match="0 seeds are too few"):
        seed_range(0, 0)
    with pytest.raises(WspaceError, match="seed=-1"):
        seed_range(-1, 1)


def test_layer_groups_are_four_four_and_the_rest_and_thirds_in_stylegan3() -> None:
    assert parse_layers("coarse", LARGE) == (0, 1, 2, 3)
    assert parse_layers("middle", LARGE) == (4, 5, 6, 7)
    assert parse_layers("fine", LARGE) == tuple(range(8, 18))
    thirds = [parse_layers(name, ALIAS_FREE) for name in ("coarse", "middle", "fine")]
    assert [len(third) for third in thirds] == [5, 5, 6]
    assert sum(thirds, ()) == tuple(range(16))


def test_layers_are_numbers_ranges_open_ranges_and_groups_together() -> None:
    assert parse_layers("6,0-3,15-", LARGE) == (0, 1, 2, 3, 6, 15, 16, 17)
    assert parse_layers("coarse,2,5", SMALL) == (0, 1, 2, 3, 5)


@pytest.mark.parametrize("text", ["6", "0-6", "3-1", "x", "", "-2", "1-2-3", "fine", "99999"])
def test_layers_that_a_model_has_not_are_refused_with_what_it_has(text: str) -> None:
    with pytest.raises(WspaceError) as error:
        parse_layers(text, SMALL)
    assert "layers 0-5: coarse 0-3, middle 4-5" in str(error.value) or "backwards" in str(
        error.value
    )


def test_one_value_serves_all_layers() -> None:
    assert parse_per_layer("0.7", SMALL, float, what="psi") == 0.7


def test_values_per_layer_may_have_commas_in_their_layers_and_a_default() -> None:
    found = parse_per_layer("0.5@0-1,4,1@5", SMALL, float, what="psi", default=2.0)
    assert found == (0.5, 0.5, 2.0, 2.0, 0.5, 1.0)
    assert parse_per_layer("0.7,1@middle", SMALL, float, what="psi") == (0.7,) * 4 + (1.0,) * 2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("abc", "psi 'abc' is no value"),
        ("0.5@0-3,1@3-", "names layer 3 twice"),
        ("0.5@0-3", "leaves out middle layers 4-5"),
        ("0.5,0.7", "'0.7' has no layers"),
        ("0.5@9", "layer 9 does not exist"),
        ("@1", "psi '' is no value"),
    ],
)
def test_wrong_values_per_layer_say_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(WspaceError) as error:
        parse_per_layer(text, SMALL, float, what="psi")
    assert says in str(error.value)


def test_the_articles_crossover_at_block_five_is_layer_ten() -> None:
    assert parse_crossover("block:5", LARGE) == parse_crossover("10", LARGE) == 10
    assert parse_crossover("block:0", LARGE) == 0
    assert parse_crossover("18", LARGE) == 18  # all coarse


@pytest.mark.parametrize(
    "text",
    ["19", "-1", "block:9", "block:", "block:x", "", "1.5", "00000000099", "block:0000000009"],
)
def test_a_crossover_outside_the_model_is_refused(text: str) -> None:
    with pytest.raises(WspaceError, match="give"):
        parse_crossover(text, LARGE)


def test_stylegan3_has_no_blocks_to_cross_over_at() -> None:
    with pytest.raises(WspaceError, match="no blocks"):
        parse_crossover("block:1", ALIAS_FREE)
    assert parse_crossover("7", ALIAS_FREE) == 7


def test_layers_are_named_by_group_or_ranges() -> None:
    assert LARGE.name((0, 1, 2, 3)) == "coarse layers 0-3"
    assert LARGE.name((0, 1, 5)) == "layers 0-1,5"
    assert LARGE.name(tuple(range(18))) == "all layers"
