"""The page over time: reloads, several tabs, a server that goes and comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect
from running_studio import RunningStudio
from studio_page import StudioPage

pytestmark = pytest.mark.browser

NewPage = Callable[..., StudioPage]


def test_nothing_is_lost_when_the_page_is_loaded_again(new_page: NewPage) -> None:
    studio = new_page()
    studio.number("Seed", 21)
    studio.number("Seed", 22)
    studio.tab("Edit")
    studio.number("skin-dark, number", 1)
    before, shown, about = studio.controls(), studio.pixels(), studio.about
    studio.tab("Noise")
    studio.page.reload()
    studio.wait()
    expect(studio.page.get_by_role("tab", name="Noise")).to_have_attribute("aria-selected", "true")
    assert studio.about == about
    np.testing.assert_array_equal(studio.pixels(), shown)
    assert studio.controls() == before
    studio.button("Undo").click()
    studio.button("Undo").click()
    assert studio.about == "avatars: seed 21 · psi 0.7"


def test_two_tabs_do_not_disturb_each_other(new_page: NewPage) -> None:
    one = new_page()
    one.number("Seed", 31)
    other = new_page(context=one.context)
    other.open_model("clothes")
    other.number("Seed", 32)
    one.tab("Mix")
    one.page.reload()
    one.wait()
    assert one.about == "avatars: seed 31 · psi 0.7"
    assert other.about.startswith("clothes: seed 32")
    other.page.reload()
    other.wait()
    assert other.about.startswith("clothes: seed 32")
    expect(other.page.get_by_role("tab", name="Explore")).to_have_attribute("aria-selected", "true")


def test_what_is_kept_in_one_tab_is_on_the_board_of_the_other(new_page: NewPage) -> None:
    one = new_page()
    other = new_page(context=one.context)
    other.tab("Board")
    one.button("Keep on the board").click()
    expect(other.page.locator(".board figure")).to_have_count(1)


def test_the_page_goes_on_when_the_server_was_killed_and_started_again(
    browser: Browser, tmp_path: Path
) -> None:
    server = RunningStudio(cache=tmp_path)
    try:
        studio = StudioPage(browser, server.address)
        studio.number("Seed", 41)
        shown = studio.pixels()
        server.kill()
        bar = studio.page.get_by_text("reconnecting")
        expect(bar).to_be_visible()
        studio.number("Seed", 42)  # taken now, drawn later
        server = RunningStudio(port=server.port, cache=tmp_path)
        expect(bar).to_be_hidden()
        assert studio.about == "avatars: seed 42 · psi 0.7"
        studio.wait_for_other_than(shown)
        studio.number("Seed", 41)
        np.testing.assert_array_equal(studio.pixels(), shown)
        studio.context.close()
    finally:
        server.end()


def test_a_page_that_the_server_has_forgotten_is_told_what_to_do(
    browser: Browser, tmp_path: Path
) -> None:
    server = RunningStudio(cache=tmp_path / "one")
    try:
        studio = StudioPage(browser, server.address)
        server.kill()
        server = RunningStudio(port=server.port, cache=tmp_path / "other")
        bar = studio.page.get_by_text("does not know this browser")
        expect(bar).to_be_visible(timeout=15_000)
        studio.context.close()
    finally:
        server.end()


def test_a_page_that_the_server_does_not_know_is_told_what_to_do(
    browser: Browser, studio_address: str
) -> None:
    page = browser.new_page()
    page.goto(studio_address.partition("/?")[0])
    expect(page.locator("body")).to_contain_text("Open the address that wspace studio has printed")
    page.close()


def test_the_page_asks_no_other_host_for_anything(new_page: NewPage, studio_address: str) -> None:
    studio = new_page()
    asked: list[str] = []
    studio.page.on("request", lambda request: asked.append(request.url))
    studio.page.reload()
    studio.wait()
    host = studio_address.partition("/?")[0]
    outside = [url for url in asked if not url.startswith((host, "blob:", "data:"))]
    assert asked
    assert not outside
