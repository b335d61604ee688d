"""How quick the studio is: python benchmarks/studio.py

python benchmarks/studio.py               start, first paint, pointer to pixels, size of scripts
python benchmarks/studio.py --large       and 2 x 2 pictures of a random StyleGAN2 of 256²
python benchmarks/studio.py --clients 20  and so many at once: errors, memory, the slowest's latency

The page is opened in chromium. A pointer moves over the slider of psi; a move counts as painted
when the frame comes that shows it, or a newer one. --threads sets what torch draws with.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/helpers"))

import torch
from playwright.sync_api import Page, sync_playwright
from running_studio import RunningStudio
from studio_page import find_chromium
from websockets.asyncio.client import ClientConnection, connect

from wspace.formats.model_file import save
from wspace.networks.build import build_generator
from wspace.networks.presets import preset
from wspace.studio.web import PAGE, page_files

MOVES = 200
PAUSE_MS = 16.0  # between moves, as a screen of 60 Hz tells of them
GRIDS = 20
CLIENT_PAUSE = 0.1  # seconds between a client's wishes

# Each painted picture is of the last call that went out: moves before it are done with the frame
# that comes next.
WATCH = """() => {
  const moves = [];
  const done = [];
  let sent = 0;
  addEventListener("pointermove", (event) => moves.push(event.timeStamp), true);
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (frame) {
    if (typeof frame === "string" && frame.includes('"slot":"main"')) sent = performance.now();
    return send.call(this, frame);
  };
  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...rest) {
    put.apply(this, rest);
    if (this.canvas.id !== "picture") return;
    window.firstPaint ??= performance.now();
    const until = sent;
    requestAnimationFrame(() => setTimeout(() => {
      while (moves.length && moves[0] <= until) done.push(performance.now() - moves.shift());
    }));
  };
  window.latencies = done;
}"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--moves", type=int, default=MOVES)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--clients", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        models = [large_model(Path(folder))] if arguments.large else []
        started = time.perf_counter()
        studio = RunningStudio(["avatars", *models], cache=Path(folder) / "cache")
        print(f"server up after {time.perf_counter() - started:.2f} s")
        try:
            in_browser(studio.address, arguments.moves)
            if arguments.large:
                asyncio.run(grids(studio, Path(models[0]).stem))
            if arguments.clients:
                asyncio.run(crowd(studio, arguments.clients, arguments.seconds))
        finally:
            studio.end()
    scripts = [path for path in page_files(PAGE).values() if path.suffix == ".js"]
    size = sum(path.stat().st_size for path in scripts)
    print(f"scripts: {len(scripts)} files, {size / 1000:.0f} kB")


def large_model(folder: Path) -> str:
    """A StyleGAN2 of 256² that has learned nothing."""
    torch.manual_seed(0)
    path = folder / "stylegan2-256.safetensors"
    save(build_generator(preset("stylegan2", resolution=256)[0]), path)
    return str(path)


def in_browser(address: str, moves: int) -> None:
    """First paint, and the time from pointer to pixels."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.add_init_script(f"({WATCH})()")
        page.goto(address)
        page.wait_for_function("() => window.firstPaint !== undefined")
        print(f"first picture {page.evaluate('window.firstPaint') / 1000:.2f} s after the request")
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        print(f"first paint {paint / 1000:.2f} s after the request")
        page.wait_for_timeout(1500)
        told("pointer to pixels", slide(page, moves))
        browser.close()


def slide(page: Page, moves: int) -> list[float]:
    """The milliseconds from each move over the slider of psi until it was painted."""
    box = page.get_by_label("Psi", exact=True).bounding_box()
    assert box is not None
    left, right, height = box["x"] + 20, box["x"] + box["width"] - 20, box["y"] + 12
    page.mouse.move(left, height)
    page.mouse.down()
    page.evaluate("window.latencies.length = 0")
    for move in range(moves):
        there = abs(2 * (4 * move / moves % 1) - 1)  # to and fro, four times
        page.mouse.move(right + (left - right) * there, height)
        page.wait_for_timeout(PAUSE_MS)
    page.mouse.up()
    page.wait_for_timeout(500)
    return list(page.evaluate("window.latencies"))


def told(what: str, milliseconds: Sequence[float]) -> None:
    """Print the median and how long the slowest of twenty took."""
    ordered = sorted(milliseconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    print(f"{what}: {len(ordered)}, p50 {statistics.median(ordered):.0f} ms, p95 {p95:.0f} ms")


class Asker:
    """A client that asks and waits."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._id = 0
        self.times: list[float] = []

    async def ask(self, call: str, **data: object) -> dict:
        """The head of the last answer."""
        self._id += 1
        started = time.perf_counter()
        await self._socket.send(json.dumps({"id": self._id, "call": call, "slot": None, **data}))
        while True:
            frame = await self._socket.recv()
            assert isinstance(frame, bytes)
            (size,) = struct.unpack(">I", frame[:4])
            head = json.loads(frame[4 : 4 + size])
            if head["id"] == self._id and head["kind"] != "progress":
                break
        self.times.append(1000 * (time.perf_counter() - started))
        if head["kind"] != "result":
            raise SystemExit(f"{call}: {head}")
        return head


def opened(studio: RunningStudio) -> connect:
    """A connection with the cookie that the printed address gives."""
    opener = build_opener(HTTPCookieProcessor())
    opener.open(studio.address).read()
    (cookies,) = (one for one in opener.handlers if isinstance(one, HTTPCookieProcessor))
    (cookie,) = cookies.cookiejar
    origin = f"http://127.0.0.1:{studio.port}"
    headers = {"Cookie": f"{cookie.name}={cookie.value}"}
    return connect(
        f"ws://127.0.0.1:{studio.port}/engine",
        origin=origin,
        additional_headers=headers,
        max_size=None,
    )


async def grids(studio: RunningStudio, title: str) -> None:
    """2 x 2 pictures of the large model at once, each time with another psi, in both precisions."""
    async with opened(studio) as socket:
        asker = Asker(socket)
        listed = (await asker.ask("models"))["models"]
        (key,) = (one["key"] for one in listed if one["title"] == title)
        await asker.ask("open", model=key)
        for precision in ("fp32", "bf16"):
            for number in range(GRIDS + 1):
                psi = 0.5 + 0.5 * number / (GRIDS + 1)
                recipes = [recipe(seed, psi) | {"precision": precision} for seed in range(4)]
                await asker.ask("render", model=key, recipes=recipes)
                if number == 0:  # what is made once
                    asker.times.clear()
            told(f"2 x 2 of 256², {precision}", asker.times)


async def crowd(studio: RunningStudio, clients: int, seconds: float) -> None:
    """Many clients that each move a slider."""
    start = await asyncio.to_thread(memory, studio.pid)
    ends = time.perf_counter() + seconds
    slow = await asyncio.gather(*(visit(studio, number, ends) for number in range(clients)))
    end = await asyncio.to_thread(memory, studio.pid)
    slowest = max(slow, key=lambda times: sorted(times)[int(0.95 * len(times))])
    print(f"{clients} clients, {seconds:.0f} s: {sum(map(len, slow))} pictures, no error")
    print(f"memory {start:.0f} MB at the start, {end:.0f} MB at the end: {end / start:.2f} times")
    told("the slowest client", slowest)


async def visit(studio: RunningStudio, number: int, ends: float) -> list[float]:
    """One client: its own seed, another psi each time."""
    async with opened(studio) as socket:
        asker = Asker(socket)
        (key,) = (
            one["key"] for one in (await asker.ask("models"))["models"] if one["title"] == "avatars"
        )
        await asker.ask("open", model=key)
        asker.times.clear()
        while time.perf_counter() < ends:
            psi = 0.5 + 0.5 * (len(asker.times) % 40) / 40
            await asker.ask("render", model=key, recipes=[recipe(number, psi)])
            await asyncio.sleep(CLIENT_PAUSE)
        return asker.times


def recipe(seed: int, psi: float) -> dict:
    """As the page writes it."""
    return {"version": 1, "sources": [{"seed": seed}], "psi": psi}


def memory(pid: int) -> float:
    """Resident memory of a process, in MB."""
    with open(f"/proc/{pid}/status") as file:
        (line,) = (one for one in file if one.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


if __name__ == "__main__":
    main()
