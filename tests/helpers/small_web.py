"""A web server on this machine that can be told to misbehave."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class SmallWeb:
    """Files by path, and what is asked of them.

    Attributes:
        url: of the server, without a slash behind it.
        files: content by path.
        asked: method, path with query, and Range of each call.
        headers: more of each answer, by path.
        redirects: where a path leads on to.
        tagged: whether answers have an ETag.
        ranges: whether parts can be asked for.
        cut: how many answers to GET break off in their middle.
        endless: paths whose content never ends and has no stated length.
        after_get: called with a path when its content has been sent.
        password: what has to be brought, as the header Authorization has it; None: nothing.
        status: the answer to all calls, in place of content; 0: what is asked for.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    tagged: bool = True
    ranges: bool = True
    cut: int = 0
    endless: set[str] = field(default_factory=set)
    after_get: Callable[[str], None] = lambda path: None
    password: str | None = None
    status: int = 0

    def gets(self) -> list[str]:
        """The paths whose content was asked for."""
        return [path for method, path, _ in self.asked if method == "GET"]


@contextmanager
def small_web() -> Iterator[SmallWeb]:
    """Run a server while the block runs."""
    web = SmallWeb()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(False)

        def do_GET(self) -> None:
            self.answer(True)

        def answer(self, with_body: bool) -> None:
            path = urlsplit(self.path).path
            web.asked.append((self.command, self.path, self.headers.get("Range")))
            if web.status:
                return self.start(web.status, 0)
            if web.password is not None and self.headers.get("Authorization") != web.password:
                return self.start(401, 0)
            if path in web.redirects:
                return self.start(302, 0, {"Location": web.redirects[path]})
            if path in web.endless:
                self.start(200, None)
                while with_body:
                    try:
                        self.wfile.write(b"10000\r\n" + bytes(65536) + b"\r\n")
                    except OSError:
                        return None
                return None
            if path not in web.files:
                return self.start(404, 0)
            content = web.files[path]
            told = dict(web.headers.get(path, {}))
            if web.tagged:
                told["ETag"] = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            status = 200
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
            if not web.ranges:
                told["Accept-Ranges"] = "none"
            elif asked:
                first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
                told["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
                content, status = content[first : last + 1], 206
            self.start(status, len(content), told)
            if not with_body:
                return None
            if web.cut and len(content) > 1:
                web.cut -= 1
                self.wfile.write(content[: len(content) // 2])
                self.close_connection = True
                return None
            self.wfile.write(content)
            web.after_get(path)
            return None

        def start(
            self, status: int, length: int | None, told: dict[str, str] | None = None
        ) -> None:
            self.send_response(status)
            if length is None:
                self.send_header("Transfer-Encoding", "chunked")
            elif "Content-Length" not in (told or {}):
                self.send_header("Content-Length", str(length))
            for name, value in (told or {}).items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever asked has gone."""

    with Server(("127.0.0.1", 0), Handler) as server:
        web.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
