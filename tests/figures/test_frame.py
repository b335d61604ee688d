from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import wspace
from wspace.errors import WspaceError
from wspace.figures.frame import deviation_map, render_sheet
from wspace.networks.generator import Generator
from wspace.recipe.document import Cell, SheetDocument, SheetLayout
from wspace.recipe.png import read_document
from wspace.recipe.recipe import NoiseSettings
from wspace.rendering.sheets import (
    describe_recipe,
    mixing_sheet,
    noise_deviation_sheet,
    noise_layers_sheet,
    psi_sheet,
)
from wspace.steering.truncation import towards_nearest_centre, w_centres


def test_a_sheet_shows_its_pictures_enlarged_where_its_document_says(
    tiny_generator: Generator, tmp_path: Path
) -> None:
    pictures = wspace.render(tiny_generator, wspace.recipes(seeds=range(5)))
    sheet = pictures.grid(title="Five", note="pictures", columns=3)
    document = read_document(sheet.save(tmp_path / "sheet.png", sidecar=True))
    assert isinstance(document, SheetDocument)
    assert document == sheet.document
    assert (tmp_path / "sheet.json").read_text() == document.to_json() + "\n"
    assert [cell.recipes for cell in document.cells] == [(r,) for r in pictures.recipes]
    drawn = np.asarray(sheet.image)
    for (x, y), pixels in zip(document.positions, pictures.pixels, strict=True):
        assert (drawn[y : y + 128 : 8, x : x + 128 : 8] == pixels).all()
        assert (drawn[y + 7 : y + 128 : 8, x + 7 : x + 128 : 8] == pixels).all()


@pytest.mark.parametrize(("theme", "background"), [("light", 255), ("dark", 18)])
def test_themes_have_their_background_and_text_that_stands_out(
    tiny_generator: Generator, theme: str, background: int
) -> None:
    pictures = wspace.render(tiny_generator, wspace.recipes(seeds=[1]))
    plain, titled = (
        np.asarray(pictures.grid(theme=theme, title=title).image) for title in ("", "A title")
    )
    assert plain[0, 0, 0] == background
    text = titled[20:50].astype(int)
    assert np.abs(text - background).max() > 180
    assert (titled.shape[0] - plain.shape[0]) > 24


def test_titles_longer_than_the_sheet_are_broken_not_cut(tiny_generator: Generator) -> None:
    pictures = wspace.render(tiny_generator, wspace.recipes(seeds=[1]))
    image = np.asarray(pictures.grid(title="a rather long title " * 8).image)
    assert (image[:, -15:] == 255).all()


def test_labels_must_fit_the_places(tiny_generator: Generator) -> None:
    pictures = wspace.render(tiny_generator, wspace.recipes(seeds=[1, 2]))
    with pytest.raises(WspaceError, match="1 captions for 2 places"):
        pictures.grid(captions=["only one"])


def test_a_sheet_beyond_all_bounds_is_refused(tiny_generator: Generator) -> None:
    (recipe,) = wspace.recipes(seeds=[1])
    layout = SheetLayout(columns=1000, scale=64)
    sheet = render_sheet(tiny_generator, layout, [Cell(recipes=(recipe,))] * 1000)
    with pytest.raises(WspaceError, match="fewer or smaller"):
        _ = sheet.image


def test_the_deviation_is_per_pixel_over_the_pictures() -> None:
    pixels = np.zeros((2, 1, 2, 3), np.uint8)
    pixels[1, 0, 0] = (6, 8, 0)  # deviations 3, 4, 0: root mean square 5 / sqrt(3)
    np.testing.assert_allclose(deviation_map(pixels), [[5 / np.sqrt(3), 0]])


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


def test_recipes_are_described_in_words(tiny_generator: Generator) -> None:
    noise = NoiseSettings
    (recipe,) = wspace.recipes(seeds=[1], psi=0.7, cutoff=4, noise=noise(mode="seeded", seed=2))
    assert describe_recipe(tiny_generator, recipe) == "psi 0.7, cutoff 4; noise seeded seed 2"
    (recipe,) = wspace.recipes(seeds=[1], noise="none", precision="bf16")
    assert describe_recipe(tiny_generator, recipe) == "psi 1; no noise; bf16"
    (recipe,) = wspace.recipes(seeds=[1], noise=noise(strength=2))
    assert describe_recipe(tiny_generator, recipe) == "psi 1; noise strength 2"
