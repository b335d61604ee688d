from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_recipes import recipes as any_recipes
from hypothesis import given, settings
from hypothesis import strategies as st

import wspace
from wspace.errors import WspaceError
from wspace.formats.model_file import model_sha256
from wspace.images import to_uint8
from wspace.networks.generator import Generator
from wspace.recipe.png import read_document
from wspace.recipe.recipe import NoiseSettings, Recipe
from wspace.rendering.render import even_batch_size, stream
from wspace.rendering.sheets import mixing_sheet
from wspace.steering.latents import MAPPING_BATCH


class Rows:
    """Counts the rows that go through a mapping network, and how often it is called."""

    def __init__(self, generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[int] = []
        self.seen: list[bytes] = []
        inner = generator.mapping.w

        def counted(z: torch.Tensor, c: torch.Tensor | None = None) -> torch.Tensor:
            self.calls.append(len(z))
            self.seen += [row.numpy().tobytes() for row in z]
            return inner(z, c)

        monkeypatch.setattr(generator.mapping, "w", counted)


def test_pictures_are_what_the_networks_make(tiny_generator: Generator) -> None:
    pictures = wspace.render(tiny_generator, wspace.recipes(seeds=[1, 2, 3], psi=0.7))
    ws = tiny_generator.mapping(wspace.latents(tiny_generator, [1, 2, 3]), psi=0.7)
    expected = to_uint8(tiny_generator.synthesis(ws)).numpy()
    assert pictures.pixels.shape == (3, 16, 16, 3)
    np.testing.assert_array_equal(pictures.pixels, expected)


@settings(max_examples=12, deadline=None)
@given(drawn=st.lists(any_recipes(), min_size=2, max_size=7))
def test_a_picture_depends_on_its_recipe_and_the_batch_size_alone(
    tiny_generator: Generator, drawn: list[Recipe]
) -> None:
    together = wspace.render(tiny_generator, drawn, batch_size=4)
    size = together.rendered_by.batch_size
    for recipe, pixels in zip(drawn, together.pixels, strict=True):
        alone = wspace.render(tiny_generator, [recipe], batch_size=size, exact_batch=True)
        assert (alone.pixels[0] == pixels).all()
        assert alone.rendered_by == together.rendered_by


@settings(max_examples=12, deadline=None)
@given(drawn=st.lists(any_recipes(), min_size=8, max_size=8))
def test_batch_sizes_and_threads_change_fp32_by_at_most_one(
    tiny_generator: Generator, drawn: list[Recipe]
) -> None:
    recipes = [recipe.replace(precision="fp32") for recipe in drawn]
    before = torch.get_num_threads()
    found = []
    try:
        for threads, batch_size in ((1, 8), (1, 3), (1, 1), (2, 8)):
            torch.set_num_threads(threads)
            pictures = wspace.render(
                tiny_generator, recipes, batch_size=batch_size, exact_batch=True
            )
            found.append(pictures.pixels.astype(int))
    finally:
        torch.set_num_threads(before)
    assert np.abs(np.stack(found) - found[0]).max() <= 1


def test_psi_zero_gives_the_mean_picture_for_every_seed(tiny_generator: Generator) -> None:
    pixels = wspace.render(tiny_generator, wspace.recipes(seeds=range(5), psi=0.0)).pixels
    assert (pixels == pixels[:1]).all()
    ws = tiny_generator.w_avg.expand(1, tiny_generator.num_ws, -1)
    mean = to_uint8(tiny_generator.synthesis(ws)).numpy()
    assert np.abs(pixels[0].astype(int) - mean[0].astype(int)).max() <= 1


def test_psi_is_a_curve_over_the_layers_up_to_the_cutoff(tiny_generator: Generator) -> None:
    curve = (0.5, 0.5, 0.8, 0.8, 1.0, 1.0)
    (one,) = wspace.recipes(seeds=[1], psi=curve)
    (other,) = wspace.recipes(seeds=[1], psi=(0.5, 0.5, 0.8, 0.8, 0.1, -1.0), cutoff=4)
    pixels = wspace.render(tiny_generator, [one, other]).pixels
    assert (pixels[0] == pixels[1]).all()
    ws = tiny_generator.mapping(wspace.latents(tiny_generator, [1, 1]), psi=torch.tensor(curve))
    np.testing.assert_array_equal(pixels, to_uint8(tiny_generator.synthesis(ws)).numpy())


def test_a_mixing_grid_maps_each_distinct_w_once_and_in_batches(
    loaded_generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Rows(loaded_generator, monkeypatch)
    recipes = wspace.recipes(seeds=range(12))
    sheet = mixing_sheet(loaded_generator, recipes[:6], recipes[6:], (0, 1), batch_size=16)
    assert len(sheet.cells) == 49
    assert rows.calls == [MAPPING_BATCH]  # 12 rows, filled up
    assert len(set(rows.seen)) == 12


def test_a_recipe_gets_the_model_and_refuses_another(
    tiny_generator: Generator, other_generator: Generator
) -> None:
    (recipe,) = wspace.render(tiny_generator, wspace.recipes(seeds=[1])).recipes
    assert recipe.model is not None
    assert recipe.model.sha256 == model_sha256(tiny_generator)
    with pytest.raises(WspaceError) as error:
        wspace.render(other_generator, [recipe])
    assert recipe.model.sha256[:12] in str(error.value)
    assert model_sha256(other_generator)[:12] in str(error.value)


def test_pictures_follow_the_weights_when_they_change(loaded_generator: Generator) -> None:
    for precision in ("fp32", "bf16"):
        recipes = wspace.recipes(seeds=[1], precision=precision)  # type: ignore[arg-type]
        before = wspace.render(loaded_generator, recipes)
        with torch.no_grad():
            for parameter in loaded_generator.parameters():
                parameter.mul_(1.5)
        after = wspace.render(loaded_generator, recipes)
        assert before.recipes[0].model != after.recipes[0].model
        assert (before.pixels != after.pixels).any()
        with pytest.raises(WspaceError, match="was made with model"):
            wspace.render(loaded_generator, before.recipes)


def test_bf16_stays_near_fp32_and_leaves_the_model_alone(loaded_generator: Generator) -> None:
    sha256 = model_sha256(loaded_generator)
    (recipe,) = wspace.recipes(seeds=[1])
    both = [recipe, recipe.replace(precision="bf16")]
    pixels = wspace.render(loaded_generator, both).pixels.astype(int)
    assert 0 < np.abs(pixels[0] - pixels[1]).mean() < 6
    assert model_sha256(loaded_generator) == sha256


def test_batches_are_equal_and_little_is_filled_up() -> None:
    assert [even_batch_size(n, 8) for n in (1, 8, 9, 16, 17)] == [1, 8, 5, 8, 6]
    with pytest.raises(WspaceError, match="at least 1"):
        even_batch_size(3, 0)


def test_batches_come_in_order_as_they_are_asked_for(tiny_generator: Generator) -> None:
    recipes = wspace.recipes(seeds=range(5))
    batches = list(stream(tiny_generator, recipes, batch_size=2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    whole = wspace.render(tiny_generator, recipes).pixels
    assert np.abs(np.concatenate(batches).astype(int) - whole.astype(int)).max() <= 1


def test_progress_tells_pictures_done(tiny_generator: Generator) -> None:
    told: list[tuple[int, int]] = []
    recipes = wspace.recipes(seeds=range(5))
    wspace.render(
        tiny_generator, recipes, batch_size=2, progress=lambda done, all_: told.append((done, all_))
    )
    assert told == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"psi": (1.0,) * 5}, "psi has 5 values: this model has 6 layers"),
        ({"layer_sources": (0,) * 7}, "layer_sources has 7"),
        ({"cutoff": 7}, "cutoff=7 is outside 0 to 6"),
        ({"noise": NoiseSettings(strength=(1.0,) * 3)}, "noise strength has 3"),
    ],
)
def test_a_recipe_for_other_layers_is_refused(
    tiny_generator: Generator, changes: dict[str, object], says: str
) -> None:
    (recipe,) = wspace.recipes(seeds=[1])
    with pytest.raises(WspaceError, match=says):
        wspace.render(tiny_generator, [recipe.replace(**changes)])


def test_nothing_to_render_is_an_error(tiny_generator: Generator) -> None:
    with pytest.raises(WspaceError, match="nothing to render"):
        wspace.render(tiny_generator, [])


def test_saved_pictures_are_named_after_their_seeds_and_carry_their_recipes(
    tiny_generator: Generator, tmp_path: Path
) -> None:
    one, two = wspace.recipes(seeds=[7, 12])
    mixed = one.replace(sources=(*one.sources, *two.sources), layer_sources=(0, 1, 0, 1, 0, 1))
    pictures = wspace.render(tiny_generator, [one, two, one, mixed])
    paths = pictures.save(tmp_path, sidecar=True)
    names = ["seed0007", "seed0012", "seed0007-2", "picture0003"]
    assert paths == [tmp_path / f"{name}.png" for name in names]
    for path, recipe in zip(paths, pictures.recipes, strict=True):
        document = read_document(path)
        assert document.recipe == recipe  # type: ignore[union-attr]
        assert path.with_suffix(".json").read_text() == document.to_json() + "\n"
