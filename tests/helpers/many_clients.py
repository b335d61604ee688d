"""Clients of `wspace serve` that ask without end, and read every answer."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import random
import threading
import time
import zipfile

from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from wspace.recipe.recipe import recipes

__all__ = ["Client", "metrics"]


class Client(threading.Thread):
    """Asks for the next pictures when it has the last.

    Attributes:
        milliseconds: from question to answer, of those that were right.
        lost: what became of the others.
        ends: set to have it stop.
    """

    def __init__(self, port: int, number: int, asked: int, counts_from: float) -> None:
        """Say what it asks for.

        Args:
            port: of the server.
            number: of the client: it asks for seeds of its own.
            asked: pictures at once.
            counts_from: on the monotonic clock, when answers begin to count.
        """
        super().__init__(daemon=True)
        self.port, self.asked, self.counts_from = port, asked, counts_from
        self.random = random.Random(number)
        self.milliseconds: list[float] = []
        self.lost: list[str] = []
        self.ends = threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        with contextlib.closing(connection):
            while not self.ends.is_set():
                seeds = [self.random.randrange(2**32) for _ in range(self.asked)]
                started = time.perf_counter()
                try:
                    files = ask(connection, seeds)
                    if [seed_of(file) for file in files] != seeds:
                        self.lost.append("another picture than was asked for")
                        continue
                except (OSError, http.client.HTTPException, ValueError) as error:
                    self.lost.append(repr(error))
                    continue
                if time.monotonic() > self.counts_from:
                    self.milliseconds.append(1000 * (time.perf_counter() - started))


def ask(connection: http.client.HTTPConnection, seeds: list[int]) -> list[bytes]:
    """The files that the server sends."""
    made = [recipe.to_dict() for recipe in recipes(seeds=seeds, psi=0.7)]
    alone = len(made) == 1
    body = json.dumps({"recipe": made[0]} if alone else {"recipes": made})
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/picture" if alone else "/pictures", body, headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise ValueError(f"{answer.status} {content[:100]!r}")
    if alone:
        return [content]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [archive.read(name) for name in archive.namelist()]


def seed_of(file: bytes) -> int:
    """The seed that a picture says it is of."""
    with Image.open(io.BytesIO(file)) as picture:
        seed = json.loads(picture.text["wspace"])["recipe"]["sources"][0]["seed"]
    assert isinstance(seed, int)
    return seed


def metrics(port: int) -> dict[str, float]:
    """What the server tells Prometheus, without labels."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    families = text_string_to_metric_families(text)
    return {one.name: one.value for family in families for one in family.samples if not one.labels}
