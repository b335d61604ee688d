"""The studio's server: it listens first, and loads what is slow when it is asked for."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

from wspace.serving.server import Server
from wspace.serving.shelf import Shelf
from wspace.studio.access import Access
from wspace.studio.calls import Calls
from wspace.studio.frames import MAX_BINARY
from wspace.studio.turns import Turns
from wspace.studio.web import PAGE, make_app

__all__ = ["FIRST_PORT", "GOODBYE_SECONDS", "serve"]

FIRST_PORT = 8765
GOODBYE_SECONDS = 2  # that open connections get when the server ends


def serve(
    listening: socket.socket,
    access: Access,
    shelf: Shelf,
    *,
    ready: Callable[[], None] = lambda: None,
) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        listening: see `bind`.
        access: who may come in.
        shelf: the models.
        ready: called once it answers, in a thread of its own.
    """
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # strangers' garbage is no news
    turns = Turns()
    app = make_app(access, Calls(shelf), turns, page=PAGE)
    try:
        Server(app, goodbye_seconds=GOODBYE_SECONDS, frame_bytes=MAX_BINARY, ready=ready).run(
            sockets=[listening]
        )
    finally:
        turns.end()
