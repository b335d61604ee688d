"""The page with models of one's own: files, runs in training, pictures with alpha."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect
from running_studio import RunningStudio
from studio_page import StudioPage
from tiny_generators import make_tiny_generator

from wspace.formats.directions import SUFFIX, read_directions
from wspace.formats.model_file import bundled_models, load, save
from wspace.networks.generator import Generator

pytestmark = pytest.mark.browser


@pytest.fixture
def open_with(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., StudioPage]]:
    """Opens a studio of its own with models."""
    ends: list[Callable[[], None]] = []

    def open_it(*models: Path) -> StudioPage:
        server = RunningStudio([str(model) for model in models], cache=tmp_path / "cache")
        ends.append(server.end)
        page = StudioPage(browser, server.address)
        ends.insert(0, page.context.close)
        return page

    yield open_it
    for end in ends:
        end()


def test_a_direction_is_renamed_in_place(
    open_with: Callable[..., StudioPage], tmp_path: Path
) -> None:
    bundled = bundled_models()["avatars"]
    model = tmp_path / "mine.safetensors"
    shutil.copyfile(bundled, model)
    shutil.copyfile(bundled.with_suffix(SUFFIX), model.with_suffix(SUFFIX))
    studio = open_with(model)
    studio.tab("Edit")
    studio.number("long-hair, number", 1)
    shown = studio.pixels()
    studio.button("Rename long-hair").click()
    field = studio.page.get_by_label("New name of long-hair")
    field.fill("mane=")
    field.press("Enter")
    expect(studio.page.get_by_role("alert")).to_contain_text("no name for a direction")
    studio.button("Rename long-hair").click()
    field.fill("mane")
    field.press("Enter")
    expect(studio.page.get_by_label("mane, number", exact=True)).to_have_value("1")
    assert studio.about == "mine: seed 1 · psi 0.7 · mane +1"
    np.testing.assert_array_equal(studio.pixels(), shown)
    names = read_directions(model.with_suffix(SUFFIX), load(model))
    assert "mane" in names
    assert "long-hair" not in names


def test_a_run_shows_its_sheets_and_curves_and_its_newest_model_on_a_click(
    open_with: Callable[..., StudioPage],
    tmp_path: Path,
    tiny_generator: Generator,
    other_generator: Generator,
) -> None:
    run = tmp_path / "00003-cats"
    run.mkdir()
    (run / "config.json").write_text("{}")
    save(tiny_generator, run / "model.safetensors", metadata={"kimg": 1.5})
    lines = [
        {"step": k, "kimg": k / 100, "seconds": float(k), "loss_generator": 1 / (k + 1)}
        for k in range(400)
    ]
    (run / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    Image.new("RGB", (64, 32), "teal").save(run / "samples-000001.png")
    studio = open_with(run)
    first = studio.pixels()
    studio.tab("Run")
    expect(
        studio.page.get_by_role("img", name="Sheet samples-000001.png of the run")
    ).to_be_visible()
    expect(studio.page.locator(".curve polyline")).to_have_count(1)
    expect(studio.page.get_by_text("The newest snapshot is of 1.5 kimg.")).to_be_visible()
    save(other_generator, run / "model.safetensors", metadata={"kimg": 3.0})
    os.utime(run / "model.safetensors", (2e9, 2e9))
    np.testing.assert_array_equal(studio.pixels(), first)
    studio.button("Take the newest snapshot").click()
    studio.wait_for_other_than(first)


def test_a_model_that_is_not_there_yet_is_left_for_one_that_is(
    open_with: Callable[..., StudioPage], tmp_path: Path
) -> None:
    run = tmp_path / "00000-new"
    run.mkdir()
    (run / "config.json").write_text("{}")
    studio = open_with(run)
    assert studio.about.startswith("avatars:")
    studio.page.get_by_label("Model", exact=True).select_option(label="00000-new (run)")
    expect(studio.page.get_by_role("alert")).to_contain_text("no model yet")
    expect(studio.page.get_by_label("Model", exact=True)).to_have_value("bundled-avatars")


def test_pictures_with_alpha_stand_on_a_checkerboard(
    open_with: Callable[..., StudioPage], tmp_path: Path
) -> None:
    model = tmp_path / "clear.safetensors"
    save(make_tiny_generator(3, image_channels=4), model)
    studio = open_with(model)
    assert studio.pixels()[:, :, 3].min() < 255
    ground = "getComputedStyle(document.querySelector('.frame')).backgroundImage"
    assert "conic-gradient" in studio.page.evaluate(ground)
    studio.button("About the model").click()
    expect(studio.page.get_by_role("dialog")).to_contain_text("16 × 16, colour with alpha")
    studio.page.keyboard.press("Escape")
    expect(studio.button("About the model")).to_be_focused()
