"""The page, where the studio works for longer: neighbours, walks, films, dragging, photographs."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import WebSocket, expect
from studio_page import StudioPage

from wspace.recipe.picture_file import recipe_of_file

pytestmark = pytest.mark.browser

PATIENCE_MS = 40_000
NewPage = Callable[..., StudioPage]


def test_a_click_on_a_neighbour_goes_there(new_page: NewPage) -> None:
    studio = new_page()
    first = studio.pixels()
    neighbour = studio.button("Go above left")
    expect(neighbour.locator("canvas")).to_have_count(1, timeout=PATIENCE_MS)
    shown = neighbour.locator("canvas").evaluate("canvas => canvas.toDataURL()")
    neighbour.click()
    studio.wait_for_other_than(first)
    assert studio.page.evaluate("document.querySelector('#picture').toDataURL()") == shown
    assert studio.about == "avatars: a w of its own · psi 0.7"
    studio.button("Undo").click()
    np.testing.assert_array_equal(studio.pixels(), first)


def test_noise_has_a_map_of_what_it_changes(new_page: NewPage) -> None:
    studio = new_page()
    studio.tab("Noise")
    shown = studio.page.get_by_label("Map of how much noise changes each pixel")
    expect(shown).to_be_visible(timeout=PATIENCE_MS)
    studio.page.get_by_role("radiogroup", name="Noise of all layers").get_by_text("Seed").click()
    expect(shown).to_be_visible()


def test_a_walk_is_played_and_leaves_as_a_film(new_page: NewPage, tmp_path: Path) -> None:
    studio = new_page()
    add = studio.button("Add this picture to the walk")
    for seed in (2, 3):
        studio.tab("Explore")
        studio.number("Seed", seed)
        studio.tab("Walk")
        add.click()
    studio.number("Frames of each leg, number", 6)
    still = studio.pixels()
    studio.button("Play").click()
    expect(studio.button("Pause")).to_be_visible(timeout=PATIENCE_MS)
    studio.button("Pause").click()
    frame = studio.page.get_by_label("Frame", exact=True)
    frame.fill("3")
    assert not np.array_equal(studio.pixels(), still)
    assert studio.about == "avatars: walk of 2 key pictures"
    frame.fill("6")  # the second key again, where the first leg ends
    np.testing.assert_array_equal(studio.pixels(), still)
    studio.page.get_by_role("radio", name="WebP").click()
    path = studio.saved("Save the film", tmp_path)
    with Image.open(io.BytesIO(path.read_bytes())) as film:
        assert (film.format, getattr(film, "n_frames", 1)) == ("WEBP", 12)
    studio.tab("Explore")
    np.testing.assert_array_equal(studio.pixels(), still)
    studio.page.reload()
    studio.wait()
    studio.tab("Walk")
    expect(studio.page.locator(".keys li")).to_have_count(2)


def test_points_are_dragged_stopped_and_undone(new_page: NewPage) -> None:
    studio = new_page()
    first = studio.pixels()
    studio.tab("Edit")
    studio.button("Add a point").click()
    target = studio.page.get_by_role("button", name="Point 1, to 32, 24")
    target.press("ArrowRight")
    expect(studio.page.get_by_role("button", name="Point 1, to 33, 24")).to_be_focused()
    studio.page.get_by_role("radio", name="Brush").click()
    brush = studio.page.get_by_role("application", name=re.compile("Brush over what may move"))
    brush.press("ArrowUp")
    brush.press("Space")
    expect(studio.page.get_by_text("1 point, brushed")).to_be_visible()
    studio.button("Drag").click()
    stop = studio.button("Stop")
    expect(stop).to_be_visible()
    studio.wait_for_other_than(first)
    if stop.is_visible():
        stop.click()
    expect(stop).to_be_hidden(timeout=PATIENCE_MS)
    expect(studio.button("Undo")).to_be_enabled()
    assert "w" in studio.about
    assert not np.array_equal(studio.pixels(), first)
    studio.button("Undo").click()
    np.testing.assert_array_equal(studio.pixels(), first)


def test_a_dropped_photograph_is_looked_for(new_page: NewPage, tmp_path: Path) -> None:
    studio = new_page()
    studio.number("Seed", 8)
    picture = studio.pixels()
    photograph = tmp_path / "portrait.jpg"
    Image.fromarray(picture).convert("RGB").resize((128, 128)).save(photograph, quality=95)
    studio.number("Seed", 9)
    before = studio.pixels()
    studio.drop(photograph, kind="image/jpeg")
    stop = studio.button("Stop")
    expect(stop).to_be_visible(timeout=PATIENCE_MS)
    expect(stop).to_be_hidden(timeout=PATIENCE_MS)
    expect(studio.button("Undo")).to_be_enabled()
    found = studio.pixels().astype(float)
    assert np.abs(found - picture).mean() < np.abs(before.astype(float) - picture).mean()
    path = studio.saved("Save PNG", tmp_path)
    other = new_page()
    other.drop(path)
    expect(other.message()).to_contain_text("every control is as it was")
    np.testing.assert_array_equal(other.pixels(), found)
    for page in (studio, other):  # a w for each layer is one picture, beside what was there
        page.tab("Mix")
        expect(page.page.locator(".tray figure")).to_have_count(2)


def test_a_photograph_is_looked_for_in_the_class_that_it_shows(
    new_page: NewPage, tmp_path: Path
) -> None:
    studio = new_page()
    sent: list[bytes] = []

    def listen(socket: WebSocket) -> None:
        socket.on(
            "framesent", lambda frame: sent.append(frame if isinstance(frame, bytes) else b"")
        )

    studio.page.on("websocket", listen)
    studio.page.reload()
    studio.wait()
    studio.tab("Edit")
    shows = studio.page.get_by_label("It shows", exact=True)
    expect(shows).to_have_count(0)  # the avatars are of one kind
    studio.open_model("clothes")
    photograph = tmp_path / "mine.jpg"
    Image.new("L", (64, 64), 128).save(photograph)
    stop = studio.button("Stop")
    names = shows.locator("option").all_inner_texts()
    for chosen in (names[0], names[3]):
        shows.select_option(label=chosen)
        studio.drop(photograph, kind="image/jpeg")
        stop.click(timeout=PATIENCE_MS)
        expect(stop).to_be_hidden(timeout=PATIENCE_MS)
    freely, in_class = (frame for frame in sent if b'"invert"' in frame)
    assert b'"class"' not in freely
    assert b'"class":2' in in_class
    studio.open_model("avatars")
    studio.open_model("clothes")
    expect(shows).to_have_value("")


def test_the_command_and_the_code_make_the_picture(new_page: NewPage, tmp_path: Path) -> None:
    studio = new_page()
    studio.number("Seed", 12)
    studio.tab("Edit")
    studio.number("long-hair, number", 1.5)
    shown = studio.pixels()
    studio.button("Copy as command or Python").click()
    command = studio.page.get_by_label("Command", exact=True).inner_text()
    python = studio.page.get_by_label("Python", exact=True).inner_text()
    words = shlex.split(command)
    assert words[0] == "wspace"
    run = [sys.executable, "-c", "from wspace.cli.main import main; main()", *words[1:]]
    for name, arguments in (("command", run), ("python", [sys.executable, "-c", python])):
        folder = tmp_path / name
        folder.mkdir()
        subprocess.run(arguments, cwd=folder, check=True, capture_output=True)
        (made,) = folder.rglob("*.png")
        difference = np.asarray(Image.open(made).convert("RGBA")).astype(int) - shown
        assert np.abs(difference).max() <= 1, name
        assert recipe_of_file(made).edits[0].strength == 1.5


def test_the_grid_leaves_as_a_sheet(
    new_page: NewPage, tmp_path: Path, run_wspace: Callable[..., Any]
) -> None:
    studio = new_page()
    studio.tab("Mix")
    studio.button("Add a random picture").click()
    studio.button("Show the grid").click()
    path = studio.saved("Save the sheet", tmp_path)
    ran = run_wspace("reproduce", path, "--verify")
    assert ran.status == 0, ran
