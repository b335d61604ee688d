"""Makes the pictures of docs/studio.md and the film of the README, by using the studio.

python benchmarks/make_studio_images.py                  each tab, wide and narrow, light and dark
python benchmarks/make_studio_images.py --film           the film alone
python benchmarks/make_studio_images.py --run RUN        the tab of a run, too: RUN is its folder
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/helpers"))

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from running_studio import RunningStudio
from studio_page import StudioPage, find_chromium

OUT = Path(__file__).parent.parent / "docs/studio"
SIZES = {"1440": (1440, 900), "390": (390, 844)}
SCHEMES = ("light", "dark")
MOST_BYTES = 3_000_000  # of all screenshots
MOST_FILM_BYTES = 1_000_000
FILM_SIZE = (1180, 740)
SHOWN_WIDTH = 760
FRAME_MS = 80

# The same dice each time.
DICE = """() => {
  let state = 7;
  Math.random = () => (state = (state * 48271) % 2147483647) / 2147483647;
}"""
HAND = """() => {
  const hand = document.createElement("div");
  hand.id = "hand";
  Object.assign(hand.style, {
    position: "fixed", zIndex: 99, width: "18px", height: "18px", margin: "-9px",
    borderRadius: "50%", background: "rgb(20 22 46 / 55%)", border: "2px solid white",
    pointerEvents: "none",
  });
  document.body.append(hand);
  addEventListener("pointermove", (event) => {
    hand.style.left = `${event.clientX}px`;
    hand.style.top = `${event.clientY}px`;
  }, true);
}"""


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--film", action="store_true")
    parser.add_argument("--run", type=Path)
    arguments = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    models = [str(arguments.run)] if arguments.run else []
    with tempfile.TemporaryDirectory() as cache, chromium() as browser:
        studio = RunningStudio(["avatars", *models], cache=Path(cache))
        try:
            if not arguments.film:
                for width in SIZES:
                    for scheme in SCHEMES:
                        take_tabs(browser, studio.address, width, scheme, arguments.run)
            film(browser, studio.address)
        finally:
            studio.end()
    size = sum(path.stat().st_size for path in OUT.glob("*-*.webp"))
    film_size = (OUT / "film.webp").stat().st_size
    print(f"{size / 1e6:.2f} MB of screenshots, {film_size / 1e6:.2f} MB of film")
    if size > MOST_BYTES or film_size > MOST_FILM_BYTES:
        raise SystemExit("that is too much: lower the quality")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        made = playwright.chromium.launch(executable_path=find_chromium(), args=arguments)
        yield made
        made.close()


def take_tabs(browser: Browser, address: str, width: str, scheme: str, run: Path | None) -> None:
    """A screenshot of each tab."""
    wide, high = SIZES[width]
    context = browser.new_context(
        viewport={"width": wide, "height": high}, color_scheme=scheme, reduced_motion="reduce"
    )
    context.add_init_script(f"({DICE})()")
    studio = StudioPage(browser, address, context=context)
    for tab, prepare in TABS.items():
        studio.tab(tab)
        prepare(studio)
        take(studio, f"{tab.lower()}-{width}-{scheme}", tall=width == "390")
    if run:
        studio.page.get_by_label("Model", exact=True).select_option(label=f"{run.name} (run)")
        studio.tab("Run")
        studio.page.locator(".curve, .sheet").first.wait_for()
        take(studio, f"run-{width}-{scheme}", tall=width == "390")
    context.close()


def take(studio: StudioPage, name: str, *, tall: bool) -> None:
    """Save what is seen; narrow pages whole."""
    studio.page.mouse.move(2, 2)
    studio.page.evaluate("document.activeElement.blur()")
    studio.pixels()
    studio.page.wait_for_timeout(1500)
    if tall:
        studio.page.evaluate("scrollTo(0, 0)")
        wide = studio.page.viewport_size
        assert wide is not None
        height = studio.page.evaluate("document.documentElement.scrollHeight")
        studio.page.set_viewport_size({"width": wide["width"], "height": min(height, 1500)})
    shot = studio.page.screenshot()
    if tall:
        studio.page.set_viewport_size(wide)
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    picture.save(OUT / f"{name}.webp", quality=82, method=6)
    print(name, picture.size)


def explore(studio: StudioPage) -> None:
    """Some pictures looked at."""
    for seed in (2, 5, 17, 23, 8):
        studio.number("Seed", seed)
        studio.pixels()
    studio.page.locator(".nine canvas").nth(8).wait_for()


def mix(studio: StudioPage) -> None:
    """Four pictures, two of them mixed in."""
    for _ in range(3):
        studio.button("Add a random picture").click()
    studio.page.locator(".card .tile").nth(1).click()
    studio.page.get_by_role("button", name="Take fine layers from").click()
    studio.page.locator(".card .tile").nth(3).click()
    studio.page.get_by_role("button", name="Take middle layers from").click()


def noise(studio: StudioPage) -> None:
    """Noise of a seed in the fine layers."""
    studio.page.get_by_role("radiogroup", name="Noise of fine layers").get_by_text("Seed").click()
    studio.number("Strength of fine layers, number", 1.5)
    studio.page.locator(".deviation canvas").wait_for()


def edit(studio: StudioPage) -> None:
    """Two steps, and two points to drag."""
    studio.number("long-hair, number", 0.8)
    studio.number("happy-eyes, number", 1.2)
    studio.page.get_by_role("radio", name="Points").click()
    pull(studio, (20, 12), (14, 8))
    pull(studio, (44, 12), (50, 8))


def pull(studio: StudioPage, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Place a point with the pointer, in pixels of the picture."""
    box = studio.page.locator("#picture").bounding_box()
    assert box is not None
    scale = box["width"] / 64
    mouse = studio.page.mouse
    mouse.move(box["x"] + start[0] * scale, box["y"] + start[1] * scale)
    mouse.down()
    mouse.move(box["x"] + end[0] * scale, box["y"] + end[1] * scale, steps=6)
    mouse.up()


def walk(studio: StudioPage) -> None:
    """Four keys, of pictures that are not mixed any more."""
    studio.tab("Edit")
    studio.button("Reset all steps").click()
    studio.button("Clear points and brush").click()
    studio.tab("Noise")
    own = studio.page.get_by_role("radiogroup", name="Noise of all layers").get_by_text("Own")
    own.click()
    studio.number("Strength of all layers, number", 1)
    studio.tab("Explore")
    studio.button("Show it alone").click()
    for seed in (2, 17, 23, 8):
        studio.tab("Explore")
        studio.number("Seed", seed)
        studio.tab("Walk")
        studio.button("Add this picture to the walk").click()


def board(studio: StudioPage) -> None:
    """Some pictures that were kept."""
    for seed in (3, 12, 31, 40, 51, 64):
        studio.tab("Explore")
        studio.number("Seed", seed)
        studio.pixels()
        studio.button("Keep on the board").click()
        studio.page.get_by_text("Kept on the board").wait_for()
    studio.tab("Board")
    studio.page.locator(".message").wait_for(state="detached")


TABS: dict[str, Callable[[StudioPage], None]] = {
    "Explore": explore,
    "Mix": mix,
    "Noise": noise,
    "Edit": edit,
    "Walk": walk,
    "Board": board,
}


def film(browser: Browser, address: str) -> None:
    """A mix painted, then a point dragged."""
    wide, high = FILM_SIZE
    context = browser.new_context(viewport={"width": wide, "height": high}, color_scheme="light")
    context.add_init_script(f"({DICE})()")
    studio = StudioPage(browser, address, context=context)
    studio.page.evaluate(f"({HAND})()")
    frames: list[Image.Image] = []

    def shoot(count: int = 1) -> None:
        for _ in range(count):
            shot = Image.open(io.BytesIO(studio.page.screenshot())).convert("RGB")
            height = round(SHOWN_WIDTH * high / wide)
            frames.append(shot.resize((SHOWN_WIDTH, height), Image.Resampling.LANCZOS))

    def go(x: float, y: float, steps: int = 6) -> None:
        start = go.at
        for step in range(1, steps + 1):
            share = step / steps
            studio.page.mouse.move(
                start[0] + (x - start[0]) * share, start[1] + (y - start[1]) * share
            )
            studio.pixels()
            shoot()
        go.at = (x, y)

    go.at = (wide / 2, high / 2)  # type: ignore[attr-defined]
    studio.number("Seed", 17)
    studio.tab("Mix")
    for _ in range(3):
        studio.button("Add a random picture").click()
    studio.page.wait_for_timeout(1500)
    shoot(4)
    mouse = studio.page.mouse
    for row, first, last in ((1, 8, 9), (3, 4, 7), (2, 8, 9)):
        cells = studio.page.locator(f"[role=gridcell][data-row='{row}']")
        begin, end = cells.nth(first).bounding_box(), cells.nth(last).bounding_box()
        assert begin is not None
        assert end is not None
        go(begin["x"] + 12, begin["y"] + 17)
        mouse.down()
        go(end["x"] + 12, end["y"] + 17, steps=max(4, 2 * (last - first)))
        mouse.up()
        shoot(5)
    studio.tab("Edit")
    studio.page.wait_for_timeout(400)
    studio.page.get_by_role("radio", name="Points").click()
    box = studio.page.locator("#picture").bounding_box()
    assert box is not None
    scale = box["width"] / 64
    shoot(3)
    for start, end in (((26, 10), (20, 6)), ((38, 10), (44, 6))):
        go(box["x"] + start[0] * scale, box["y"] + start[1] * scale)
        mouse.down()
        go(box["x"] + end[0] * scale, box["y"] + end[1] * scale, steps=4)
        mouse.up()
    drag = studio.button("Drag").bounding_box()
    assert drag is not None
    go(drag["x"] + 40, drag["y"] + 20)
    studio.button("Drag").click()
    for _ in range(60):
        shoot()
        if studio.page.locator(".task").count() == 0:
            break
        studio.page.wait_for_timeout(120)
    shoot(10)
    frames[0].save(
        OUT / "film.webp",
        save_all=True,
        append_images=frames[1:],
        duration=FRAME_MS,
        loop=0,
        quality=45,
        method=4,
    )
    print("film", len(frames), "frames")
    context.close()


if __name__ == "__main__":
    main()
