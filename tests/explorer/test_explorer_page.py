"""The explorer in a browser: what it draws is what wspace draws, from any host and from none."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect
from static_site import StaticSite
from studio_page import StudioPage, find_chromium

from wspace.explorer.models import page_models
from wspace.explorer.runtime import Runtime
from wspace.explorer.site import site, write_folder
from wspace.formats.model_file import load
from wspace.recipe.picture_file import recipe_of_file
from wspace.recipe.png import read_document
from wspace.recipe.recipe import Recipe, Source
from wspace.rendering.deviation import noise_deviation
from wspace.rendering.render import render
from wspace.steering.interpolation import walk_recipes
from wspace.steering.neighbourhood import neighbours

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PATIENCE_MS = 60_000
AXE = Path(__file__).parents[1] / "studio/node_modules/axe-core/axe.min.js"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
NewPage = Callable[..., StudioPage]
Pixels = npt.NDArray[np.uint8]


def difference(a: Pixels, b: Pixels) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


def canvases(studio: StudioPage, selector: str) -> list[Pixels]:
    """The pixels of small pictures, once all are there."""
    studio.page.wait_for_function(
        """(selector) => {
          const all = [...document.querySelectorAll(selector)];
          return all.length && all.every((one) => one.width > 1);
        }""",
        arg=selector,
    )
    found = studio.page.evaluate(
        """(selector) => [...document.querySelectorAll(selector)].map((one) => [
          one.width, one.height,
          [...one.getContext("2d").getImageData(0, 0, one.width, one.height).data],
        ])""",
        selector,
    )
    return [np.array(data, np.uint8).reshape(height, width, 4) for width, height, data in found]


def test_it_draws_what_wspace_draws_under_any_path_and_after_the_network_is_gone(
    new_page: NewPage, host: StaticSite
) -> None:
    studio = new_page()
    generator = load("avatars")

    def drawn(seed: int) -> Pixels:
        return render(generator, [Recipe(sources=(Source(seed=seed),), psi=0.7)]).rgba[0]

    assert studio.about == "avatars: seed 1 · psi 0.7"
    assert difference(studio.pixels(), drawn(1)) <= 1
    assert studio.page.evaluate("crossOriginIsolated")  # so that it may draw with threads
    around = canvases(studio, ".nine button canvas")
    expected = neighbours(generator, Recipe(sources=(Source(seed=1),), psi=0.7), step=0.5, seed=1)
    pictures = render(generator, expected).rgba
    assert max(difference(a, b) for a, b in zip(around, pictures, strict=True)) <= 2
    host.end()
    studio.page.reload()
    studio.wait()
    studio.number("Seed", 4_000_000_000)
    assert difference(studio.pixels(), drawn(4_000_000_000)) <= 1
    studio.page.get_by_label("Model", exact=True).select_option(label="clothes")
    expect(studio.page.get_by_role("alert")).to_contain_text(
        "cannot be had without a network", timeout=PATIENCE_MS
    )
    assert studio.about == "avatars: seed 4000000000 · psi 0.7"
    studio.errors.clear()  # the browser itself tells of the network


def test_a_saved_picture_is_made_again_by_wspace_and_sets_every_control(
    new_page: NewPage, tmp_path: Path, run_wspace: Callable[..., Any]
) -> None:
    studio = new_page()
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
    expect(studio.page.get_by_text("need wspace itself")).to_be_visible()
    studio.number("long-hair, number", -1.2)
    shown, before = studio.pixels(), studio.controls()
    path = studio.saved("Save PNG", tmp_path)
    assert difference(np.asarray(Image.open(path).convert("RGBA")), shown) == 0
    ran = run_wspace("reproduce", path, "--verify")
    assert ran.status == 0, ran
    assert len(recipe_of_file(path).sources) == 3
    assert read_document(path).rendered_by.path == "exported int16"
    studio.open_model("clothes")
    studio.drop(path)
    expect(studio.message()).to_contain_text("every control is as it was", timeout=PATIENCE_MS)
    assert difference(studio.pixels(), shown) == 0
    assert studio.controls() == before


def test_classes_noise_and_walks_are_those_of_wspace(
    new_page: NewPage, tmp_path: Path, run_wspace: Callable[..., Any]
) -> None:
    studio = new_page()
    studio.open_model("clothes")
    generator = load("clothes")
    studio.page.get_by_label("Class", exact=True).select_option(label="bag")
    path = studio.saved("Save PNG", tmp_path)
    assert run_wspace("reproduce", path, "--verify").status == 0
    recipe = recipe_of_file(path)
    assert recipe.sources[0].class_name == "bag"
    studio.tab("Noise")
    (changes,) = canvases(studio, ".deviation canvas")
    expected, _ = noise_deviation(generator, recipe, 16)
    assert np.abs(changes[:, :, :3].astype(int) - expected).mean() < 4
    studio.tab("Walk")
    studio.button("Add this picture to the walk").click()
    studio.tab("Explore")
    studio.number("Seed", 5)
    studio.tab("Walk")
    studio.button("Add this picture to the walk").click()
    studio.page.get_by_role("radio", name="Through z").click()
    studio.number("Frames of each leg, number", 4)
    studio.button("Play").click()
    expect(studio.button("Pause")).to_be_visible(timeout=PATIENCE_MS)
    studio.button("Pause").click()
    keys = [recipe, recipe.replace(sources=(Source(seed=5, class_index=8),))]
    frames = walk_recipes(generator, keys, 8, kind="slerp", loop=True)
    for at in (0, 3):
        studio.page.get_by_role("slider", name="Frame", exact=True).fill(str(at))
        drawn = render(generator, [frames[at]]).rgba[0]
        assert difference(studio.pixels(), drawn) <= 2
    assert not studio.page.get_by_text("Save the film").count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation(new_page: NewPage, scheme: str) -> None:
    studio = new_page(color_scheme=scheme, bypass_csp=True)
    studio.page.add_script_tag(path=AXE)
    for tab in studio.page.get_by_role("tab").all_inner_texts():
        studio.tab(tab)
        studio.page.wait_for_timeout(300)
        found = studio.page.evaluate(
            "async (levels) => (await axe.run({runOnly: levels})).violations", LEVELS
        )
        assert not [one["id"] for one in found if one["impact"] in ("serious", "critical")], tab


def test_one_file_opens_from_a_disk(
    new_page: NewPage, single_file: Path, tmp_path: Path, run_wspace: Callable[..., Any]
) -> None:
    studio = new_page(single_file.as_uri())
    asked: list[str] = []
    studio.page.on("request", lambda request: asked.append(request.url))
    studio.number("Seed", 3)
    path = studio.saved("Save PNG", tmp_path)
    assert run_wspace("reproduce", path, "--verify").status == 0
    assert [address for address in asked if not address.startswith("blob:")] == []


def test_a_visit_loads_what_the_command_says(new_page: NewPage, host: StaticSite) -> None:
    studio = new_page()
    studio.pixels()
    heavy = [path for path, _ in host.sent if path.endswith(".gz")]
    assert len(heavy) == len(set(heavy)) == 4  # the runtime and three graphs, each of them once
    assert sum(size for _, size in host.sent) < 12_000_000


def test_a_graphics_card_draws_what_wspace_draws(browser: Browser, host: StaticSite) -> None:
    # Here a graphics card is one that the browser plays by software.
    flags = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
    flags += ["--enable-features=Vulkan", "--use-vulkan=swiftshader", "--ignore-gpu-blocklist"]
    other = browser.browser_type.launch(
        executable_path=find_chromium(), args=["--no-sandbox", *flags]
    )
    studio = StudioPage(other, f"{host.address}some/where/?draw=webgpu", patience_ms=120_000)
    shown = studio.pixels()
    assert not studio.errors
    other.close()
    loaded = [path for path, _ in host.sent if "wasm" in path and path.endswith(".gz")]
    assert len(loaded) == 1
    assert ".jspi-" in loaded[0]  # and nothing for the processor: it was not needed
    drawn = render(load("avatars"), [Recipe(sources=(Source(seed=1),), psi=0.7)]).rgba[0]
    assert difference(shown, drawn) <= 2


def test_a_newer_explorer_takes_the_place_of_the_one_that_is_kept(
    new_page: NewPage, explorer: Path, runtime: Runtime, tmp_path: Path
) -> None:
    place = tmp_path / "host"
    shutil.copytree(explorer / "some/where", place)
    server = StaticSite(tmp_path)
    studio = new_page(f"{server.address}host/")
    models = "fetch('contents.json').then(r => r.json()).then(c => c.models.map(m => m.named))"
    assert studio.page.evaluate(models) == ["avatars", "clothes"]
    shutil.rmtree(place)
    write_folder(place, site(page_models(["clothes"], "int16"), runtime))
    studio.page.reload()  # as it was kept, while the newer one comes
    for _ in range(PATIENCE_MS // 500):
        if studio.page.evaluate(models) == ["clothes"]:
            break
        studio.page.wait_for_timeout(500)
    studio.page.reload()
    expect(studio.page.locator("#picture")).to_have_attribute(
        "aria-label", re.compile("^clothes:"), timeout=PATIENCE_MS
    )
    assert len(studio.page.evaluate("caches.keys()")) == 1
    server.end()
