"""How quick the explorer is: python benchmarks/explorer.py

It writes an explorer with `avatars`, serves it by a plain static server without compression, and
opens it in chromium: time to the first picture of a visitor who has nothing of it yet, and of one
who comes again; from pointer to pixels; bytes of all that was loaded. --draw webgpu takes the
graphics card where there is one. A load of the machine makes everything slower: it is printed, and
so are the processor seconds that the browser took for the first picture.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/helpers"))

from playwright.sync_api import Page, Playwright, sync_playwright
from static_site import StaticSite
from studio_page import find_chromium

from studio import MOVES, slide, told

VISITS = 5
PACKAGE = Path(__file__).parent.parent / "tests/studio/node_modules/onnxruntime-web"
FLAGS = ("--no-sandbox",)

# As in studio.py, but for a worker in the place of a server. The clock is the machine's, since
# the page loads twice at the first visit.
WATCH = """() => {
  const moves = [];
  const done = [];
  const drawn = [];
  let sent = 0;
  addEventListener("pointermove", (event) => moves.push(event.timeStamp), true);
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (data, ...rest) {
    if (data.slot === "main") {
      const begun = (sent = performance.now());
      const told = ({ data: answer }) => {
        if (answer.id !== data.id) return;
        drawn.push(performance.now() - begun);
        this.removeEventListener("message", told);
      };
      this.addEventListener("message", told);
    }
    return post.call(this, data, ...rest);
  };
  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...rest) {
    put.apply(this, rest);
    if (this.canvas.id !== "picture") return;
    window.firstPicture ??= Date.now();
    const until = sent;
    requestAnimationFrame(() => setTimeout(() => {
      while (moves.length && moves[0] <= until) done.push(performance.now() - moves.shift());
    }));
  };
  window.latencies = done;
  window.drawn = drawn;
}"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runtime", type=Path, default=PACKAGE)
    parser.add_argument("--visits", type=int, default=VISITS)
    parser.add_argument("--moves", type=int, default=MOVES)
    parser.add_argument("--draw", choices=["wasm", "webgpu"], default="wasm")
    parser.add_argument("--flag", action="append", default=[], help="for chromium")
    arguments = parser.parse_args()
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "explorer"
        command = ["wspace", "explorer", "avatars", "--out", out, "--runtime", arguments.runtime]
        subprocess.run([sys.executable, "-m", *map(str, command)], check=True)
        server = StaticSite(out)
        address = f"{server.address}?draw={arguments.draw}"
        with sync_playwright() as playwright:
            flags = [*FLAGS, *arguments.flag]
            visits(playwright, address, arguments.visits, server, flags)
            moved(playwright, address, arguments.moves, flags)
        server.end()


def visits(
    playwright: Playwright, address: str, count: int, server: StaticSite, flags: Sequence[str]
) -> None:
    """Time to the first picture, for visitors who have nothing yet and for those who come again."""
    first, again, work = [], [], []
    for number in range(count):
        server.sent.clear()
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*flags])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(f"({WATCH})()")
        before = processor_seconds()
        first.append(until_picture(page, address))
        work.append(processor_seconds() - before)
        if number == 0:
            total = sum(size for _, size in server.sent)
            print(f"loaded: {len(server.sent)} files, {total / 1e6:.2f} MB")
            for path, size in sorted(server.sent, key=lambda one: -one[1])[:6]:
                print(f"  {size / 1e6:6.2f} MB {path}")
            isolated = page.evaluate("[crossOriginIsolated, navigator.hardwareConcurrency]")
            print(f"threads can be had: {isolated[0]}, of {isolated[1]} processors")
        page.wait_for_timeout(1000)
        again.append(until_picture(page, address))
        browser.close()
    for name, times in (("first visit", first), ("second visit", again)):
        listed = ", ".join(f"{one:.2f}" for one in times)
        print(f"first picture, {name}: median {statistics.median(times):.2f} s ({listed})")
    print(f"processor seconds until the first picture: median {statistics.median(work):.2f}")


def until_picture(page: Page, address: str) -> float:
    """Seconds from the request until a picture is drawn."""
    started = time.time()
    page.goto(address, wait_until="commit")
    while True:
        page.wait_for_timeout(50)
        try:
            drawn = page.evaluate("window.firstPicture")
        except Exception:  # the page loads once more
            continue
        if drawn is not None:
            return float(drawn) / 1000 - started


def processor_seconds() -> float:
    """Of all processes that this one has started and that still run."""
    found, parents = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
            parents[int(entry.name)] = int(fields[1])
            found[int(entry.name)] = int(fields[11]) + int(fields[12])
    own, ticks = os.getpid(), 0
    for pid, used in found.items():
        above = parents.get(pid)
        while above and above != own:
            above = parents.get(above)
        ticks += used if above == own else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def moved(playwright: Playwright, address: str, moves: int, flags: Sequence[str]) -> None:
    """The time from pointer to pixels, and how much of it is drawing."""
    browser = playwright.chromium.launch(executable_path=find_chromium(), args=[*flags])
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.add_init_script(f"({WATCH})()")
    until_picture(page, address)
    page.wait_for_timeout(5000)  # the browser compiles better code meanwhile
    slide(page, moves)
    page.wait_for_timeout(2000)
    page.evaluate("window.drawn.length = 0")
    told("pointer to pixels", slide(page, moves))
    told("of it drawing, with the way to the worker and back", page.evaluate("window.drawn"))
    browser.close()


if __name__ == "__main__":
    main()
