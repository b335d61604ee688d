"""A server of this process, asked over sockets of loopback."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from dataclasses import dataclass
from email.message import Message
from typing import ClassVar, Self

from wspace.serving.server import Server, bind

__all__ = ["LocalServer", "Response"]


@dataclass(frozen=True)
class Response:
    """What a request was answered with."""

    status: int
    headers: Message
    body: bytes


class LocalServer:
    """A server that answers in the block.

    Attributes:
        path: that is answered to those who may come in.
        server: given by what builds on this class.
    """

    path: ClassVar[str]
    server: Server

    def __init__(self, token: str) -> None:
        self._listening = bind(0)
        self.token = token
        self.port = int(self._listening.getsockname()[1])
        self.host = f"127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.server.run(sockets=[self._listening])

    def __enter__(self) -> Self:
        self._thread.start()
        while not self.server.started:
            time.sleep(0.005)
        return self

    def __exit__(self, *raised: object) -> None:
        self.server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()

    def get(
        self,
        path: str,
        *,
        inside: bool = False,
        method: str = "GET",
        body: str | bytes = "",
        **headers: str,
    ) -> Response:
        """Ask for something; ``inside``: with the token. Headers with _ in the place of -."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if inside:
            given["Authorization"] = f"Bearer {self.token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host="Host" in given)
            content = body.encode() if isinstance(body, str) else body
            if content:
                given["Content-Length"] = str(len(content))
            for name, value in given.items():
                connection.putheader(name, value)
            connection.endheaders(content)
            response = connection.getresponse()
            return Response(response.status, response.headers, response.read())
