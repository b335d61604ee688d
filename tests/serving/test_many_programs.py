"""Many programs at once, for a minute: nothing lost, no memory that grows, nobody left behind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from many_clients import Client, metrics
from running_server import RunningServer

CLIENTS, SECONDS, WARM_SECONDS = 20, 60.0, 8.0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("asked", [1, 16])
def test_twenty_clients_for_a_minute(asked: int) -> None:
    server = RunningServer("avatars", "--queue", asked * CLIENTS)
    counts_from = time.monotonic() + WARM_SECONDS
    clients = [Client(server.port, number, asked, counts_from) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    time.sleep(WARM_SECONDS)
    before = metrics(server.port)
    time.sleep(SECONDS)
    after = metrics(server.port)
    for client in clients:
        client.ends.set()
    for client in clients:
        client.join(60)
    assert [client.lost for client in clients if client.lost] == []
    assert not any(client.is_alive() for client in clients)
    counts = [len(client.milliseconds) for client in clients]
    assert min(counts) > 0.5 * max(counts) - 2
    memory = "process_resident_memory_bytes"
    assert after[memory] < 1.2 * before[memory]
    assert metrics(server.port)["wspace_waiting_pictures"] == 0
    status, _ = server.end()
    assert status == 0
