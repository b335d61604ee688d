"""Rectangular models: pictures, recipes, sheets, noise and films of their height and width."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from films import frames_of
from tiny_generators import make_tiny_generator

import wspace
from wspace.formats.model_file import load, save
from wspace.networks.generator import Generator
from wspace.recipe.document import PictureDocument, SheetDocument
from wspace.recipe.png import read_document, read_pixels
from wspace.rendering.film import write_walks
from wspace.rendering.reproduce import compare, remake
from wspace.rendering.sheets import mixing_sheet, noise_deviation_sheet, noise_layers_sheet
from wspace.sizes import Size
from wspace.steering.interpolation import walk_recipes
from wspace.steering.noise import seeded_map

SIZE = Size(16, 24)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """A model of 24 x 16 pictures, as its file brings it back."""
    path = tmp_path_factory.mktemp("wide") / "wide.safetensors"
    made = make_tiny_generator(5, resolution=SIZE)
    save(made, path)
    loaded = load(path)
    assert loaded.config == made.config
    for name, tensor in made.state_dict().items():
        assert loaded.state_dict()[name].equal(tensor)
    return loaded


def test_a_picture_comes_back_to_the_last_bit(wide: Generator, tmp_path: Path) -> None:
    for precision in ("fp32", "bf16"):
        recipes = wspace.recipes(seeds=range(3), psi=0.7, precision=precision)
        pictures = wspace.render(wide, recipes)
        assert pictures.pixels.shape == (3, 16, 24, 3)
        path = pictures.save(tmp_path)[2]
        assert read_pixels(path).shape == (16, 24, 3)
        document = read_document(path)
        assert isinstance(document, PictureDocument)
        found = compare(document, path, remake(document, wide))
        assert (found.largest, found.promised) == (0, True)


def test_seeded_noise_has_the_shape_of_the_maps(wide: Generator) -> None:
    assert [tuple(shape) for shape in wide.noise_shapes] == [
        shape for k in (2, 1, 0) for shape in [tuple(SIZE.halved(k))] * 2
    ]
    maps = [seeded_map(7, layer, *shape) for layer, shape in enumerate(wide.noise_shapes)]
    ws = wide.mapping(wspace.latents(wide, seeds=[1]))
    assert wide.synthesis(ws, maps).shape == (1, 3, *SIZE)
    assert not wide.synthesis(ws, maps).equal(wide.synthesis(ws, "none"))


def test_a_sheet_has_no_more_room_between_rows_than_between_columns(
    wide: Generator, tmp_path: Path
) -> None:
    sheet = wspace.render(wide, wspace.recipes(seeds=range(6))).grid(columns=3, captions=[""] * 6)
    path = sheet.save(tmp_path / "sheet.png")
    document = read_document(path)
    assert isinstance(document, SheetDocument)
    scale = document.layout.scale
    assert scale == 8  # the shorter side becomes 128
    columns = sorted({x for x, _ in document.positions})
    rows = sorted({y for _, y in document.positions})
    assert {b - a for a, b in pairwise(columns)} == {24 * scale + 4}
    assert {b - a for a, b in pairwise(rows)} == {16 * scale + 4}
    assert compare(document, path, remake(document, wide)).largest == 0


def test_mixing_and_noise_figures_are_drawn_and_come_back(wide: Generator, tmp_path: Path) -> None:
    recipes = wspace.recipes(seeds=range(5))
    for name, sheet in (
        ("mixing", mixing_sheet(wide, recipes[:2], recipes[2:], (0, 1))),
        ("noise", noise_deviation_sheet(wide, recipes[0], realisations=4)),
        ("layers", noise_layers_sheet(wide, recipes[0], realisations=4)),
    ):
        shapes = {tile.shape[:2] for tile in sheet.tiles if tile is not None}
        assert shapes == {tuple(SIZE)}
        path = sheet.save(tmp_path / f"{name}.png")
        document = read_document(path)
        assert isinstance(document, SheetDocument)
        assert compare(document, path, remake(document, wide)).largest == 0


@pytest.mark.parametrize("suffix", [".webp", ".mp4"])
def test_a_film_of_walks_side_by_side(wide: Generator, tmp_path: Path, suffix: str) -> None:
    walk = walk_recipes(wide, wspace.recipes(seeds=[1, 2]), 3)
    path = tmp_path / f"walk{suffix}"
    assert write_walks(wide, [walk, walk], path, fps=10, scale=2) == 3
    frames = frames_of(path)
    assert len(frames) == 3
    assert np.asarray(frames[0]).shape[:2] == (2 * 16, 2 * 2 * 24)
