"""A plain static server of a folder, as any host of pages is one."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class StaticSite:
    """Serves a folder on loopback until it ends.

    Attributes:
        address: of the folder, such as "http://127.0.0.1:4711/".
        sent: the path and the bytes of each answer.
    """

    def __init__(self, folder: Path) -> None:
        self.sent: list[tuple[str, int]] = []
        handler = partial(_Quiet, self.sent, directory=str(folder))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Nobody answers any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    """Says nothing, and counts what it sends."""

    def __init__(self, sent: list[tuple[str, int]], *args: Any, **kwargs: Any) -> None:
        self._sent = sent
        super().__init__(*args, **kwargs)

    def send_header(self, keyword: str, value: str) -> None:
        """Counts a body by its length."""
        if keyword.lower() == "content-length":
            self._sent.append((self.path, int(value)))
        super().send_header(keyword, value)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing to say."""
