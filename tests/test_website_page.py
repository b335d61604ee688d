"""The built site in a browser: `make test-site`."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from studio_page import find_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SITE = Path(__file__).parents[1] / "build/site/html"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a plain static server that has the site below a path."""
    assert (SITE / "index.html").is_file(), "the site is not built: make docs"
    handler = functools.partial(_Quiet, directory=str(SITE.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{SITE.name}/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        yield browser
        browser.close()


def watched(browser: Browser, address: str, width: int, scheme: str) -> tuple[Page, list[str]]:
    """A page, and a list of what goes wrong on it: errors, and anything asked of other hosts."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on(
        "requestfailed",
        lambda request: (
            None  # the page was left
            if "ERR_ABORTED" in (request.failure or "")
            else wrong.append(f"failed: {request.url}")
        ),
    )
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((address, "data:", "blob:"))
            else wrong.append(f"asks {request.url}")
        ),
    )
    return page, wrong


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_page_fits_asks_no_other_host_and_has_its_colours(
    browser: Browser, address: str, width: int, scheme: str
) -> None:
    page, wrong = watched(browser, address, width, scheme)
    paths = [path.relative_to(SITE).as_posix() for path in sorted(SITE.rglob("*.html"))]
    paths = [path for path in paths if not path.startswith(("explorer/", "docs/claims/", "404"))]
    assert len(paths) > 20
    for path in paths:
        page.goto(address + path)
        page.wait_for_function("[...document.images].every((image) => image.complete)")
        over = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert over <= 0, f"{path} is {over} pixels too wide"
        text, ground = page.evaluate(
            """() => [getComputedStyle(document.querySelector("article")).color,
                      getComputedStyle(document.body).backgroundColor].map((colour) => {
                const canvas = document.createElement("canvas").getContext("2d");
                canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
                return canvas.getImageData(0, 0, 1, 1).data[1];
            })"""
        )
        assert (text < ground) == (scheme == "light"), path
    assert wrong == []
    page.close()


def test_search_finds_and_leads_to_the_place(browser: Browser, address: str) -> None:
    page, wrong = watched(browser, address, 1280, "light")
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search").fill("truncation")
    page.get_by_role("option", name="Truncation").first.click(timeout=15_000)
    page.wait_for_url("**/docs/steering.html*truncation*")
    assert wrong == []
    page.close()


def test_the_explorer_is_one_click_away(browser: Browser, address: str) -> None:
    page, _ = watched(browser, address, 1280, "light")
    page.goto(address + "docs/start.html")
    page.get_by_text("Draw here and now").click()
    page.wait_for_url("**/explorer/index.html*")
    assert "wspace" in page.title()
    page.close()
