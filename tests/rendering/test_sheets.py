"""The paper's figures as sheets: what stands where, and what their notes say."""

from __future__ import annotations

import pytest

import wspace
from wspace.errors import WspaceError
from wspace.networks.generator import Generator
from wspace.recipe.mixing import mix_recipes
from wspace.recipe.recipe import NoiseSettings
from wspace.rendering.sheets import (
    describe_recipe,
    describe_recipes,
    mixing_sheet,
    noise_deviation_sheet,
    noise_layers_sheet,
    psi_sheet,
)
from wspace.steering.centres import towards_nearest_centre, w_centres


def test_the_mixing_sheet_has_sources_at_its_edges_and_mixtures_inside(
    tiny_generator: Generator,
) -> None:
    recipes = wspace.recipes(seeds=[1, 2, 3, 4, 5], psi=0.7)
    sheet = mixing_sheet(tiny_generator, recipes[:2], recipes[2:], (0, 1, 2, 3))
    assert sheet.layout.column_labels == ("", "seed 3", "seed 4", "seed 5")
    assert sheet.layout.row_labels == ("", "seed 1", "seed 2")
    assert "coarse layers 0-3 from the column" in sheet.layout.note
    assert "psi 0.7" in sheet.layout.note
    cells = [[cell.recipes for cell in sheet.cells[4 * row : 4 * row + 4]] for row in range(3)]
    assert cells[0][0] == ()
    assert [seeds(cells[0][k][0]) for k in (1, 2, 3)] == [[3] * 6, [4] * 6, [5] * 6]
    assert seeds(cells[2][0][0]) == [2] * 6
    assert seeds(cells[2][3][0]) == [5, 5, 5, 5, 2, 2]


def seeds(recipe: wspace.Recipe) -> list[int | None]:
    taken = recipe.layer_sources or (0,) * 6
    return [recipe.sources[i].seed for i in taken]


def test_the_psi_sheet_has_the_mean_in_its_zero_column(tiny_generator: Generator) -> None:
    sheet = psi_sheet(tiny_generator, wspace.recipes(seeds=[1, 2]), [-1, 0, 1])
    assert sheet.layout.column_labels == ("psi -1", "psi 0", "psi 1")
    tiles = [tile for tile in sheet.tiles if tile is not None]
    assert (tiles[1] == tiles[4]).all()
    assert (tiles[0] != tiles[3]).any()
    with pytest.raises(WspaceError, match="psi=2"):
        psi_sheet(tiny_generator, wspace.recipes(seeds=[1]), [2])


def test_the_psi_sheet_says_what_zero_is(tiny_generator: Generator) -> None:
    centres = w_centres(tiny_generator, 2, samples=32)
    recipes = towards_nearest_centre(tiny_generator, wspace.recipes(seeds=[1]), centres)
    assert "0 = the nearest centre" in psi_sheet(tiny_generator, recipes, [0]).layout.note


def test_noise_figures_show_no_deviation_without_noise_and_most_with_all(
    tiny_generator: Generator,
) -> None:
    (recipe,) = wspace.recipes(seeds=[3], psi=0.8)
    sheet = noise_layers_sheet(tiny_generator, recipe, realisations=6)
    assert sheet.layout.column_labels == (
        "noise in all layers",
        "no noise",
        "coarse layers 0-3",
        "middle layers 4-5",
    )
    shown = [cell.show for cell in sheet.cells]
    assert shown == ["picture"] * 4 + ["deviation"] * 4
    everywhere, nowhere, coarse, _middle = (t for t in sheet.tiles[4:] if t is not None)
    assert not nowhere.any()
    assert coarse.any()
    assert sheet.white > 0
    assert f"white is a deviation of {sheet.white:.1f} / 255" in sheet.layout.note
    assert max(t.max() for t in (everywhere, coarse, _middle)) == 255


def test_a_larger_strength_gives_a_larger_deviation(tiny_generator: Generator) -> None:
    (recipe,) = wspace.recipes(seeds=[3])
    whites = []
    for strength in (0.25, 1.0):
        stronger = recipe.replace(noise=NoiseSettings(strength=strength))
        sheet = noise_deviation_sheet(tiny_generator, stronger, realisations=8)
        assert len(sheet.cells) == 6
        assert len(sheet.cells[-1].recipes) == 8
        whites.append(sheet.white)
    assert whites[0] < whites[1]
    with pytest.raises(WspaceError, match="realisations=1"):
        noise_deviation_sheet(tiny_generator, recipe, realisations=1)


def test_recipes_that_differ_in_more_than_their_sources_are_not_described_together(
    tiny_generator: Generator,
) -> None:
    one, two, three = wspace.recipes(seeds=[1, 2, 3], psi=0.7)
    mixed = mix_recipes(one, two, (0, 1), tiny_generator.num_ws)
    assert describe_recipes(tiny_generator, [mixed, three]) == "psi 0.7"
    assert describe_recipes(tiny_generator, [one, two.replace(psi=0.5)]) == ""


def test_recipes_are_described_in_words(tiny_generator: Generator) -> None:
    noise = NoiseSettings
    (recipe,) = wspace.recipes(seeds=[1], psi=0.7, cutoff=4, noise=noise(mode="seeded", seed=2))
    assert describe_recipe(tiny_generator, recipe) == "psi 0.7, cutoff 4; noise seeded seed 2"
    (recipe,) = wspace.recipes(seeds=[1], noise="none", precision="bf16")
    assert describe_recipe(tiny_generator, recipe) == "psi 1; no noise; bf16"
    (recipe,) = wspace.recipes(seeds=[1], noise=noise(strength=2))
    assert describe_recipe(tiny_generator, recipe) == "psi 1; noise strength 2"
