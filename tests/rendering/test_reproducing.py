from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import wspace
from wspace.errors import WspaceError
from wspace.formats.model_file import load, save
from wspace.networks.generator import Generator
from wspace.recipe.document import (
    PictureDocument,
    RenderedBy,
    SheetDocument,
    document_from_json,
)
from wspace.recipe.png import read_document, read_pixels, write_png
from wspace.recipe.recipe import Recipe
from wspace.rendering.identity import ARITHMETIC
from wspace.rendering.pictures import Pictures
from wspace.rendering.reproduce import (
    choose_recorded_device,
    compare,
    find_recipe_model,
    remake,
)
from wspace.rendering.sheets import mixing_sheet, noise_layers_sheet, psi_sheet


def saved(generator: Generator, folder: Path, precision: str = "fp32") -> Path:
    recipes = wspace.recipes(seeds=range(5), psi=0.7, precision=precision)  # type: ignore[arg-type]
    return wspace.render(generator, recipes, batch_size=3).save(folder)[4]


def read_picture(path: Path) -> PictureDocument:
    document = read_document(path)
    assert isinstance(document, PictureDocument)
    return document


def otherwise(document: PictureDocument, **changes: object) -> PictureDocument:
    """The document as if something else had rendered it."""
    by = dataclasses.replace(document.rendered_by, **changes)  # type: ignore[arg-type]
    return dataclasses.replace(document, rendered_by=by)


def test_a_picture_comes_back_to_the_last_bit_from_a_batch_like_its_own(
    loaded_generator: Generator, tmp_path: Path
) -> None:
    for precision in ("fp32", "bf16"):
        path = saved(loaded_generator, tmp_path, precision)
        document = read_picture(path)
        assert document.rendered_by.batch_size == 3
        made = remake(document, loaded_generator)
        found = compare(document, path, made)
        assert (found.largest, found.promised) == (0, True)
        assert found.why == "same rendered_by: bit-identical"


def test_a_picture_of_before_arithmetic_was_counted_is_not_promised_to_the_bit(
    loaded_generator: Generator, tmp_path: Path
) -> None:
    path = saved(loaded_generator, tmp_path)
    data = json.loads(read_picture(path).to_json())
    del data["rendered_by"]["arithmetic"]
    old = document_from_json(json.dumps(data))
    assert isinstance(old, PictureDocument)
    assert old.rendered_by.arithmetic == 1
    made = remake(old, loaded_generator)
    assert made.rendered_by.arithmetic == ARITHMETIC > 1
    assert made.rendered_by.differences(old.rendered_by) == [
        f"arithmetic {ARITHMETIC} instead of 1"
    ]
    found = compare(old, path, made)
    assert found.promised
    assert found.why.startswith("fp32, another rendered_by")


def test_a_sheet_comes_back_to_the_last_bit(loaded_generator: Generator, tmp_path: Path) -> None:
    (recipe,) = wspace.recipes(seeds=[3])
    sheet = noise_layers_sheet(loaded_generator, recipe, realisations=4)
    path = sheet.save(tmp_path / "sheet.png")
    document = read_document(path)
    assert isinstance(document, SheetDocument)
    made = remake(document, loaded_generator)
    assert compare(document, path, made).largest == 0
    assert not isinstance(made, Pictures)
    np.testing.assert_array_equal(np.asarray(made.image), read_pixels(path))


def test_threads_are_as_before_while_rendering_and_as_they_were_after(
    loaded_generator: Generator, tmp_path: Path
) -> None:
    document = read_picture(saved(loaded_generator, tmp_path))
    before = torch.get_num_threads()
    for threads, used in ((1, 1), (60_000, before)):
        made = remake(otherwise(document, threads=threads), loaded_generator)
        assert made.rendered_by.threads == used
        assert torch.get_num_threads() == before


def test_a_hostile_batch_size_takes_no_memory(
    loaded_generator: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.rendering.reproduce._MAX_BATCH_PIXELS", 4 * 16 * 16)
    document = otherwise(read_picture(saved(loaded_generator, tmp_path)), batch_size=60_000)
    assert remake(document, loaded_generator).rendered_by.batch_size == 4


@pytest.fixture
def loaded_alpha(alpha_generator: Generator, tmp_path: Path) -> Generator:
    save(alpha_generator, tmp_path / "alpha.safetensors")
    return load(tmp_path / "alpha.safetensors")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_pictures_with_alpha_come_back_to_the_last_bit(
    loaded_alpha: Generator, tmp_path: Path, precision: str
) -> None:
    path = saved(loaded_alpha, tmp_path, precision)
    pixels = read_pixels(path)
    alpha = pixels[:, :, 3]
    assert {0, 255} < set(alpha.flatten().tolist())
    assert not pixels[alpha == 0].any()  # colours that nobody sees are 0
    document = read_picture(path)
    found = compare(document, path, remake(document, loaded_alpha))
    assert (found.largest, found.promised) == (0, True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_sheets_of_pictures_with_alpha_come_back_to_the_last_bit(
    loaded_alpha: Generator, tmp_path: Path, theme: Any
) -> None:
    one, other = wspace.recipes(seeds=[3, 4])
    sheets = (
        noise_layers_sheet(loaded_alpha, one, realisations=4, theme=theme),
        mixing_sheet(loaded_alpha, [one], [other], range(2), theme=theme),
        psi_sheet(loaded_alpha, [one], [-1.0, 0.5], theme=theme),
    )
    for number, sheet in enumerate(sheets):
        path = sheet.save(tmp_path / f"{number}.png")
        document = read_document(path)
        assert isinstance(document, SheetDocument)
        made = remake(document, loaded_alpha)
        assert not isinstance(made, Pictures)
        assert compare(document, path, made).promised
        np.testing.assert_array_equal(np.asarray(made.image), read_pixels(path))


def alpha_picture(generator: Generator) -> tuple[PictureDocument, Any]:
    pictures = wspace.render(generator, wspace.recipes(seeds=[1]))
    document = PictureDocument(recipe=pictures.recipes[0], rendered_by=pictures.rendered_by)
    return document, pictures.pixels[0].copy()


def test_of_alpha_as_much_is_promised_as_is_seen(loaded_alpha: Generator, tmp_path: Path) -> None:
    document, pixels = alpha_picture(loaded_alpha)
    path = tmp_path / "picture.png"
    faint = (pixels[:, :, 3] > 0) & (pixels[:, :, 3] < 20)
    assert faint.any()
    pixels[faint, :3] ^= 8  # a twelfth of that is seen at most
    write_png(path, pixels, document)
    made = remake(document, loaded_alpha)
    found = compare(otherwise(document, threads=60_000), path, made)
    assert (found.largest, found.promised) == (1, True)
    assert not compare(document, path, made).promised
    pixels[:, :, 3] ^= 2
    write_png(path, pixels, document)
    assert not compare(otherwise(document, threads=60_000), path, made).promised


def test_colours_put_under_zero_alpha_are_not_bit_identical(
    loaded_alpha: Generator, tmp_path: Path
) -> None:
    document, pixels = alpha_picture(loaded_alpha)
    pixels[pixels[:, :, 3] == 0, :3] = 200
    write_png(tmp_path / "picture.png", pixels, document)
    found = compare(document, tmp_path / "picture.png", remake(document, loaded_alpha))
    assert (found.largest, found.promised) == (0, False)


def test_alpha_that_was_lost_is_told(loaded_alpha: Generator, tmp_path: Path) -> None:
    document, pixels = alpha_picture(loaded_alpha)
    write_png(tmp_path / "picture.png", pixels[:, :, :3], document)
    with pytest.raises(WspaceError, match=r"picture\.png has no alpha, unlike .* changed it"):
        compare(document, tmp_path / "picture.png", remake(document, loaded_alpha))


@pytest.mark.parametrize(
    ("precision", "error", "share", "promised"),
    [
        ("fp32", 1, 1.0, True),
        ("fp32", 2, 0.01, False),
        ("bf16", 8, 0.1, True),
        ("bf16", 9, 0.1, False),
        ("bf16", 2, 0.9, False),
    ],
)
def test_what_is_promised_of_another_rendered_by(
    loaded_generator: Generator,
    tmp_path: Path,
    precision: str,
    error: int,
    share: float,
    promised: bool,
) -> None:
    recipes = wspace.recipes(seeds=[1], precision=precision)  # type: ignore[arg-type]
    pictures = wspace.render(loaded_generator, recipes)
    document = PictureDocument(recipe=pictures.recipes[0], rendered_by=pictures.rendered_by)
    pixels = pictures.pixels[0].copy().ravel()
    count = max(1, round(share * pixels.size)) if share < 1 else pixels.size
    pixels[:count] = np.where(pixels[:count] > 127, pixels[:count] - error, pixels[:count] + error)
    path = tmp_path / "picture.png"
    write_png(path, pixels.reshape(pictures.pixels[0].shape), document)
    made = remake(document, loaded_generator)
    assert not compare(document, path, made).promised
    found = compare(otherwise(document, torch="1.0"), path, made)
    assert found.largest == error
    assert found.promised == promised


def test_a_picture_of_another_size_is_no_picture_of_its_recipe(
    loaded_generator: Generator, tmp_path: Path
) -> None:
    path = saved(loaded_generator, tmp_path)
    document = read_picture(path)
    write_png(path, np.zeros((8, 16, 3), np.uint8), document)
    with pytest.raises(WspaceError, match="16 x 8, its recipe makes 16 x 16"):
        compare(document, path, remake(document, loaded_generator))


def test_the_model_is_found_by_its_name_in_the_working_folder(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(wspace.load(tiny_model), tmp_path)
    document = read_picture(path)
    assert document.recipe.model is not None
    assert document.recipe.model.name == "tiny.safetensors"
    assert str(tiny_model.parent) not in path.read_bytes().decode("latin-1")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WspaceError, match="neither bundled nor in this folder"):
        find_recipe_model(document, model=None, device="cpu")
    monkeypatch.chdir(tiny_model.parent)
    assert find_recipe_model(document, model=None, device="cpu").name == "tiny.safetensors"


def test_a_run_folder_is_found_by_its_name(
    tiny_generator: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "runs" / "00000-art-16"
    wspace.save(tiny_generator, run / "model.safetensors")
    document = read_picture(saved(wspace.load(run), tmp_path / "out"))
    assert document.recipe.model is not None
    assert document.recipe.model.name == "00000-art-16"
    for folder in (tmp_path, run.parent):
        monkeypatch.chdir(folder)
        assert find_recipe_model(document, model=None, device="cpu").resolution == 16


def test_a_wrong_model_is_told_by_its_weights_and_named(
    tiny_model: Path, other_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = read_picture(saved(wspace.load(tiny_model), tmp_path))
    monkeypatch.chdir(other_model.parent)
    with pytest.raises(WspaceError) as error:
        find_recipe_model(document, model=str(other_model), device="cpu")
    assert "made with model tiny.safetensors" in str(error.value)
    assert "but other.safetensors has" in str(error.value)


def test_a_document_without_a_model_is_refused(loaded_generator: Generator) -> None:
    pictures = wspace.render(loaded_generator, wspace.recipes(seeds=[1]))
    nameless: Recipe = pictures.recipes[0].replace(model=None)
    document = PictureDocument(recipe=nameless, rendered_by=pictures.rendered_by)
    with pytest.raises(WspaceError, match="do not name one model"):
        find_recipe_model(document, model=None, device="cpu")


def test_what_differs_is_said_with_both_values() -> None:
    one = RenderedBy(
        torch="2", device="cpu", cpu="x86_64 AVX2", threads=2, batch_size=8, path="eager"
    )
    other = dataclasses.replace(one, threads=4, cpu="x86_64 AVX512")
    assert other.differences(one) == [
        "cpu x86_64 AVX512 instead of x86_64 AVX2",
        "threads 4 instead of 2",
    ]
    assert choose_recorded_device(one) == "cpu"
