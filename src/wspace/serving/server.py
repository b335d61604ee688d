"""A server: where it listens, when it ends, and whom it does not wait for."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, ClassVar

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from wspace.errors import WspaceError

__all__ = ["Server", "address_of", "bind"]

HEAD_SECONDS = 10.0  # that a client may take for the head of a request
MOST_SILENT = 128  # connections that have not said yet what they want; above, the oldest go
SEND_SECONDS = 30.0  # that a client may take none of an answer that waits for it
_LOOPBACK = "127.0.0.1"


def bind(port: int, address: str | None = None, *, or_another: bool = False) -> socket.socket:
    """A socket that listens.

    Args:
        port: 0: any that is free.
        address: None: loopback.
        or_another: takes any that is free where the port is taken.

    Raises:
        WspaceError: the port is taken, or there is no such address here.
    """
    host = address or _LOOPBACK
    try:
        try:
            return _listening(host, port)
        except OSError as error:
            if not or_another or error.errno != errno.EADDRINUSE:
                raise
            return _listening(host, 0)
    except OSError as error:
        advice = "choose another --port, or leave it out"
        if error.errno != errno.EADDRINUSE and address is not None:
            advice = "give --listen an address that this machine has"
        raise WspaceError(
            f"cannot listen on {host} port {port}: {error.strerror or error}: {advice}."
        ) from None


def _listening(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, place = found[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(place)
        listening.listen(128)
    except BaseException:
        listening.close()
        raise
    return listening


def address_of(listening: socket.socket, address: str | None = None) -> str:
    """The address that a browser opens, such as "http://127.0.0.1:8765"."""
    host, port = listening.getsockname()[:2]
    name = _LOOPBACK if address is None or host in ("0.0.0.0", "::") else address
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


class Server(uvicorn.Server):
    """uvicorn, which ends without an error when it is told to, and waits for no one for ever."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        goodbye_seconds: int,
        frame_bytes: int = 0,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        """Say what answers.

        Args:
            app: that answers.
            goodbye_seconds: that open requests get to come to an end.
            frame_bytes: of the longest frame of a WebSocket; 0: there is none.
            ready: called once it answers, in a thread of its own.
        """
        super().__init__(
            uvicorn.Config(
                app,
                http=_ImpatientProtocol,
                ws="websockets-sansio" if frame_bytes else "none",
                ws_max_size=frame_bytes,
                ws_per_message_deflate=False,  # a bomb could lie in it; pictures gain little
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=goodbye_seconds,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets=sockets)
        threading.Thread(target=self._ready, name="wspace-ready", daemon=True).start()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but what has ended the server is not raised again after that."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {name: signal.signal(name, self._end) for name in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.handle_exit(number, frame)


class _ImpatientProtocol(H11Protocol):
    """HTTP that ends a connection which does not say what it wants, or does not take the answer.

    uvicorn waits for ever for the head of a request that has begun, or of the first, and for a
    client to read.
    """

    _reads_by: asyncio.TimerHandle | None = None
    _silent: ClassVar[dict[_ImpatientProtocol, asyncio.TimerHandle]] = {}  # the oldest first

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait_for_head()
        while len(self._silent) > MOST_SILENT:
            next(iter(self._silent))._give_up()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_waiting()
        self._has_read()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._has_read()
        self._reads_by = self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._has_read()

    def _has_read(self) -> None:
        if self._reads_by is not None:
            self._reads_by.cancel()

    def _wait_for_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self not in self._silent:
            self._silent[self] = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        timer = self._silent.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self._stop_waiting()
        if self.conn.their_state is h11.IDLE:
            self.transport.close()
