"""Sheets of pictures: pixels where the document says, titles, labels, themes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import wspace
from wspace.errors import WspaceError
from wspace.figures.sheet import Sheet, check_sheet
from wspace.networks.generator import Generator
from wspace.recipe.document import Cell, SheetDocument, SheetLayout
from wspace.recipe.png import read_document
from wspace.recipe.recipe import Recipe, Source
from wspace.rendering.sheets import render_sheet


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
    recipes = wspace.recipes(seeds=[1])
    layout = SheetLayout(columns=1000, scale=64)
    cells = [Cell(recipes=recipes)] * 1000
    with pytest.raises(WspaceError, match="fewer or smaller"):  # before anything is drawn
        render_sheet(tiny_generator, layout, cells)
    one = wspace.render(tiny_generator, recipes)
    sheet = Sheet(
        layout=layout,
        cells=tuple(cells),
        tiles=(one.pixels[0],) * 1000,
        rendered_by=one.rendered_by,
    )
    with pytest.raises(WspaceError, match="fewer or smaller"):
        _ = sheet.image


def test_a_sheet_of_more_recipes_than_a_png_holds_is_refused_before_it_is_drawn() -> None:
    recipe = Recipe(sources=(Source(w=(1 / 3,) * 2**16),))  # more than a megabyte as text
    cells = [Cell(recipes=(recipe,))] * 16
    with pytest.raises(WspaceError, match="the recipes of the sheet take"):
        check_sheet(SheetLayout(columns=4), cells, (8, 8, 3))
    check_sheet(SheetLayout(columns=4), cells[:4], (8, 8, 3))
