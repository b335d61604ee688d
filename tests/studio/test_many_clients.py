"""Many pages at once, for a minute: no error, no memory that grows, nobody left behind."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from running_studio import RunningStudio
from studio_client import Page
from websockets.sync.client import connect

from wspace.recipe.recipe import recipes

CLIENTS, SECONDS, WARM_SECONDS = 20, 60.0, 8.0


class Client(threading.Thread):
    """Moves a slider without end: a call when the last is answered."""

    def __init__(self, address: str, number: int, ends_at: float) -> None:
        super().__init__(daemon=True)
        self.address, self.number, self.ends_at = address, number, ends_at
        self.counts_from = ends_at - SECONDS
        self.milliseconds: list[float] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        parts = urlsplit(self.address)
        token = parse_qs(parts.query)["token"][0]
        try:
            with connect(
                f"ws://{parts.netloc}/engine",
                origin=f"http://{parts.netloc}",  # type: ignore[arg-type]
                additional_headers={"Authorization": f"Bearer {token}"},
                compression=None,
                max_size=2**28,
            ) as socket:
                self.ask_on(Page(socket))
        except BaseException as error:
            self.failure = error

    def ask_on(self, page: Page) -> None:
        step = 0
        while time.monotonic() < self.ends_at:
            step += 1
            (recipe,) = recipes(seeds=(self.number,), psi=(step % 100) / 100)
            started = time.perf_counter()
            page.result("render", model="bundled-avatars", recipes=[recipe.to_dict()], slot="main")
            if time.monotonic() > self.counts_from:
                self.milliseconds.append(1000 * (time.perf_counter() - started))

    @property
    def p95(self) -> float:
        return sorted(self.milliseconds)[int(0.95 * len(self.milliseconds))]


def held_bytes(pid: int) -> int:
    """Memory that a process holds now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_twenty_clients_for_a_minute(tmp_path: Path) -> None:
    studio = RunningStudio(cache=tmp_path)
    try:
        ends_at = time.monotonic() + WARM_SECONDS + SECONDS
        clients = [Client(studio.address, number, ends_at) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(WARM_SECONDS)
        before = held_bytes(studio.pid)
        for client in clients:
            client.join(SECONDS + 60)
        after = held_bytes(studio.pid)
        assert [client.failure for client in clients if client.failure] == []
        slowest = max(client.p95 for client in clients)
        counts = [len(client.milliseconds) for client in clients]
        print(
            f"{CLIENTS} clients, {SECONDS:.0f} s: {sum(counts)} pictures, {min(counts)} to "
            f"{max(counts)} each, p95 of the slowest {slowest:.0f} ms, memory "
            f"{before / 2**20:.0f} to {after / 2**20:.0f} MiB"
        )
        assert after < 1.2 * before
        assert min(counts) > 0.5 * max(counts)
    finally:
        studio.end()
