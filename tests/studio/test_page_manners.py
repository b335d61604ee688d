"""The page for everybody: accessibility, keyboard, narrow screens; and its code."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect
from studio_page import StudioPage

from wspace.studio.web import PAGE, page_files

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
NODE_MODULES = HERE / "node_modules"
MAX_SCRIPTS = 200_000  # bytes
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NewPage = Callable[..., StudioPage]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation_on_any_tab(new_page: NewPage, scheme: str) -> None:
    studio = new_page(color_scheme=scheme, bypass_csp=True)
    studio.page.add_script_tag(path=NODE_MODULES / "axe-core/axe.min.js")
    studio.tab("Mix")
    studio.button("Add a random picture").click()
    studio.button("Keep on the board").click()
    for tab in studio.page.get_by_role("tab").all_inner_texts():
        studio.tab(tab)
        studio.page.wait_for_timeout(400)
        assert not violations(studio), tab
    studio.tab("Mix")
    studio.button("Show the grid").click()
    studio.page.wait_for_timeout(600)
    assert not violations(studio)


def violations(studio: StudioPage) -> list[str]:
    """What axe calls serious or critical."""
    found = studio.page.evaluate(
        "async (levels) => (await axe.run({runOnly: levels})).violations", LEVELS
    )
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_a_phone_shows_one_column_without_sideways_scrolling(new_page: NewPage) -> None:
    studio = new_page(viewport={"width": 390, "height": 844})
    for tab in studio.page.get_by_role("tab").all_inner_texts():
        studio.tab(tab)
        studio.page.wait_for_timeout(200)
        width = studio.page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, tab
    picture = studio.page.locator("#picture").bounding_box()
    panel = studio.page.locator("#panel").bounding_box()
    assert picture is not None
    assert panel is not None
    assert picture["y"] + picture["height"] <= panel["y"]


def test_everything_is_reached_by_keys(new_page: NewPage) -> None:
    studio = new_page()
    press = studio.page.keyboard.press
    tab = studio.page.get_by_role("tab", name="Explore")
    for _ in range(12):  # bar and picture come first
        press("Tab")
        if tab.evaluate("element => element === document.activeElement"):
            break
    expect(tab).to_be_focused()
    press("ArrowRight")
    expect(studio.page.get_by_role("tab", name="Mix")).to_be_focused()
    press("Tab")
    expect(studio.button("Add a random picture")).to_be_focused()
    press("Enter")
    expect(studio.page.locator("[role=gridcell][data-row='1']")).to_have_count(10)
    for _ in range(20):
        press("Tab")
        if studio.page.evaluate("document.activeElement.role === 'gridcell'"):
            break
    press("ArrowDown")
    press("Space")
    assert re.search(r"seed \d+ \(0\) \+ seed 1 \(1–9\)", studio.about)


def test_dark_and_light_follow_the_system_until_they_are_chosen(new_page: NewPage) -> None:
    studio = new_page(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = studio.page.evaluate(ground)
    studio.button("Colours: as the system has it").click()
    expect(studio.button("Colours: light")).to_be_visible()
    light = studio.page.evaluate(ground)
    assert light != dark
    studio.page.reload()
    studio.wait()
    assert studio.page.evaluate(ground) == light


def test_enlargement_is_smooth_or_crisp_as_chosen(new_page: NewPage) -> None:
    studio = new_page()
    rendering = "getComputedStyle(document.querySelector('#picture')).imageRendering"
    assert studio.page.evaluate(rendering) == "auto"
    studio.button("Crisp pixels").click()
    assert studio.page.evaluate(rendering) == "pixelated"


def test_the_scripts_are_typed() -> None:
    ran = subprocess.run(
        [NODE_MODULES / ".bin/tsc", "--project", HERE / "tsconfig.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout


def test_the_scripts_are_small() -> None:
    scripts = [path for path in page_files(PAGE).values() if path.suffix == ".js"]
    assert sum(path.stat().st_size for path in scripts) < MAX_SCRIPTS


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("preact", "preact/dist/preact.mjs"),
        ("hooks", "preact/hooks/dist/hooks.mjs"),
        ("htm", "htm/dist/htm.mjs"),
    ],
)
def test_what_others_wrote_is_as_they_wrote_it(name: str, source: str) -> None:
    theirs = (NODE_MODULES / source).read_text().replace('from"preact"', 'from"./preact.js"')
    code = "\n".join(line for line in theirs.splitlines() if "sourceMappingURL" not in line)
    ours = (PAGE / f"vendor/{name}.js").read_text()
    assert ours.removeprefix("// @ts-nocheck\n").strip() == code.strip()
