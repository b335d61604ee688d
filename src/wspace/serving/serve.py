"""The server for programs, from its start to its end."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Mapping

from wspace.serving.api import make_app
from wspace.serving.drawing import Drawing
from wspace.serving.entry import Hosts
from wspace.serving.metrics import Metrics
from wspace.serving.server import Server
from wspace.serving.shelf import OpenModel

__all__ = ["FINISH_SECONDS", "FIRST_PORT", "serve"]

FIRST_PORT = 8766
FINISH_SECONDS = 60  # that what was asked for gets to be drawn and sent when the server ends


def serve(
    listening: socket.socket,
    models: Mapping[str, OpenModel],
    *,
    hosts: Hosts,
    token: str | None,
    most_waiting: int,
    batch_size: int | None = None,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until Ctrl-C or SIGTERM, and then finish what was asked for.

    Args:
        listening: see `bind`.
        models: see `open_models`.
        hosts: the names that the server is reached by.
        token: that requests must show; None: they need none.
        most_waiting: see `Drawing`.
        batch_size: see `Drawing`.
        ready: called once it answers, in a thread of its own.
    """
    from wspace.machine import keep_freed_memory

    keep_freed_memory()  # tensors come and go, batch after batch
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # strangers' garbage is no news
    metrics = Metrics()
    drawing = Drawing(most_waiting, batch_size=batch_size, watch=metrics.drawn)
    app = make_app(models, drawing, metrics, hosts=hosts, token=token)
    try:
        Server(app, goodbye_seconds=FINISH_SECONDS, ready=ready).run(sockets=[listening])
    finally:
        drawing.end()
