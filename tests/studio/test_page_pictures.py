"""The page, tab by tab: what each is there for, done in a browser."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from studio_page import StudioPage

from wspace.formats.model_file import load
from wspace.recipe.noise_maps import map_to_text
from wspace.recipe.picture_file import recipe_of_file
from wspace.recipe.png import read_document
from wspace.recipe.recipe import NoiseSettings, Recipe, Source
from wspace.rendering.render import render

pytestmark = pytest.mark.browser

NewPage = Callable[..., StudioPage]


def test_the_picture_follows_dice_seed_and_truncation_and_undo_brings_it_back(
    new_page: NewPage,
) -> None:
    studio = new_page()
    first = studio.pixels()
    assert studio.about == "avatars: seed 1 · psi 0.7"
    studio.button("Roll the dice").click()
    expect(studio.page.locator("#picture")).not_to_have_attribute(
        "aria-label", re.compile("seed 1 ")
    )
    assert not np.array_equal(studio.pixels(), first)
    studio.number("Seed", 7)
    seventh = studio.pixels()
    studio.page.get_by_label("Psi", exact=True).press("ArrowRight")
    assert studio.about == "avatars: seed 7 · psi 0.71"
    assert not np.array_equal(studio.pixels(), seventh)
    for _ in range(3):
        studio.page.keyboard.press("Control+z")
    assert studio.about == "avatars: seed 1 · psi 0.7"
    np.testing.assert_array_equal(studio.pixels(), first)
    for _ in range(2):
        studio.page.keyboard.press("Control+Shift+z")
    np.testing.assert_array_equal(studio.pixels(), seventh)
    expect(studio.page.get_by_label("Seed", exact=True)).to_have_value("7")


def test_layers_have_a_psi_of_their_own(new_page: NewPage) -> None:
    studio = new_page()
    studio.page.get_by_text("More: by layer").click()
    studio.number("Psi, fine, number", 0)
    assert studio.about == "avatars: seed 1 · psi by layer"
    expect(studio.page.get_by_label("Psi, number", exact=True)).to_have_value("")
    studio.number("Psi, number", 0.5)
    assert studio.about == "avatars: seed 1 · psi 0.5"


def test_a_class_is_chosen_by_its_name(new_page: NewPage) -> None:
    studio = new_page()
    studio.open_model("clothes")
    studio.page.get_by_label("Class", exact=True).select_option(label="trouser")
    trouser = studio.pixels()
    assert studio.about == "clothes: seed 1 trouser · psi 0.7"
    studio.page.get_by_label("Class", exact=True).select_option(label="bag")
    assert not np.array_equal(studio.pixels(), trouser)


def test_layers_are_painted_with_the_pointer_by_presets_and_by_keys(new_page: NewPage) -> None:
    studio = new_page()
    first = studio.pixels()
    studio.tab("Mix")
    studio.button("Add a random picture").click()
    rows = studio.page.locator("[role=gridcell][data-row='1']")
    expect(rows).to_have_count(10)
    studio.page.get_by_label(re.compile("Take middle layers from")).click()
    assert re.fullmatch(
        r"avatars: seed 1 \(0–3, 8–9\) \+ seed \d+ \(middle\) · psi 0.7", studio.about
    )
    mixed = studio.pixels()
    assert not np.array_equal(mixed, first)
    begin, end = rows.nth(0).bounding_box(), rows.nth(3).bounding_box()
    assert begin is not None
    assert end is not None
    mouse = studio.page.mouse
    mouse.move(begin["x"] + 5, begin["y"] + 9)
    mouse.down()
    mouse.move(end["x"] + 5, end["y"] + 9, steps=12)
    mouse.up()
    assert "(0–7)" in studio.about
    cell = rows.nth(7)
    cell.focus()
    studio.page.keyboard.press("ArrowRight")
    studio.page.keyboard.press("Space")
    assert "(0–8)" in studio.about
    expect(rows.nth(8)).to_be_focused()
    studio.page.keyboard.press("ArrowUp")
    studio.page.keyboard.press("Home")
    studio.page.keyboard.press("Enter")
    assert "seed 1 (0, 9)" in studio.about


def test_the_grid_shows_each_with_each_and_a_click_takes_a_mixture(new_page: NewPage) -> None:
    studio = new_page()
    studio.tab("Mix")
    studio.button("Add a random picture").click()
    studio.button("Show the grid").click()
    cells = studio.page.get_by_role("button", name=re.compile("with the coarse styles of"))
    expect(cells).to_have_count(4)
    expect(cells.locator("canvas")).to_have_count(4)
    cells.nth(1).click()  # the first picture with the second's coarse styles
    assert re.fullmatch(r"avatars: seed \d+ \(coarse\) \+ seed 1 \(4–9\) · psi 0.7", studio.about)


def test_a_picture_that_is_dropped_onto_the_tray_waits_there_to_be_mixed(
    new_page: NewPage, tmp_path: Path
) -> None:
    studio = new_page()
    studio.number("Seed", 77)
    path = studio.saved("Save PNG", tmp_path)
    studio.number("Seed", 78)
    shown = studio.pixels()
    studio.tab("Mix")
    studio.drop(path, onto=".tray")
    expect(studio.page.locator(".tray figcaption").nth(1)).to_have_text("seed 77not used")
    np.testing.assert_array_equal(studio.pixels(), shown)
    studio.page.get_by_label("Take all layers from seed 77").click()
    assert studio.about == "avatars: seed 77 · psi 0.7"
    np.testing.assert_array_equal(studio.pixels(), np.asarray(Image.open(path).convert("RGBA")))
    studio.button("Remove seed 78").click()
    expect(studio.page.locator(".tray figure")).to_have_count(1)
    studio.button("Undo").click()
    expect(studio.page.locator(".tray figure")).to_have_count(2)


def test_noise_is_set_by_groups_of_layers(new_page: NewPage) -> None:
    studio = new_page()
    own = studio.pixels()
    studio.tab("Noise")
    fine = studio.page.get_by_role("radiogroup", name="Noise of fine layers")
    fine.get_by_text("Off").click()
    assert studio.about.endswith("noise by layer")
    assert not np.array_equal(studio.pixels(), own)
    studio.page.get_by_role("radiogroup", name="Noise of all layers").get_by_text("Seed").click()
    seeded = studio.pixels()
    studio.button("Another noise seed for all layers").click()
    assert not np.array_equal(studio.pixels(), seeded)
    studio.number("Strength of all layers, number", 0)
    silent = studio.pixels()
    studio.page.get_by_role("radiogroup", name="Noise of all layers").get_by_text("Off").click()
    np.testing.assert_array_equal(studio.pixels(), silent)


def test_directions_are_steps_that_a_slider_takes(new_page: NewPage) -> None:
    studio = new_page()
    plain = studio.pixels()
    studio.tab("Edit")
    slider = studio.page.get_by_role("slider", name="long-hair", exact=True)
    slider.press("ArrowLeft")
    assert studio.about.endswith("long-hair −0.05")
    studio.number("long-hair, number", -2)
    assert studio.about.endswith("long-hair −2")
    assert not np.array_equal(studio.pixels(), plain)
    studio.button("Reset all steps").click()
    np.testing.assert_array_equal(studio.pixels(), plain)


def test_the_saved_picture_is_the_one_shown_and_is_made_again(
    new_page: NewPage, tmp_path: Path, run_wspace: Callable[..., Any]
) -> None:
    studio = new_page()
    make_a_rich_recipe(studio)
    shown = studio.pixels()
    path = studio.saved("Save PNG", tmp_path)
    np.testing.assert_array_equal(np.asarray(Image.open(path).convert("RGBA")), shown)
    ran = run_wspace("reproduce", path, "--verify")
    assert ran.status == 0, ran
    recipe = recipe_of_file(path)
    assert len(recipe.sources) == 3
    assert recipe.model is not None
    assert recipe.model.name == "avatars"


def test_a_dropped_picture_sets_every_control(
    new_page: NewPage, tmp_path: Path, studio_address: str
) -> None:
    studio = new_page()
    make_a_rich_recipe(studio)
    before, shown = studio.controls(), studio.pixels()
    path = studio.saved("Save PNG", tmp_path)
    studio.button("Copy as command or Python").click()
    json_path = studio.saved("Save the recipe as JSON", tmp_path)
    for file, kind in ((path, "image/png"), (json_path, "application/json")):
        other = new_page()
        other.open_model("clothes")
        if file is json_path:
            other.open_model("avatars")  # a recipe by itself names no model
        other.drop(file, kind=kind)
        expect(other.message()).to_contain_text("every control is as it was")
        np.testing.assert_array_equal(other.pixels(), shown)
        assert without_unused(other.controls()) == without_unused(before)


def test_noise_that_a_recipe_holds_is_drawn_and_can_be_left_and_taken_again(
    new_page: NewPage, tmp_path: Path
) -> None:
    generator = load("avatars")
    maps: list[str | None] = [None] * generator.num_ws
    for layer, (height, width) in zip(generator.noise_layers, generator.noise_shapes, strict=True):
        if layer >= 6:
            numbers = np.random.RandomState(layer).randn(height, width)
            maps[layer] = map_to_text(numbers.astype(np.float32))
    noise = NoiseSettings(
        mode=tuple("const" if text is None else "given" for text in maps), maps=tuple(maps)
    )
    recipe = Recipe(sources=(Source(seed=6),), psi=0.7, noise=noise)
    file = tmp_path / "found.json"
    file.write_text(recipe.to_json())
    studio = new_page()
    studio.drop(file, kind="application/json")
    expect(studio.message()).to_contain_text("every control is as it was")
    shown = studio.pixels()
    difference = shown.astype(int) - render(generator, [recipe]).rgba[0]
    assert np.abs(difference).max() <= 1
    studio.tab("Noise")
    fine = studio.page.get_by_role("radiogroup", name="Noise of fine layers")
    expect(fine.get_by_role("radio", name="Found")).to_be_checked()
    studio.page.get_by_role("radiogroup", name="Noise of all layers").get_by_text("Off").click()
    assert not np.array_equal(studio.pixels(), shown)
    own = studio.page.get_by_role("radiogroup", name="Noise of all layers").get_by_text("Own")
    own.click()
    studio.page.get_by_role("radiogroup", name="Noise of all layers").get_by_text("Found").click()
    np.testing.assert_array_equal(studio.pixels(), shown)


def test_the_board_survives_a_reload_and_leaves_as_a_zip_of_pictures(
    new_page: NewPage, tmp_path: Path
) -> None:
    studio = new_page()
    for seed in (3, 4):
        studio.number("Seed", seed)
        studio.pixels()
        studio.button("Keep on the board").click()
        expect(studio.message()).to_contain_text("Kept")
    studio.tab("Board")
    expect(studio.page.locator(".board figure")).to_have_count(2)
    studio.page.reload()
    studio.wait()
    expect(studio.page.locator(".board figure")).to_have_count(2)
    path = studio.saved("Save all as a zip", tmp_path)
    with zipfile.ZipFile(path) as made:
        assert made.testzip() is None
        names = made.namelist()
        assert len(names) == 2
        for number, name in enumerate(names):
            (tmp_path / name).write_bytes(made.read(name))
            assert recipe_of_file(tmp_path / name).sources[0].seed == 3 + number
            Image.open(io.BytesIO(made.read(name))).verify()
    studio.page.get_by_role("button", name=re.compile("^Show avatars: seed 3")).click()
    assert studio.about.startswith("avatars: seed 3")
    studio.page.get_by_role("button", name=re.compile("^Remove seed 3")).click()
    expect(studio.page.locator(".board figure")).to_have_count(1)
    studio.button("Put it back").click()
    expect(studio.page.locator(".board figure")).to_have_count(2)


def test_what_cannot_be_opened_is_said_and_changes_nothing(
    new_page: NewPage, tmp_path: Path
) -> None:
    studio = new_page()
    studio.number("Seed", 5)
    before, shown = studio.controls(), studio.pixels()
    damaged = tmp_path / "damaged.json"
    damaged.write_text('{"version": 1, "sources": [{"seed": -1}]}')
    newer = tmp_path / "newer.json"
    newer.write_text('{"version": 99, "sources": [{"seed": 1}]}')
    path = studio.saved("Save PNG", tmp_path)
    data = json.loads(read_document(path).to_json())
    data["recipe"]["model"]["sha256"] = "0" * 64
    stranger = tmp_path / "stranger.json"
    stranger.write_text(json.dumps(data))
    for file, text in (
        (damaged, "no recipe that wspace wrote"),
        (newer, "newer than this page reads"),
        (stranger, "another model named avatars"),
    ):
        studio.drop(file, kind="application/json")
        expect(studio.page.get_by_role("alert")).to_contain_text(text)
    assert studio.controls() == before
    np.testing.assert_array_equal(studio.pixels(), shown)


def make_a_rich_recipe(studio: StudioPage) -> None:
    """Three pictures mixed, psi by layer, noise by layer, two steps."""
    studio.number("Seed", 11)
    studio.page.get_by_text("More: by layer").click()
    studio.number("Psi, middle, number", 0.55)
    studio.tab("Mix")
    for group in ("middle", "fine"):
        studio.button("Add a random picture").click()
        studio.page.get_by_label(re.compile(f"Take {group} layers from")).click()
    studio.tab("Noise")
    studio.page.get_by_role("radiogroup", name="Noise of fine layers").get_by_text("Seed").click()
    studio.number("Strength of middle layers, number", 1.5)
    studio.tab("Edit")
    studio.number("long-hair, number", -1.2)
    studio.number("skin-dark, number", 0.8)


def without_unused(controls: dict[str, Any]) -> dict[str, Any]:
    """Controls but for pictures that no layer takes: those that were in the tray before stay."""
    kept = {tab: [one for one in of if "not used" not in one] for tab, of in controls.items()}
    kept["Mix"] = [one for one in kept["Mix"] if not (isinstance(one, list) and one[1] == "false")]
    return kept


def test_large_pictures_follow_the_hand_quickly_and_come_whole_when_it_rests(
    new_page: NewPage,
) -> None:
    studio = new_page()
    asked = studio.page.evaluate(
        """async () => {
          const { Live } = await import("/page/screen.js");
          const asked = [];
          const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
          const engine = {
            async render(model, [recipe]) {
              asked.push(`${recipe.psi} ${recipe.precision}`);
              await pause(recipe.precision === "fp32" ? 150 : 20);
              return { images: null };
            },
          };
          const screen = { expect() {}, paint() {} };
          const live = new Live(engine, screen, (error) => asked.push(String(error)));
          const want = (psi) => live.want("large", { psi, precision: "fp32" }, "bf16");
          want(1);
          await pause(200);
          for (const psi of [2, 3, 4]) {
            want(psi);
            await pause(60);
          }
          await pause(600);
          return asked;
        }"""
    )
    assert asked == ["1 fp32", "2 bf16", "3 bf16", "4 bf16", "4 fp32"]
