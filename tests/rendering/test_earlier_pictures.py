"""Pictures and the model of an earlier wspace: they load, and are made again."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from wspace.figures.sheet import Sheet
from wspace.formats.model_file import bundled_models, load
from wspace.networks.generator import Generator
from wspace.recipe.document import PictureDocument, SheetDocument
from wspace.recipe.png import read_document
from wspace.rendering.reproduce import compare, find_recipe_model, remake

EARLIER = Path(__file__).parents[1] / "fixtures/earlier/pictures"
PICTURES = sorted(path.name for path in EARLIER.glob("*.png"))


@pytest.fixture(scope="module")
def earlier() -> Generator:
    return load(EARLIER / "tiny.safetensors")


def test_there_are_pictures_of_each_kind() -> None:
    documents = [read_document(EARLIER / name) for name in PICTURES]
    shown = {cell.show for d in documents if isinstance(d, SheetDocument) for cell in d.cells}
    assert shown == {"picture", "deviation", "empty"}
    recipes = [d.recipe for d in documents if isinstance(d, PictureDocument)]
    assert any(recipe.layer_sources for recipe in recipes)
    assert any(isinstance(recipe.psi, tuple) for recipe in recipes)
    assert any(recipe.noise.mode == "seeded" for recipe in recipes)


@pytest.mark.parametrize("name", PICTURES)
def test_what_it_says_of_itself_is_written_the_same_again(name: str) -> None:
    with Image.open(EARLIER / name) as picture:
        assert read_document(EARLIER / name).to_json() == picture.info["wspace"]


@pytest.mark.parametrize("name", PICTURES)
def test_it_is_made_again(name: str, earlier: Generator) -> None:
    document = read_document(EARLIER / name)
    made = remake(document, earlier)
    found = compare(document, EARLIER / name, made)
    same = made.rendered_by == document.rendered_by  # the same torch, instruction set and threads
    assert found.largest <= (0 if same else 2), made.rendered_by.differences(document.rendered_by)
    if isinstance(made, Sheet):
        assert isinstance(document, SheetDocument)
        assert made.cells == document.cells
        assert made.document.positions == document.positions


def test_its_model_is_found_by_the_name_that_it_gives(
    earlier: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(EARLIER)
    document = read_document(PICTURES[0])
    assert find_recipe_model(document, model=None, device="cpu").config == earlier.config


def test_bundled_models_load() -> None:
    for name in bundled_models():
        assert load(name).name == name
